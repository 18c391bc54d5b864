-- The limits of the migrating transaction: as much work as it takes, but short waits for locks; the runner tries again.
-- Shorter than deadlock_timeout (1 s), so that in a deadlock it is the migration that gives way and not a worker.
set local lock_timeout = '500ms';
set local statement_timeout = 0;
set local client_min_messages = warning;
set local search_path = pg_catalog, pg_temp;
