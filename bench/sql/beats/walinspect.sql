-- Reads the server's WAL.
create extension if not exists pg_walinspect
