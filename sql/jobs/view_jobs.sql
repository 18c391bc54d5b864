-- Reads     job
create or replace view {{ api }}.jobs as
select
    j.job,
    j.schedule,
    j.runs_in,
    j.enabled,
    j.next_run_at,
    j.claimed_by,
    j.last_started_at,
    j.last_duration,
    j.last_outcome,
    j.last_result,
    j.runs,
    j.failures,
    j.consecutive_failures,
    j.timeout,
    j.description
from {{ private }}.job as j;
comment on view {{ api }}.jobs is 'The periodic jobs: when each runs next and how it went last.';
