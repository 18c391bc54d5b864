-- Every job is due.
update {{ private }}.job set next_run_at = {{ private }}.now() - interval '1 second'
