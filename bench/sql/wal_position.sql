-- How many bytes of WAL this server has ever written.
select (pg_current_wal_insert_lsn() - '0/0')::bigint as bytes
