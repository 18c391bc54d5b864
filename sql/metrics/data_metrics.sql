-- The metrics, and the bounds of their histograms: from what is too quick to matter to what is too slow to be borne, close
-- together where it is expected. Named as Prometheus wants it: base units, _total for what only grows. No label may be called
-- instance or job: those are Prometheus's own.

with bounds as (
    select
        -- what happens under the decision lock: a millisecond is quick, lock_timeout is 5 s and transaction_timeout 30 s
        array[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30]::double precision[] as decision,
        -- a worker answers a notification at once, an HTTP client with its second beat; handoff_timeout is 30 s
        array[0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20, 30, 45, 60, 120, 300]::double precision[] as handover,
        -- disconnect_grace is 10 s, 60 s are promised (R1.2), heartbeat_timeout is 300 s; orphaned streams wait for an instance
        array[1, 2.5, 5, 10, 12, 15, 20, 30, 45, 60, 90, 120, 300, 360, 600, 3600]::double precision[] as failover,
        -- one statement there and back, beside a local database or across a VPN; network_timeout is 30 s
        array[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30]::double precision[] as round_trip,
        -- a look takes milliseconds, a job of the database has 30 s, one that reads a source 5 minutes
        array[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30, 300]::double precision[] as job_duration,
        -- those that fail over run every second; overdue for 30 s is unhealthy, for no_driver_alert an alert
        array[0.01, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600]::double precision[] as job_lag,
        -- a thousand rows over a network; the job has 5 minutes
        array[0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]::double precision[] as sync
),
defined as (
    select m.*
    from bounds as b
    cross join lateral (
        values
        -- decisions
        ('orchestrator_decision_duration_seconds', 'rebalancing', 'histogram', 'seconds', array['rule'], b.decision, 'How long decisions took under the decision lock, by rule.'),
        ('orchestrator_moves_total', 'rebalancing', 'counter', null, array['rule'], null, 'Streams that decisions moved or asked to be handed over, by rule.'),
        ('orchestrator_least_moves_total', 'rebalancing', 'counter', null, array['rule'], null, 'The least number of moves that could have reached the same balance, by rule.'),
        ('orchestrator_handover_duration_seconds', 'rebalancing', 'histogram', 'seconds', array['outcome'], b.handover, 'From asking a stream''s owner to stop until its next owner has it; outcome: confirmed by the owner, or forced after handoff_timeout.'),
        ('orchestrator_failover_duration_seconds', 'rebalancing', 'histogram', 'seconds', array['rule'], b.failover, 'From a lost instance''s last sign of life until another has the stream, for each stream, by the rule of the decision.'),
        ('orchestrator_refusals_total', 'stream', 'counter', null, array['reason'], null, 'Streams that instances gave back (released) or failed at too often (failed, silent) and do not get again for a while.'),
        ('orchestrator_balancing_paused', 'rebalancing', 'gauge', null, '{}', null, 'Whether an administrator has paused balancing.'),
        ('orchestrator_last_balanced_timestamp_seconds', 'rebalancing', 'gauge', 'seconds', '{}', null, 'When loads were last levelled.'),
        -- beats
        ('orchestrator_beats_total', 'instance', 'counter', null, array['instance_id'], null, 'Beats of an instance.'),
        ('orchestrator_beats_missed_total', 'instance', 'counter', null, array['instance_id'], null, 'Beats that did not come although the interval promised them; known when the next one comes.'),
        ('orchestrator_beat_round_trip_seconds', 'instance', 'histogram', 'seconds', '{}', b.round_trip, 'How long beats took there and back, by the workers'' own clocks.'),
        -- instances
        ('orchestrator_instances', 'instance', 'gauge', null, array['status'], null, 'Instances by status.'),
        ('orchestrator_capacity_streams', 'instance', 'gauge', 'streams', '{}', null, 'How many streams the instances together may have that may be given any.'),
        ('orchestrator_load_ratio', 'instance', 'gauge', 'ratio', '{}', null, 'How much of that capacity is used.'),
        ('orchestrator_imbalance_ratio', 'instance', 'gauge', 'ratio', '{}', null, 'The difference between the highest and the lowest load of an instance.'),
        ('orchestrator_instance_info', 'instance', 'gauge', null, array['instance_id', 'status', 'version', 'location'], null, 'Always 1: what an instance says of itself, and its status.'),
        ('orchestrator_instance_streams', 'instance', 'gauge', 'streams', array['instance_id'], null, 'Streams that an instance has.'),
        ('orchestrator_instance_max_streams', 'instance', 'gauge', 'streams', array['instance_id'], null, 'Streams that an instance may have.'),
        ('orchestrator_instance_immovable_streams', 'instance', 'gauge', 'streams', array['instance_id'], null, 'Streams of an instance that stops none, which no decision can move while it lives.'),
        ('orchestrator_instance_load_ratio', 'instance', 'gauge', 'ratio', array['instance_id'], null, 'The part of an instance''s capacity that is used.'),
        ('orchestrator_instance_silence_seconds', 'instance', 'gauge', 'seconds', array['instance_id'], null, 'How long ago an instance beat.'),
        ('orchestrator_instance_cpu_ratio', 'instance', 'gauge', 'ratio', array['instance_id'], null, 'What an instance uses of its CPUs, as it says.'),
        ('orchestrator_instance_memory_ratio', 'instance', 'gauge', 'ratio', array['instance_id'], null, 'What is used of an instance''s memory, as it says.'),
        ('orchestrator_instance_clock_difference_seconds', 'instance', 'gauge', 'seconds', array['instance_id'], null, 'The database''s clock less an instance''s at its last beat; the way there is part of it.'),
        ('orchestrator_instance_processed_total', 'instance', 'counter', null, array['instance_id'], null, 'Pieces of work that an instance has done, as it counts them; begins anew with its process.'),
        ('orchestrator_instance_errors_total', 'instance', 'counter', null, array['instance_id'], null, 'Pieces of work that failed on an instance, as it counts them; begins anew with its process.'),
        -- streams
        ('orchestrator_streams', 'stream', 'gauge', 'streams', array['state'], null, 'Streams by state; what a lost instance keeps is waiting.'),
        ('orchestrator_standbys', 'stream', 'gauge', null, array['hears'], null, 'Standbys, by whether their workers have said that they hear.'),
        ('orchestrator_standby_changes_total', 'stream', 'counter', null, array['change'], null, 'What became of standbys: placed, levelled, promoted, ended, failed, or gave way to streams and hand-overs.'),
        ('orchestrator_uncovered_seconds_total', 'stream', 'counter', 'seconds', array['cause'], null, 'Seconds in which streams should have been heard and no instance had them, by cause; counted when a gap is over.'),
        -- the system
        ('orchestrator_info', 'system', 'gauge', null, array['migration', 'postgresql'], null, 'Always 1: the last migration that was applied, and the version of the server.'),
        ('orchestrator_start_time_seconds', 'system', 'gauge', 'seconds', '{}', null, 'When the database server was started.'),
        ('orchestrator_drivers', 'system', 'gauge', null, '{}', null, 'Drivers that are connected to this database, those of other fleets in it included.'),
        ('orchestrator_open_alerts', 'system', 'gauge', null, array['severity'], null, 'Open alerts by severity.'),
        ('orchestrator_recovery_mode', 'system', 'gauge', null, '{}', null, 'Whether so much fails that balancing is frozen.'),
        ('orchestrator_retries_total', 'system', 'counter', null, array['class'], null, 'Calls of workers, drivers and synchronisations that failed after their tries and were left for later, by class: contention, unavailable, fenced, other.'),
        ('orchestrator_jobs_overdue', 'system', 'gauge', null, '{}', null, 'Jobs that have been due for 30 s and do not run.'),
        ('orchestrator_jobs_failing', 'system', 'gauge', null, '{}', null, 'Jobs whose last run failed.'),
        ('orchestrator_job_duration_seconds', 'system', 'histogram', 'seconds', array['job_name'], b.job_duration, 'How long runs of a job took, those of a driver from claim to finish.'),
        ('orchestrator_job_lag_seconds', 'system', 'histogram', 'seconds', array['job_name'], b.job_lag, 'How long after a job was due its runs began.'),
        ('orchestrator_job_failures_total', 'system', 'counter', null, array['job_name'], null, 'Runs of a job that failed.'),
        ('orchestrator_sync_duration_seconds', 'system', 'histogram', 'seconds', array['source'], b.sync, 'From reading a source until its streams were merged.'),
        ('orchestrator_source_failures', 'system', 'gauge', null, array['source'], null, 'How often in a row a source could not be synchronised.'),
        ('orchestrator_source_success_timestamp_seconds', 'system', 'gauge', 'seconds', array['source'], null, 'When a source was last synchronised.')
    ) as m (metric, part, kind, unit, labels, bounds, help)
),
-- what was counted into other buckets cannot be told from them
changed as (
    delete from {{ private }}.metric_count as c
    using {{ private }}.metric as m, defined as d
    where m.metric = c.metric and d.metric = c.metric and m.bounds is distinct from d.bounds
)
insert into {{ private }}.metric (metric, part, kind, unit, labels, bounds, help)
select d.metric, d.part, d.kind, d.unit, d.labels, d.bounds, d.help from defined as d
on conflict (metric) do update
set part = excluded.part, kind = excluded.kind, unit = excluded.unit, labels = excluded.labels, bounds = excluded.bounds, help = excluded.help;

