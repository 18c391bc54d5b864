-- Every job has run and found nothing: when is each due again?
update bench_raw.job as j
set
    next_run_at = clock_timestamp() + interval '1 second', last_started_at = clock_timestamp(), last_duration = interval '0',
    last_outcome = 'nothing', last_result = null, runs = j.runs + 1
where j.runs_in = 'database'
