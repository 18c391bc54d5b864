-- Make a job due now.
-- Locks     the job's row
-- Writes    job
-- Notifies  wake
-- Raises    OR107 unknown job
create or replace function {{ api }}.request_job(p_job text)
    returns table (job text, next_run_at timestamptz)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    return query
    update {{ private }}.job as j set next_run_at = {{ private }}.now() where j.job = p_job
    returning j.job, j.next_run_at;
    if not found then
        raise exception using
            errcode = 'OR107',
            message = 'unknown job',
            detail = jsonb_build_object('job', p_job)::text,
            hint = 'select job, schedule, description from {{ api }}.jobs lists them';
    end if;
    perform {{ private }}.wake(p_job);
end
$function$;
comment on function {{ api }}.request_job(text) is
'Make a job due now, and wake a driver for it.
p_job: the job.
job: the job.
next_run_at: when it is due: now.
Raises: OR107.
Example: select * from {{ api }}.request_job(''check_balance'');';
revoke all on function {{ api }}.request_job(text) from public;
grant execute on function {{ api }}.request_job(text) to {{ admin }};
