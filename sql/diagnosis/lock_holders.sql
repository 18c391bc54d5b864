-- Whose locks make others wait: for a caller that has just waited in vain (55P03) and has to say for whom.
-- Reads     pg_locks, pg_stat_activity
create or replace function {{ api }}.lock_holders()
    returns table (
        lock text, mode text, pid integer, login text, application_name text, state text, transaction_age interval, waiting integer
    )
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
begin atomic
    with held as (
        select
            l.pid, l.mode,
            case when l.locktype = 'advisory' then 'decision' else 'table ' || c.relname end as lock
        from pg_locks as l
        left join pg_class as c on l.relation = c.oid
        left join pg_namespace as n on c.relnamespace = n.oid
        where l.granted
            and l.pid <> pg_backend_pid()
            and l.database = (select d.oid from pg_database as d where d.datname = current_database())
            and (
                (l.locktype = 'advisory' and ((l.classid::bigint << 32) | l.objid::bigint) = {{ private }}.lock_key('decision'))
                -- a transaction that has written, or locked rows, may hold the row; who locks a table holds all of it
                or (n.nspname = '{{ private }}' and c.relkind = 'r' and l.mode <> 'AccessShareLock')
            )
    )
    select
        h.lock, h.mode, h.pid, a.usename::text, a.application_name, a.state, {{ private }}.now() - a.xact_start,
        (select count(*)::integer from pg_stat_activity as w where h.pid = any(pg_blocking_pids(w.pid)))
    from held as h
    join pg_stat_activity as a on h.pid = a.pid
    order by 8 desc, a.xact_start asc, h.pid asc, h.lock asc
    limit 10;
end;
comment on function {{ api }}.lock_holders() is
'Say whose locks make others wait: who holds the decision lock, or locks on this system''s tables. At most ten rows, the ones that most wait for first.
lock: decision, or table and its name.
mode: the mode of the lock, as pg_locks has it.
pid: the server process that holds it.
login: its login.
application_name: its program.
state: active, or idle in transaction.
transaction_age: for how long its transaction has been open.
waiting: how many sessions wait for it.
Example: select * from {{ api }}.lock_holders();';
revoke all on function {{ api }}.lock_holders() from public;
grant execute on function {{ api }}.lock_holders() to {{ worker }}, {{ admin }}, {{ reader }};
