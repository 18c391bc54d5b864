-- pg_cron calls the jobs of the database no more.
select cron.unschedule('{{ api }} jobs') as removed, '{{ api }} jobs' as name
