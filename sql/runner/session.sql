-- The limits of a session, set after connecting: a pooler may refuse them as start-up options.
-- Behind a pooler in transaction mode the process that answers is not the one that introduced itself; it is shared with
-- others, and nothing is set on it.
-- A setting that this server does not have (transaction_timeout before PostgreSQL 17) is left out.
select set_config(wanted.name, wanted.value, false)
from unnest(%(names)s::text[], %(values)s::text[]) as wanted (name, value)
where current_setting(wanted.name, true) is not null
    and pg_backend_pid() = %(backend_pid)s
