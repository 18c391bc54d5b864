-- What it takes to stay right when things break: repairs, failures and their patterns, recovery mode, instances that come and
-- go, stations that fail everywhere, streams that fall silent, and alerts that reach people.

-- ---------------------------------------------------------------------------
-- Instances and their beats
-- ---------------------------------------------------------------------------

alter table {{ private }}.instance
    add column stop_within interval,
    add column crashes integer not null default 0,
    add column losses integer not null default 0,
    add column last_lost_at timestamptz,
    add column probation_until timestamptz,
    add constraint it_stops_before_its_lease_is_over check (stop_within > interval '0' and stop_within < lease),
    add constraint crashes_and_losses_are_counts check (crashes >= 0 and losses >= 0);
comment on column {{ private }}.instance.stop_within is 'on_isolation = stop: so long after the last beat that was accepted all its handlers have stopped, by its own clock. Null: they go on.';
comment on column {{ private }}.instance.crashes is 'How many of its processes in a row ended young and without a goodbye.';
comment on column {{ private }}.instance.losses is 'How often in a row it was declared lost, each time soon after the last.';
comment on column {{ private }}.instance.last_lost_at is 'When it was last declared lost.';
comment on column {{ private }}.instance.probation_until is 'It came and went too often: until then it gets streams only when nobody else has room.';

create index withdrawal_by_stream on {{ private }}.withdrawal (stream_id);
comment on column {{ private }}.assignment.waiting_since is 'Since when the stream waits for an instance; a moment to come while an instance that it was taken from may still be running it.';

alter table {{ private }}.heartbeat
    add column attempts smallint not null default 0,
    add column progressing integer,
    add column progress_at timestamptz,
    add column stalled integer not null default 0,
    add column breaker text,
    add column breaker_opened integer;
comment on column {{ private }}.heartbeat.attempts is 'How many times in a row the digest differed in a way that nothing under way explains; 0 when in step.';
comment on column {{ private }}.heartbeat.progressing is 'How many of its streams make progress, as it says; null when it does not say.';
comment on column {{ private }}.heartbeat.progress_at is 'When it was last seen to make progress with any stream.';
comment on column {{ private }}.heartbeat.stalled is 'How many streams it reported as silent in its last beat.';
comment on column {{ private }}.heartbeat.breaker is 'State of its circuit breaker for this database: closed, half-open or open.';
comment on column {{ private }}.heartbeat.breaker_opened is 'How often that breaker has opened since the process started.';

create table {{ private }}.repair (
    repair_id bigint generated always as identity,
    instance_id text not null,
    incarnation bigint not null,
    found_at timestamptz not null,
    found_by text not null,
    attempt integer not null,
    difference jsonb not null,
    repaired_by text not null,
    repaired_at timestamptz,
    constraint repair_pkey primary key (repair_id),
    constraint repair_of_an_instance foreign key (instance_id) references {{ private }}.instance on delete cascade,
    constraint found_by_is_known check (found_by in ('heartbeat', 'report_streams', 'register_instance')),
    constraint repaired_by_is_known check (repaired_by in ('commands', 'full set', 'new registration')),
    constraint attempt_is_positive check (attempt > 0),
    constraint difference_is_an_object check (jsonb_typeof(difference) = 'object')
);
comment on table {{ private }}.repair is 'One attempt to bring a worker in step with its assignments: what differed, who found it, how it was repaired (R3).';
comment on column {{ private }}.repair.repaired_at is 'When the worker was next in step; null while it is not.';
create index repair_open on {{ private }}.repair (instance_id) where repaired_at is null;
create index repair_by_time on {{ private }}.repair (found_at);

-- ---------------------------------------------------------------------------
-- Failures
-- ---------------------------------------------------------------------------

create table {{ private }}.failure_count (
    bucket timestamptz not null,
    reporter text not null,
    failures integer not null,
    constraint failure_count_pkey primary key (bucket, reporter),
    constraint failures_are_positive check (failures > 0)
);
comment on table {{ private }}.failure_count is 'Failures in each ten seconds, by whom they happened to. Reporters: an instance id, driver:NAME, job:NAME, source:NAME.';

create table {{ private }}.failure_streak (
    reporter text not null,
    consecutive integer not null,
    began_at timestamptz not null,
    last_failed_at timestamptz not null,
    ended_at timestamptz,
    last_error jsonb,
    constraint failure_streak_pkey primary key (reporter),
    constraint consecutive_is_not_negative check (consecutive >= 0)
);
comment on table {{ private }}.failure_streak is 'Failures in a row of each reporter, the present streak or the last one (R4.2).';

create index incident_pattern_by_last_seen on {{ private }}.incident_pattern (last_seen_at);

