-- Lock every table of the fleet before anything is changed, so that the migration waits for no lock while others wait for its own.
-- A job that waits for a table of ours while we wait for its row in job is in a deadlock, and after deadlock_timeout (1 s) it may
-- be the one that fails. So all these locks together take no longer than lock_timeout; else the migration gives way and tries again.
-- What is left to wait for after that are readers of views, and not for long.
-- Locks     job, then the other tables in the order in which they were made
do $do$
declare
    v_limit interval := current_setting('lock_timeout')::interval;
    v_until timestamptz := clock_timestamp() + v_limit;
    v_table record;
begin
    for v_table in
        select
            n.nspname,
            c.relname
        from pg_catalog.pg_class as c
        inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
        where n.nspname in ('{{ api }}', '{{ private }}')
            and c.relkind in ('r', 'p')
            -- what a DBA has put beside ours stays as it is
            and pg_catalog.pg_get_userbyid(c.relowner) = current_user
            -- the runner's own history: status may be asked for meanwhile
            and c.relname not like 'schema\_%'
        order by c.relname <> 'job', c.oid
    loop
        perform pg_catalog.set_config(
            'lock_timeout',
            -- a clock that is set back meanwhile makes no wait longer
            greatest(1, extract(epoch from least(v_limit, v_until - clock_timestamp())) * 1000)::integer || 'ms',
            true
        );
        execute pg_catalog.format('lock table %I.%I in access exclusive mode', v_table.nspname, v_table.relname);
    end loop;
    perform pg_catalog.set_config('lock_timeout', '100ms', true);
end
$do$;
