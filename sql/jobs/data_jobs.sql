-- The jobs. Schedule, enabled and timeout of a job that exists stay as an administrator left them.

insert into {{ private }}.job (job, schedule, function_name, runs_in, timeout, next_run_at, description)
select j.job, j.schedule, j.function_name, j.runs_in, j.timeout, {{ private }}.now(), j.description
from (
    values
    ('watch_instances', '1 second', 'watch_instances', 'database', interval '30 seconds', 'Notices instances that are late, lost or forgotten; gives the streams of the lost to others.'),
    ('settle', '1 second', 'settle', 'database', interval '30 seconds', 'Answers joins, drains, changed capacities and new streams with one rebalance.'),
    ('finish_handoffs', '1 second', 'finish_handoffs', 'database', interval '30 seconds', 'Takes streams whose owners have not let go within handoff_timeout.'),
    ('check_balance', '10 seconds', 'check_balance', 'database', interval '30 seconds', 'Rebalances when loads differ too much; finds what waits although there is room.'),
    ('watch_recovery', '2 seconds', 'watch_recovery', 'database', interval '30 seconds', 'Switches recovery mode on when too much fails, and off when it has been quiet.'),
    ('place_standbys', '5 seconds', 'place_standbys', 'database', interval '30 seconds', 'Gives streams their standbys, on hosts that their owners are not on, and levels these.'),
    ('watch_stalls', '5 seconds', 'watch_stalls', 'database', interval '30 seconds', 'Moves streams that are silent although they were restarted; warns of instances that beat and make no progress.'),
    ('watch_coverage', '5 seconds', 'watch_coverage', 'database', interval '30 seconds', 'Keeps the record of what was not heard in step with what owners say, and counts it.'),
    ('watch_transactions', '5 seconds', 'watch_transactions', 'database', interval '30 seconds', 'Ends transactions that run longer than transaction_timeout, those of this system or of all clients.'),
    ('evaluate_alerts', '10 seconds', 'evaluate_alerts', 'database', interval '30 seconds', 'Opens, escalates, reminds of and closes alerts.'),
    ('sample_fleet', '30 seconds', 'sample_fleet', 'database', interval '30 seconds', 'Remembers the fleet in one row, for its history over time.'),
    ('purge_history', '17 3 * * *', 'purge_history', 'database', interval '30 seconds', 'Deletes history older than history_retention.'),
    ('sync_source', '5 seconds', 'sync_source', 'driver', interval '5 minutes', 'Synchronises the sources that are due.'),
    ('deliver_alerts', '5 seconds', 'deliver_alerts', 'driver', interval '20 seconds', 'Delivers alerts that were opened or closed.'),
    ('read_witnesses', '10 seconds', 'read_witnesses', 'driver', interval '1 minute', 'Reads what clients wrote of themselves into the databases of sources that say so.'),
    ('write_redis', '60 seconds', 'write_redis', 'driver', interval '30 seconds', 'Tells older dashboards of each living instance, through Redis, where REDIS_URL is set.')
) as j(job, schedule, function_name, runs_in, timeout, description)
on conflict (job) do update
set function_name = excluded.function_name, runs_in = excluded.runs_in, description = excluded.description;
