-- The settings: kind, default, bounds, unit, meaning. A value that was set stays; everything else follows this file.

insert into {{ private }}.setting (name, kind, value, default_value, minimum, maximum, allowed, unit, description)
select s.name, s.kind, s.default_value, s.default_value, s.minimum, s.maximum, s.allowed, s.unit, s.description
from (
    values
    ('imbalance_threshold', 'number', '0.20', '0.01', '1', null::text[], 'part of capacity', 'Rebalance when the loads of two instances differ by more than this (R1.3).'),
    ('max_stream_difference', 'integer', '2', '1', '1000', null, 'streams', 'Rebalance when an instance is further than this from its fair share (R1.4).'),
    ('heartbeat_interval', 'interval', '30 seconds', '1 second', '1 hour', null, null, 'How often an instance beats.'),
    ('heartbeat_warning', 'interval', '90 seconds', '2 seconds', '12 hours', null, null, 'An instance without a beat for so long is in warning.'),
    ('heartbeat_timeout', 'interval', '300 seconds', '3 seconds', '23 hours', null, null, 'An instance without a beat for so long is lost, unless it has a lease of its own (R4.1).'),
    ('max_lease', 'interval', '300 seconds', '2 seconds', '23 hours', null, null, 'The longest lease that an instance may have: while a lease runs, an instance that is gone is not lost, and no other gets its streams (R1.2, R4.1).'),
    ('disconnect_grace', 'interval', '10 seconds', '0 seconds', '45 seconds', null, null, 'An instance whose session is gone and that has not beaten for so long is lost (R1.2).'),
    ('restart_grace', 'interval', '60 seconds', '0 seconds', '1 hour', null, null, 'After a restart of the database, or when most sessions vanish together, lost sessions are not believed for so long.'),
    ('removal_timeout', 'interval', '24 hours', '1 minute', '365 days', null, null, 'An instance lost for so long is removed.'),
    ('rebalance_cooldown', 'interval', '300 seconds', '0 seconds', '1 day', null, null, 'The least time between two rebalances for imbalance.'),
    ('settle_window', 'interval', '2 seconds', '0 seconds', '1 minute', null, null, 'Events closer together than this are answered by one rebalance.'),
    ('handoff_timeout', 'interval', '30 seconds', '1 second', '10 minutes', null, null, 'A stream whose owner has not let go for so long is taken from it.'),
    ('handoff_mode', 'text', 'break_before_make', null, null, array['break_before_make', 'make_before_break'], null, 'How a stream changes hands while its owner lives. break_before_make: the owner stops, then the next one starts. make_before_break: the next one starts and confirms, then the owner stops, and nothing is lost; between workers that can.'),
    ('max_moves_per_rebalance', 'integer', '0', '0', '1000000', null, 'streams', 'The most streams one rebalance moves; 0 for no limit.'),
    ('strategy', 'text', 'capacity', null, null, array['capacity', 'performance', 'location'], null, 'What a fair share goes by: capacity; performance (capacity, less the part of an instance''s work that fails); location (capacity, and a stream''s region is served by instances of that region while they have room).'),
    ('failures_before_move', 'integer', '3', '1', '100', null, 'reports', 'So many failure reports for a stream by its owner, and it is given to another.'),
    ('refusal_time', 'interval', '60 seconds', '1 second', '1 day', null, null, 'A stream that an instance gave back or failed at does not return to it for so long; doubles with each time, up to an hour.'),
    ('transaction_timeout', 'interval', '30 seconds', '1 second', '10 minutes', null, null, 'A transaction of this system that runs for longer is cancelled (R2.2).'),
    ('network_timeout', 'interval', '30 seconds', '1 second', '10 minutes', null, null, 'How long a network operation may take (R5.3).'),
    ('stall_timeout', 'interval', '60 seconds', '10 seconds', '1 day', null, null, 'A stream that runs and is silent for so long is stalled: restarted where it is, then moved, then blamed on the station.'),
    ('stations_blamed_after', 'integer', '3', '1', '100', null, 'instances', 'A stream that failed on so many instances, or on every one that is able, is the station''s own fault and stays where it is.'),
    ('failure_moves_per_minute', 'integer', '30', '1', '100000', null, 'streams', 'The most streams that are moved in a minute because they failed or fell silent.'),
    ('probation_time', 'interval', '60 seconds', '1 second', '1 day', null, null, 'An instance that crashed or was lost again and again gets no streams that others have room for, for so long; doubles with each time, up to an hour.'),
    ('consecutive_failures_alert', 'integer', '5', '1', '1000', null, 'failures', 'More failures in a row than this raise a critical alert (R4.2).'),
    ('recovery_failures_per_minute', 'integer', '10', '1', '100000', null, 'failures', 'More failures in a minute than this switch recovery mode on (R4.3).'),
    ('recovery_quiet_time', 'interval', '2 minutes', '1 minute', '1 day', null, null, 'Recovery mode ends when failures have stayed below half of its threshold for so long.'),
    ('error_rate_alert', 'number', '0.05', '0.001', '1', null, 'part of the work', 'More of an instance''s or of the fleet''s work failing than this raises an alert.'),
    ('memory_alert', 'number', '90', '1', '100', null, 'percent', 'An instance that uses more memory than this raises an alert.'),
    ('no_driver_alert', 'interval', '5 minutes', '10 seconds', '1 day', null, null, 'Jobs that are overdue for so long mean that no driver runs, which raises an alert.'),
    ('alert_reminder', 'interval', '1 hour', '1 minute', '30 days', null, null, 'An open alert that is not acknowledged is told again after so long.'),
    ('alert_message_interval', 'interval', '1 minute', '0 seconds', '1 day', null, null, 'The least time between two messages to one target; what happens in between goes out together.'),
    ('watched_transactions', 'text', 'own', null, null, array['own', 'all'], null, 'Whose long transactions are ended: those of this system, or every client''s in its database.'),
    ('streams_waiting_alert', 'interval', '1 minute', '1 second', '1 day', null, null, 'Streams that wait for so long for an instance raise an alert.'),
    ('no_instance_alert', 'interval', '10 minutes', '10 seconds', '1 day', null, null, 'No active instance for so long raises an alert.'),
    ('http_hold', 'interval', '25 seconds', '0 seconds', '29 seconds', null, null, 'An answer to a client that asks for its streams is held for so long at most; such a client waits for 30 s and tries three times.'),
    ('http_ask_rhythm', 'interval', '10 seconds', '100 milliseconds', '1 minute', null, null, 'A client whose asks are no further apart than this asks all the time; one that has fallen silent for so long has ended.'),
    ('http_ask_timeout', 'interval', '45 seconds', '1 second', '1 hour', null, null, 'A client that asks all the time is lost when it has neither asked nor beaten for so long.'),
    ('http_beat_timeout', 'interval', '75 seconds', '1 second', '1 hour', null, null, 'A client that asks for its streams and only beats by now is lost when it has not beaten for so long.'),
    ('http_ghost_timeout', 'interval', '60 seconds', '1 second', '1 hour', null, null, 'A client that was given streams and has not been heard since loses them after so long, whatever else is silent.'),
    ('http_remainder_wait', 'interval', '10 seconds', '100 milliseconds', '1 minute', null, null, 'What is left when a client has its share waits for others to ask for so long.'),
    ('http_silence_grace', 'interval', '150 seconds', '1 second', '1 hour', null, null, 'When most clients that ask for their streams fall silent together, silence is not believed for so long.'),
    ('http_absence', 'interval', '15 seconds', '500 milliseconds', '10 minutes', null, null, 'When no HTTP server has said that it is there for so long, it was the server that was away.'),
    ('http_absence_grace', 'interval', '180 seconds', '1 second', '1 hour', null, null, 'After an absence of the HTTP server, or an error that it answered to a client, that client''s silence is not believed for so long.'),
    ('http_rival_alert', 'interval', '10 minutes', '1 second', '1 day', null, null, 'An alert about a second process under a client''s name stays open for so long after it was last heard.'),
    ('http_memory', 'interval', '1 day', '1 minute', '30 days', null, null, 'For how long after its loss what a client was given is remembered as its own.'),
    ('http_fleet_memory', 'interval', '1 hour', '1 second', '1 day', null, null, 'When a fleet begins anew, the clients that were heard within so long before are awaited.'),
    ('heartbeats_timeout', 'interval', '90 seconds', '1 second', '1 hour', null, null, 'A client that is silent over HTTP and writes rows of itself into the production database is not lost before so long after the last one; it writes one a minute.'),
    ('history_retention', 'interval', '30 days', '1 hour', '3650 days', null, null, 'How long decisions, movements, job runs and closed alerts are kept.')
) as s(name, kind, default_value, minimum, maximum, allowed, unit, description)
on conflict (name) do update
set
    kind = excluded.kind, default_value = excluded.default_value, minimum = excluded.minimum, maximum = excluded.maximum,
    allowed = excluded.allowed, unit = excluded.unit, description = excluded.description;
