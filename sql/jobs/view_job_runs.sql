-- Reads     job_run
create or replace view {{ api }}.job_runs as
select
    r.job_run_id,
    r.job,
    r.started_at,
    r.finished_at,
    r.run_by,
    r.outcome,
    r.result,
    r.error,
    r.event_id
from {{ private }}.job_run as r;
comment on view {{ api }}.job_runs is 'Runs of jobs that did something or failed.';