create table {{ private }}.activity_sample (
    instance_id text not null,
    sampled_at timestamptz not null,
    processed_count bigint not null,
    error_count bigint not null,
    constraint activity_sample_pkey primary key (instance_id, sampled_at),
    constraint activity_of_an_instance foreign key (instance_id) references {{ private }}.instance on delete cascade
);
comment on table {{ private }}.activity_sample is 'What the counters of each instance''s beats stood at, once a minute: rates are differences.';

alter table {{ private }}.controller
    add column silence_trusted_from timestamptz,
    add column recovery_since timestamptz,
    add column recovery_ended_at timestamptz,
    add column recovery_detail jsonb;
comment on column {{ private }}.controller.silence_trusted_from is 'No instance is lost by silence before this moment: all were away together, and have until then to return.';
comment on column {{ private }}.controller.recovery_since is 'Since when recovery mode is on (balancing frozen, failover never); null when it is off.';

-- ---------------------------------------------------------------------------
-- Streams that fail or fall silent
-- ---------------------------------------------------------------------------

alter table {{ private }}.refusal add column for_failing boolean not null default false;
comment on column {{ private }}.refusal.for_failing is 'The stream failed there; else it was given back for a reason of the instance''s own.';
create index decision_for_failing on {{ private }}.decision (decided_at) where rule in ('failing stream', 'stalled stream');

create table {{ private }}.station_fault (
    stream_id bigint not null,
    found_at timestamptz not null,
    last_failed_at timestamptz not null,
    failures bigint not null default 1,
    evidence jsonb not null,
    constraint station_fault_pkey primary key (stream_id),
    constraint fault_of_a_stream foreign key (stream_id) references {{ private }}.stream on delete cascade
);
comment on table {{ private }}.station_fault is 'A station that failed on instance after instance: its own fault. It stays where it is and is not moved for failing until it works again.';

create table {{ private }}.stall (
    stream_id bigint not null,
    instance_id text not null,
    epoch bigint not null,
    silent_since timestamptz not null,
    reported_at timestamptz not null,
    restarted_at timestamptz,
    constraint stall_pkey primary key (stream_id),
    constraint stall_of_a_stream foreign key (stream_id) references {{ private }}.stream on delete cascade,
    constraint stall_on_an_instance foreign key (instance_id) references {{ private }}.instance on delete cascade
);
comment on table {{ private }}.stall is 'A stream that its owner runs and hears nothing of: restarted where it is, then moved, then blamed on the station.';
create index stall_by_instance on {{ private }}.stall (instance_id);

-- ---------------------------------------------------------------------------
-- Alerts that reach people
-- ---------------------------------------------------------------------------

alter table {{ private }}.alert
    drop column delivered_at,
    add column reminded_at timestamptz,
    add column reminders integer not null default 0;
comment on column {{ private }}.alert.reminders is 'How often somebody was reminded of it while nobody acknowledged it.';

create table {{ private }}.alert_target (
    target text not null,
    minimum_severity text not null default 'warning',
    enabled boolean not null default true,
    created_at timestamptz not null,
    last_sent_at timestamptz,
    consecutive_failures integer not null default 0,
    last_error jsonb,
    retry_at timestamptz,
    constraint alert_target_pkey primary key (target),
    constraint target_is_a_name check (target ~ '^[a-z0-9][a-z0-9_]{0,47}$'),
    constraint minimum_severity_is_known check (minimum_severity in ('info', 'warning', 'critical'))
);
comment on table {{ private }}.alert_target is 'Where alerts go, by name. The address with its secrets is not here: the drivers find it in their environment (ORCHESTRATOR_ALERT_URL_<TARGET>); the target log needs none.';

create table {{ private }}.alert_delivery (
    alert_id bigint not null,
    event text not null,
    event_number integer not null default 0,
    target text not null,
    happened_at timestamptz not null,
    state text not null default 'pending',
    attempts integer not null default 0,
    sent_by text,
    changed_at timestamptz not null,
    error jsonb,
    constraint alert_delivery_pkey primary key (alert_id, event, event_number, target),
    constraint delivery_of_an_alert foreign key (alert_id) references {{ private }}.alert on delete cascade,
    constraint delivery_to_a_target foreign key (target) references {{ private }}.alert_target on delete cascade,
    constraint event_is_known check (event in ('opened', 'escalated', 'reminded', 'resolved')),
    constraint state_of_a_delivery_is_known check (state in ('pending', 'sending', 'sent', 'failed', 'unknown'))
);
comment on table {{ private }}.alert_delivery is 'One event of an alert for one target. Its key is what makes it go out once; what was being sent when its driver died is unknown and not sent again.';
create index alert_delivery_pending on {{ private }}.alert_delivery (target, happened_at) where state in ('pending', 'sending');
