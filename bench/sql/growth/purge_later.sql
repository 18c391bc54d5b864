-- The purge waits until it is asked for.
update {{ private }}.job as j set next_run_at = {{ private }}.now() + interval '1 day' where j.job = 'purge_history'
