-- pg_cron calls the jobs of the database no more. Before there were hold-ups to look for there was one entry.
select
    bool_or(cron.unschedule(j.jobid)) as removed,
    '{{ api }} jobs' as name
from cron.job as j
where j.jobname in ('{{ api }} jobs', '{{ api }} hold-ups')
