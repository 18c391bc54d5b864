-- A driver has done a job that it claimed.
-- Locks     the job's row
-- Writes    job, job_run; failure_count and incident_pattern when it failed
-- Raises    OR107 no such claim (it was taken over after its timeout, perhaps)
create or replace function {{ api }}.finish_job(p_job_run_id bigint, p_error jsonb default null, p_result jsonb default null)
    returns table (job text, next_run_at timestamptz)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_run {{ private }}.job_run;
    v_job {{ private }}.job;
begin
    -- the job's row first, like run_next_job: two must not finish one claim, nor one be finished and abandoned
    select j.* into v_job
    from {{ private }}.job as j
    where j.job = (select r.job from {{ private }}.job_run as r where r.job_run_id = p_job_run_id)
    for no key update;
    select r.* into v_run from {{ private }}.job_run as r where r.job_run_id = p_job_run_id and r.outcome = 'claimed';
    if not found then
        raise exception using
            errcode = 'OR107',
            message = 'unknown claim',
            detail = jsonb_build_object('job_run_id', p_job_run_id)::text,
            hint = 'the claim was finished before, or another driver took the job over after its timeout';
    end if;
    perform {{ private }}.continue_event(v_run.event_id);
    perform {{ private }}.record_run(v_job, v_run.job_run_id, v_run.run_by, v_run.started_at, p_result, {{ private }}.redact_json(p_error));
    -- asked for, or scheduled anew, after it began
    update {{ private }}.job as j
    set next_run_at = v_job.next_run_at
    where j.job = v_job.job and v_job.next_run_at > v_run.started_at;
    return query select j.job, j.next_run_at from {{ private }}.job as j where j.job = v_job.job;
end
$function$;
comment on function {{ api }}.finish_job(bigint, jsonb, jsonb) is
'End a job that this driver claimed, with an error or a result.
p_job_run_id: the claim, as run_next_job returned it.
p_error: {"code", "message", "detail", "hint"} when it failed.
p_result: what it did, as JSON; null when it found nothing to do.
job: the name of the job.
next_run_at: when it is due again.
Raises: OR107.
Example: select * from {{ api }}.finish_job(1, p_result => ''{"sent": 1}'');';
revoke all on function {{ api }}.finish_job(bigint, jsonb, jsonb) from public;
grant execute on function {{ api }}.finish_job(bigint, jsonb, jsonb) to {{ admin }};
