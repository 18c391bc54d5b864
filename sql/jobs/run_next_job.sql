-- Claim the most overdue job, run it, record it, and say when the next is due. One job is one transaction: a failing one undoes
-- only itself, and any number of drivers share the jobs without knowing of each other.
-- A job that needs the outside world is only claimed (p_outside): the driver does it and calls finish_job. A driver that dies
-- loses its claim after the job's timeout.
-- Without a clock to compare with, a clock that went back is noticed here (clock/clock_steps.sql).
-- Locks     decision (when the clock went back); the job's row; what the job locks
-- Writes    job, job_run, and what the job writes; failure_count and incident_pattern when it fails
-- Raises    55P03
create or replace function {{ api }}.run_next_job(p_driver text default null, p_outside boolean default false, p_clock timestamptz default null)
    returns table (
        job text, job_run_id bigint, outcome text, result jsonb, error jsonb, duration interval, next_due_in interval,
        event_id uuid
    )
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_started_at timestamptz;
    v_run_by text := coalesce(p_driver, {{ private }}.actor());
    v_job {{ private }}.job;
    v_job_run_id bigint;
    v_result jsonb;
    v_error jsonb;
    v_outcome text;
begin
    perform {{ private }}.require_read_committed(); -- or job after job would fail
    if not {{ private }}.is_clock_as_compared(p_clock, v_run_by) then
        return query select null::text, null::bigint, null::text, null::jsonb, null::jsonb, null::interval, interval '0', null::uuid;
        return;
    end if;
    v_started_at := {{ private }}.now();
    v_job := {{ private }}.claim_job(coalesce(p_outside, false));
    if v_job.job is null then
        null;
    elsif v_job.runs_in = 'driver' then
        update {{ private }}.job_run as r
        set outcome = 'abandoned', finished_at = v_started_at
        where r.job = v_job.job and r.outcome = 'claimed';
        insert into {{ private }}.job_run (job, started_at, run_by, outcome, event_id)
        values (v_job.job, v_started_at, v_run_by, 'claimed', {{ private }}.event_id())
        returning job_run.job_run_id into v_job_run_id;
        update {{ private }}.job as j
        set claimed_by = v_run_by, claimed_until = v_started_at + j.timeout
        where j.job = v_job.job;
        v_outcome := 'claimed';
    else
        select a.result, a.error into v_result, v_error from {{ private }}.attempt_job(v_job) as a;
        v_job_run_id := {{ private }}.record_run(v_job, null, v_run_by, v_started_at, v_result, v_error);
        v_outcome := case when v_error is not null then 'failed' when v_result is not null then 'done' else 'nothing' end;
    end if;
    return query
    select
        v_job.job, v_job_run_id, v_outcome, v_result, v_error, {{ private }}.now() - v_started_at,
        {{ private }}.next_due_in(coalesce(p_outside, false)), case when v_job_run_id is not null then {{ private }}.event_id() end;
end
$function$;
comment on function {{ api }}.run_next_job(text, boolean, timestamptz) is
'Run the most overdue job, record it, and say when the next one is due. One job is one transaction.
p_driver: the name of the caller; else its login.
p_outside: true also claims jobs that need the outside world; the caller does them and calls finish_job.
p_clock: what the server''s clock said a moment ago, by read_clock, and agreed with a clock of the caller''s that does not step. If it has moved by more than a second since, nothing is run: read it again. Null: the caller has no such clock.
job: the job; null when none is due.
job_run_id: its run, for finish_job; null when there was nothing to do.
outcome: done, nothing, failed or claimed.
result: what it did, as JSON.
error: why it failed, as JSON.
duration: how long it took.
next_due_in: how long the caller may sleep.
event_id: the id of the event, for explain_event; null when nothing was done.
Raises: 55P03.
Example: select job, outcome, next_due_in from {{ api }}.run_next_job(''driver:host:4711'');';
revoke all on function {{ api }}.run_next_job(text, boolean, timestamptz) from public;
grant execute on function {{ api }}.run_next_job(text, boolean, timestamptz) to {{ admin }};
