-- Every stream that was given runs.
update bench_raw.assignment as a set state = 'running' where a.state = 'assigned'
