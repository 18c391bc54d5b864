-- What the migrating transaction does not leave to the defaults of the server, the database or the login. First of
-- all: what was read before a lock was waited for must not be believed after it.
set transaction isolation level read committed;
set local client_encoding = 'UTF8'; -- the files are
-- How values are written, in definitions too: each would look altered.
set local timezone = 'UTC';
set local datestyle = 'ISO, MDY';
set local intervalstyle = postgres;
set local extra_float_digits = 1;
set local bytea_output = hex;
set local array_nulls = on;
set local quote_all_identifiers = off;
set local standard_conforming_strings = on;
set local transform_null_equals = off;
set local default_table_access_method = heap; -- rows are locked and updated all the time
set local check_function_bodies = on;
-- The limits: as much work as it takes, but short waits for locks; the runner tries again.
-- Shorter than deadlock_timeout (1 s), so that in a deadlock it is the migration that gives way and not a worker.
set local lock_timeout = '500ms';
set local statement_timeout = 0;
set local client_min_messages = warning;
set local search_path = pg_catalog, pg_temp;
