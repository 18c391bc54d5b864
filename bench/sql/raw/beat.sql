-- The last beat of one instance.
update bench_raw.heartbeat as h
set
    beat_at = clock_timestamp(), sent_at = %(sent_at)s, last_activity = %(sent_at)s, digest = %(digest)s, in_step = true, status = 'active',
    current_streams = %(current_streams)s, processed_count = %(processed_count)s, error_count = 0, cpu_usage = 12.5, memory_usage = 40
where h.instance_id = %(instance_id)s
