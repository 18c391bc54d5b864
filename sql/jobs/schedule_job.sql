-- Change when a job runs, and whether it does.
-- Locks     the job's row
-- Writes    job
-- Notifies  wake
-- Raises    OR101 bad schedule · OR107 unknown job
create or replace function {{ api }}.schedule_job(p_job text, p_schedule text default null, p_enabled boolean default null)
    returns table (job text, schedule text, enabled boolean, next_run_at timestamptz)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    if not exists (select from {{ private }}.job as j where j.job = p_job) then
        raise exception using
            errcode = 'OR107',
            message = 'unknown job',
            detail = jsonb_build_object('job', p_job)::text,
            hint = 'select job, schedule, description from {{ api }}.jobs lists them';
    end if;
    perform {{ private }}.check_schedule(p_schedule);
    perform {{ private }}.wake(p_job);
    return query
    update {{ private }}.job as j
    set
        schedule = coalesce(p_schedule, j.schedule),
        enabled = coalesce(p_enabled, j.enabled),
        next_run_at = {{ private }}.next_run(coalesce(p_schedule, j.schedule), {{ private }}.now(), {{ private }}.now())
    where j.job = p_job
    returning j.job, j.schedule, j.enabled, j.next_run_at;
end
$function$;
comment on function {{ api }}.schedule_job(text, text, boolean) is
'Change when a job runs, and whether it does. Null leaves a value as it is.
p_job: the job.
p_schedule: an interval such as 10 seconds, or five cron fields in UTC.
p_enabled: false switches it off.
job: the job.
schedule: its schedule now.
enabled: whether it runs.
next_run_at: when it is due.
Raises: OR101, OR107.
Example: select * from {{ api }}.schedule_job(''purge_history'', ''30 2 * * *'');';
revoke all on function {{ api }}.schedule_job(text, text, boolean) from public;
grant execute on function {{ api }}.schedule_job(text, text, boolean) to {{ admin }};
