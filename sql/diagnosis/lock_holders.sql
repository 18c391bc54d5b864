-- Whose locks make others wait: for a caller that has just waited in vain (55P03) and has to say for whom.
-- Reads     pg_locks, pg_stat_activity; no table of ours, which may be what is locked
create or replace function {{ api }}.lock_holders()
    returns table (
        lock text, mode text, pid integer, login text, application_name text, state text, transaction_age interval, waiting integer
    )
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
    set jit = off
begin atomic
    select
        h.lock, h.mode, h.pid, a.usename::text, a.application_name, a.state, {{ private }}.now() - a.xact_start,
        (select count(*)::integer from {{ private }}.waiting_sessions() as w where h.pid = any(w.waits_for))
    from {{ private }}.fleet_lock as h
    join pg_stat_activity as a on h.pid = a.pid
    where h.holds_up_others
        and h.pid <> pg_backend_pid()
        -- the key behind the gate says no more than the gate
        and (h.lock <> 'key of decisions' or h.pid not in (select d.pid from {{ private }}.decision_holders() as d))
    order by 8 desc, a.xact_start asc, h.pid asc, h.lock asc
    limit 10;
end;
comment on function {{ api }}.lock_holders() is
'Say whose locks make others wait: who holds the decision lock, its key without being one of this system''s programs, or locks on its tables. At most ten rows, the ones that most wait for first.
lock: decision, key of decisions, or table and its name.
mode: the mode of the lock, as PostgreSQL names it.
pid: the server process that holds it.
login: its login.
application_name: its program.
state: active, or idle in transaction.
transaction_age: for how long its transaction has been open.
waiting: how many sessions wait for it.
Example: select * from {{ api }}.lock_holders();';
revoke all on function {{ api }}.lock_holders() from public;
grant execute on function {{ api }}.lock_holders() to {{ worker }}, {{ admin }}, {{ reader }};
