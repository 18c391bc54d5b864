-- Reads     pg_locks, pg_stat_activity, instance
create or replace view {{ api }}.locks as
select
    coalesce('session of ' || i.instance_id, l.lock) as lock,
    l.mode,
    l.granted,
    l.pid,
    l.waits_for,
    a.usename::text as login,
    a.application_name,
    a.state,
    {{ private }}.now() - a.xact_start as transaction_age,
    {{ private }}.now() - l.waitstart as waiting_for
from {{ private }}.fleet_lock as l
left join pg_stat_activity as a on l.pid = a.pid
left join {{ private }}.instance as i on l.key = i.session_key
where l.is_ours or not l.granted;
comment on view {{ api }}.locks is 'Who holds and who waits for the locks of this system: the decision lock, the sessions of instances, its tables.';
