-- Every session of this database and whom it waits for, by every kind of lock; and whether this login sees all of them.
select
    a.pid,
    a.usename::text as login,
    a.application_name,
    a.state,
    pg_catalog.pg_blocking_pids(a.pid) as blocked_by,
    pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'usage') as sees_all
from pg_catalog.pg_stat_activity as a
where a.datname = current_database()
