-- Whose transactions hold locks on this fleet's tables, oldest first: who a migration may be waiting for.
select distinct on (a.xact_start, a.pid)
    a.pid,
    a.usename as login,
    a.application_name as program,
    a.state,
    (clock_timestamp() - a.xact_start)::interval(0) as since
from pg_catalog.pg_locks as l
inner join pg_catalog.pg_class as c on l.relation = c.oid
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
inner join pg_catalog.pg_stat_activity as a on l.pid = a.pid
where
    l.granted
    and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
    and n.nspname in ('{{ api }}', '{{ private }}')
    and a.pid <> pg_backend_pid()
order by a.xact_start, a.pid
limit 5
