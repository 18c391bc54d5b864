-- Whether the last migration ran on another major version of PostgreSQL.
select exists (
    select
    from {{ private }}.schema_object as o
    where o.server_major <> current_setting('server_version_num')::integer / 10000
) as is_another
