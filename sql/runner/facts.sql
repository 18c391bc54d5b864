-- What the runner has to know before it starts. One row.
select
    current_setting('server_version_num')::integer as server_version,
    current_database() as database_name,
    (select pg_catalog.pg_encoding_to_char(d.encoding) from pg_catalog.pg_database as d where d.datname = current_database()) as encoding,
    current_user as login,
    exists (
        select
        from pg_catalog.pg_class as c
        inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
        where n.nspname = '{{ private }}' and c.relname = 'schema_object'
    ) as installed,
    array(
        select wanted.rolname
        from unnest(array['{{ owner }}', '{{ admin }}', '{{ worker }}', '{{ reader }}']) as wanted (rolname)
        where not exists (select from pg_catalog.pg_roles as r where r.rolname = wanted.rolname)
    ) as missing_roles,
    (select r.rolsuper or r.rolcreaterole from pg_catalog.pg_roles as r where r.rolname = current_user) as may_create_roles,
    exists (
        select
        from pg_catalog.pg_roles as r
        where
            r.rolname = '{{ owner }}'
            and pg_catalog.pg_has_role(
                current_user, r.oid, case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end
            )
    ) as is_owner
