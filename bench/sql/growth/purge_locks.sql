-- What this transaction has locked.
select l.locktype, l.mode, count(*) as locks
from pg_locks as l
where l.pid = pg_backend_pid() and l.locktype in ('advisory', 'relation') and l.mode <> 'AccessShareLock'
group by l.locktype, l.mode
order by l.locktype, l.mode
