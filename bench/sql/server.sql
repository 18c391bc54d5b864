-- What is measured on: its version, and every number and switch that is not as it was delivered.
select
    version() as server,
    current_setting('shared_buffers') as shared_buffers,
    current_setting('fsync') as fsync,
    current_setting('synchronous_commit') as synchronous_commit,
    (
        select jsonb_object_agg(s.name, current_setting(s.name) order by s.name)
        from pg_settings as s
        where s.source in ('configuration file', 'command line') and s.vartype <> 'string'
    ) as settings
