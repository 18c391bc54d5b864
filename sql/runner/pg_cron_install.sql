-- Let pg_cron call the jobs of the database. Under the same name again, it replaces what was there.
select
    cron.schedule('{{ api }} jobs', %(schedule)s, 'select * from {{ api }}.run_due_jobs()') as job_id,
    '{{ api }} jobs' as name,
    %(schedule)s as schedule
