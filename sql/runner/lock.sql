-- One migration of this fleet at a time. Its own statement: what is read next must be what the one before left.
do $do$
begin
    perform pg_advisory_xact_lock(hashtextextended('{{ private }}.migration', 0));
end
$do$;
