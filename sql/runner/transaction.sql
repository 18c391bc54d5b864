-- The limits of the migrating transaction: short waits for locks (the runner tries again), as much work as it takes.
set local lock_timeout = '2s';
set local statement_timeout = 0;
set local client_min_messages = warning;
set local search_path = pg_catalog, pg_temp;
