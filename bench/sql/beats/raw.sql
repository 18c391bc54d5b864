-- Two updates of one row by its key, in a table of the same shape, with what the beats beside them say.
\if :is_told
\else
select
    w.instance_id, w.digest, w.sent_at_1, w.sent_at_2,
    w.report_1 ->> 'current_streams' as streams, w.report_1 ->> 'last_activity' as activity_1, w.report_2 ->> 'last_activity' as activity_2
from bench_raw.worker as w
where w.number = :client_id \gset
\set is_told 1
\endif
update bench_raw.heartbeat set beat_at = clock_timestamp(), beats = beats + 1, round_trip = 0.00213, sent_at = :sent_at_1, last_activity = :activity_1, digest = :digest, in_step = true, status = 'active', current_streams = :streams, processed_count = 120431, error_count = 0, cpu_usage = 12.4, memory_usage = 40.2, progressing = :streams, progress_at = clock_timestamp(), breaker = 'closed', breaker_opened = 0 where instance_id = :instance_id;
update bench_raw.heartbeat set beat_at = clock_timestamp(), beats = beats + 1, round_trip = 0.00187, sent_at = :sent_at_2, last_activity = :activity_2, digest = :digest, in_step = true, status = 'active', current_streams = :streams, processed_count = 120502, error_count = 0, cpu_usage = 11.9, memory_usage = 40.2, progressing = :streams, progress_at = clock_timestamp(), breaker = 'closed', breaker_opened = 0 where instance_id = :instance_id;
