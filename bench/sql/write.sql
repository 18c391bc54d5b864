-- The least that makes a commit write: a number for its transaction.
select pg_current_xact_id()
