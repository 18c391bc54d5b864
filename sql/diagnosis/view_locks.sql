-- Reads     pg_locks, pg_stat_activity, instance
create or replace view {{ api }}.locks as
select
    case
        when l.locktype = 'advisory' and ((l.classid::bigint << 32) | l.objid::bigint) = {{ private }}.lock_key('decision') then 'decision'
        when i.instance_id is not null then 'session of ' || i.instance_id
        when l.relation is not null then 'table ' || c.relname
        else l.locktype
    end as lock,
    l.mode,
    l.granted,
    l.pid,
    pg_blocking_pids(l.pid) as waits_for,
    a.usename::text as login,
    a.application_name,
    a.state,
    {{ private }}.now() - a.xact_start as transaction_age,
    {{ private }}.now() - l.waitstart as waiting_for
from pg_locks as l
left join pg_stat_activity as a on l.pid = a.pid
left join pg_class as c on l.relation = c.oid
left join pg_namespace as n on c.relnamespace = n.oid
left join {{ private }}.instance as i
    on l.locktype = 'advisory' and l.objsubid = 1 and i.session_key = ((l.classid::bigint << 32) | l.objid::bigint)
where l.database = (select d.oid from pg_database as d where d.datname = current_database())
    and (l.locktype = 'advisory' or n.nspname in ('{{ api }}', '{{ private }}') or not l.granted);
comment on view {{ api }}.locks is 'Who holds and who waits for the locks of this system: the decision lock, the sessions of instances, its tables.';
