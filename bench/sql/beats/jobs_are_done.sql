-- No job is due while the benchmark runs: a driver has just been here.
update {{ private }}.job set next_run_at = {{ private }}.now() + interval '1 day'