-- what is known to come is there from the beginning: a reader misses the first increase of a counter that was absent
insert into {{ private }}.metric_count (metric, label)
values
('orchestrator_beat_round_trip_seconds', ''),
('orchestrator_handover_duration_seconds', 'confirmed'),
('orchestrator_handover_duration_seconds', 'forced'),
('orchestrator_failover_duration_seconds', 'session lost'),
('orchestrator_failover_duration_seconds', 'silence'),
('orchestrator_failover_duration_seconds', 'suspension over'),
('orchestrator_failover_duration_seconds', 'orphaned'),
('orchestrator_refusals_total', 'released'),
('orchestrator_refusals_total', 'failed'),
('orchestrator_refusals_total', 'silent'),
('orchestrator_failover_duration_seconds', 'standby takeover'),
('orchestrator_standby_changes_total', 'placed'),
('orchestrator_standby_changes_total', 'levelled'),
('orchestrator_standby_changes_total', 'promoted'),
('orchestrator_standby_changes_total', 'ended'),
('orchestrator_standby_changes_total', 'failed'),
('orchestrator_standby_changes_total', 'gave way'),
('orchestrator_retries_total', 'contention'),
('orchestrator_retries_total', 'unavailable'),
('orchestrator_retries_total', 'fenced'),
('orchestrator_retries_total', 'other'),
('orchestrator_uncovered_seconds_total', 'crash'),
('orchestrator_uncovered_seconds_total', 'hand-over'),
('orchestrator_uncovered_seconds_total', 'isolation'),
('orchestrator_uncovered_seconds_total', 'planned restart'),
('orchestrator_uncovered_seconds_total', 'restored'),
('orchestrator_uncovered_seconds_total', 'stall'),
('orchestrator_uncovered_seconds_total', 'station fault'),
('orchestrator_uncovered_seconds_total', 'waiting')
on conflict (metric, label) do nothing;
