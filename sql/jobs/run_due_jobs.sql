-- Run every job that is due, in one call: for psql and pg_cron. Jobs that need the outside world are left to a driver.
-- Locks     decision (when the clock went back); the jobs' rows; what the jobs lock
-- Writes    job, job_run, and what the jobs write; failure_count and incident_pattern when one fails
-- Raises    55P03
create or replace function {{ api }}.run_due_jobs()
    returns table (job text, outcome text, result jsonb, error jsonb, duration interval, event_id uuid)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_run record;
    v_done text[] := array[]::text[];
begin
    loop
        select r.* into v_run from {{ api }}.run_next_job() as r;
        exit when v_run.job is null;
        return query select v_run.job, v_run.outcome, v_run.result, v_run.error, v_run.duration, v_run.event_id;
        -- one that is due again already (its schedule is shorter than the others take) must not keep this call for ever
        exit when v_run.job = any(v_done);
        v_done := v_done || v_run.job;
    end loop;
end
$function$;
comment on function {{ api }}.run_due_jobs() is
'Run every job that is due, in one call, a row for each. For psql and pg_cron; jobs that need the outside world are left to a driver.
job: the job.
outcome: done, nothing (there was nothing to do) or failed.
result: what it did, as JSON.
error: why it failed, as JSON.
duration: how long it took.
event_id: the id of the event, for explain_event.
Raises: 55P03.
Example: select job, outcome, result from {{ api }}.run_due_jobs();';
revoke all on function {{ api }}.run_due_jobs() from public;
grant execute on function {{ api }}.run_due_jobs() to {{ admin }};
