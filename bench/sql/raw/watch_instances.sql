-- Is an instance late?
select exists (select from bench_raw.heartbeat as h where h.beat_at < clock_timestamp() - interval '90 seconds')
