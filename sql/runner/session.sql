-- The limits of a session, set after connecting: a pooler may refuse them as start-up options.
-- Behind a pooler in transaction mode the process that answers is not the one that introduced itself; it is shared with
-- others, and nothing is set on it.
-- A setting that this server does not have (transaction_timeout before PostgreSQL 17) is left out.
select set_config(wanted.name, wanted.value, false)
from (
    values
    ('statement_timeout', %(statement_timeout)s),
    ('transaction_timeout', %(transaction_timeout)s),
    ('idle_in_transaction_session_timeout', %(idle_in_transaction_session_timeout)s),
    ('lock_timeout', %(lock_timeout)s),
    ('tcp_keepalives_idle', '10'),
    ('tcp_keepalives_interval', '5'),
    ('tcp_keepalives_count', '3'),
    ('tcp_user_timeout', %(network_timeout)s),
    ('client_connection_check_interval', '2s') -- a killed client's statement ends, even while it waits for a lock
) as wanted (name, value)
where current_setting(wanted.name, true) is not null
    and pg_backend_pid() = %(backend_pid)s
