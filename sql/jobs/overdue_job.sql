-- Whether any driver does what is due.
-- Reads     job

create or replace function {{ private }}.overdue_job()
    returns table (job text, overdue interval)
    language sql volatile
as $function$
    -- a server that was away kept its jobs waiting itself
    select j.job, o.overdue
    from {{ private }}.job as j
    cross join lateral (
        select {{ private }}.now() - greatest(j.next_run_at, j.claimed_until, {{ private }}.on_this_clock({{ private }}.server_started_at())) as overdue
    ) as o
    where j.enabled and j.runs_in = 'database' and o.overdue >= {{ private }}.setting_interval('no_driver_alert')
    order by o.overdue desc
    limit 1
$function$;
comment on function {{ private }}.overdue_job() is 'The job of the database that is overdue for longest, when that is so long that no driver can be there (no_driver_alert).';
