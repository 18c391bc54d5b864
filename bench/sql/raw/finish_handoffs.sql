-- Is a hand-over overdue?
select exists (select from bench_raw.assignment as a where a.releasing_since < clock_timestamp() - interval '30 seconds')
