-- The server processes that the HTTP face is connected to.
select a.pid
from pg_stat_activity as a
where a.datname = current_database() and a.application_name in ('orchestrator:http', 'orchestrator:dashboard')
