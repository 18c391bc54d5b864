-- Let pg_cron call the jobs of the database, and a second session look after them: what keeps a job waiting is ended from beside it.
-- Under the same names again, it replaces what was there. Its sessions have the defaults of the server, the database and the login;
-- a decision needs read committed.
select
    cron.schedule('{{ api }} jobs', %(schedule)s, 'set transaction isolation level read committed; select * from {{ api }}.run_due_jobs()') as job_id,
    '{{ api }} jobs' as name,
    %(schedule)s as schedule,
    cron.schedule('{{ api }} hold-ups', %(schedule)s, 'select * from {{ api }}.end_hold_ups()') as hold_ups_job_id
