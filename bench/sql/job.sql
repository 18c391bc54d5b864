-- One job, as run_next_job calls it.
select {{ private }}.{{ job }}() as result
