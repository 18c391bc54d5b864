-- The least that makes a commit wait for the disk: a word in the WAL.
select pg_logical_emit_message(true, 'bench', '')
