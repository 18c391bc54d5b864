-- The tables: what the orchestrator knows. Everything else is derived from them.
-- The rules that move rows between these states are functions; they live in sql/.

-- ---------------------------------------------------------------------------
-- Instances
-- ---------------------------------------------------------------------------

create table {{ private }}.instance_transition (
    from_status text not null,
    event text not null,
    to_status text not null,
    meaning text not null,
    constraint instance_transition_pkey primary key (from_status, event),
    constraint statuses_are_known check (
        from_status in ('unknown', 'registered', 'active', 'warning', 'inactive', 'recovering', 'draining', 'removed')
        and to_status in ('registered', 'active', 'warning', 'inactive', 'recovering', 'draining', 'removed')
    )
);
comment on table {{ private }}.instance_transition is 'The state machine of an instance as data: one row per allowed step. Enforced by a trigger on instance.';

create table {{ private }}.instance (
    instance_id text not null,
    status text not null,
    status_event text not null,
    status_changed_at timestamptz not null,
    incarnation bigint not null default 1,
    max_streams integer not null,
    capabilities text [] not null default array['audio_fingerprinting'],
    version text,
    location text,
    metadata jsonb not null default '{}',
    owner_role name not null,
    lease interval,
    process text,
    session_key bigint,
    session_lost_at timestamptz,
    suspended_until timestamptz,
    standing_order text,
    lost_by_decision_id bigint,
    registered_at timestamptz not null,
    constraint instance_pkey primary key (instance_id),
    constraint instance_id_is_a_name check (instance_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$'),
    constraint status_is_known check (
        status in ('registered', 'active', 'warning', 'inactive', 'recovering', 'draining', 'removed')
    ),
    constraint incarnation_is_positive check (incarnation > 0),
    constraint max_streams_is_in_range check (max_streams between 1 and 1000),
    constraint can_fingerprint_audio check ('audio_fingerprinting' = any(capabilities)),
    constraint metadata_is_an_object check (jsonb_typeof(metadata) = 'object'),
    constraint lease_is_positive check (lease > interval '0'),
    constraint standing_order_is_known check (standing_order in ('drain', 'stay away'))
);
comment on table {{ private }}.instance is 'A worker process, by its name. The row outlives the process: incarnation counts its lives.';
comment on column {{ private }}.instance.status_event is 'The event of the state machine that led to the present status.';
comment on column {{ private }}.instance.incarnation is 'Grows each time a new process registers under this name; a call with an old one is refused (OR301).';
comment on column {{ private }}.instance.lease is 'The instance''s own limit of silence instead of heartbeat_timeout; nobody declares it lost before.';
comment on column {{ private }}.instance.process is 'Which process registered (metadata key "process"): the same one may register again at any time.';
comment on column {{ private }}.instance.session_key is 'Key of the advisory lock that the attached session holds; null when none is attached (HTTP, poolers, psql).';
comment on column {{ private }}.instance.session_lost_at is 'Since when the lock of the attached session is gone; null while it is held.';
comment on column {{ private }}.instance.suspended_until is 'A planned restart: nobody declares the instance lost before.';
comment on column {{ private }}.instance.standing_order is 'An administrator''s order that outlives registrations: "drain" gets no streams, "stay away" may not register.';
comment on column {{ private }}.instance.lost_by_decision_id is 'The decision that gave its streams to others when it was lost; tells what to take from it when it comes back.';

create table {{ private }}.heartbeat (
    instance_id text not null,
    incarnation bigint not null,
    beat_at timestamptz not null,
    sent_at timestamptz,
    last_activity timestamptz,
    digest bigint not null default 0,
    in_step boolean not null default true,
    status text,
    current_streams integer,
    processed_count bigint not null default 0,
    error_count bigint not null default 0,
    cpu_usage real,
    memory_usage real,
    constraint heartbeat_pkey primary key (instance_id),
    constraint heartbeat_of_an_instance foreign key (instance_id) references {{ private }}.instance on delete cascade
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 200);
comment on table {{ private }}.heartbeat is 'The last beat of each instance. Narrow and without an index but its key, so that each beat is one HOT update.';

-- ---------------------------------------------------------------------------
-- Streams and who has them
-- ---------------------------------------------------------------------------

create table {{ private }}.requirement (
    requirement_id integer generated always as identity,
    capabilities text [] not null,
    region text,
    constraint requirement_pkey primary key (requirement_id),
    constraint requirement_is_unique unique nulls not distinct (capabilities, region)
);
comment on table {{ private }}.requirement is 'What a stream asks of its instance: capabilities it must have (sorted, without audio_fingerprinting, which every instance has) and a region it would rather be in. Planning counts streams by these few kinds instead of reading each stream.';

create table {{ private }}.source (
    source text not null,
    kind text not null,
    conninfo text,
    table_name text,
    column_map jsonb not null default '{}',
    sync_interval interval not null default '60 seconds',
    max_removed_part numeric not null default 0.2,
    enabled boolean not null default true,
    created_at timestamptz not null,
    last_attempt_at timestamptz,
    last_success_at timestamptz,
    last_result jsonb,
    last_error jsonb,
    consecutive_failures integer not null default 0,
    constraint source_pkey primary key (source),
    constraint source_is_a_name check (source ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$'),
    constraint kind_is_known check (kind in ('manual', 'list', 'postgresql')),
    constraint a_table_has_an_address check (kind <> 'postgresql' or (conninfo is not null and table_name is not null)),
    constraint conninfo_has_no_password check (conninfo !~* 'password|:[^/@]*@'),
    constraint max_removed_part_is_a_part check (max_removed_part between 0 and 1),
    constraint sync_interval_is_positive check (sync_interval >= interval '1 second')
);
comment on table {{ private }}.source is 'Where streams come from. No password is kept here: libpq finds it in the environment or the password file of whoever synchronises.';

create table {{ private }}.stream (
    stream_id bigint generated always as identity,
    source text not null default 'manual',
    external_id text not null,
    name text not null,
    url text not null,
    active boolean not null default true,
    region text,
    requirement_id integer not null,
    metadata jsonb not null default '{}',
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint stream_pkey primary key (stream_id),
    constraint external_id_is_unique_in_its_source unique (source, external_id),
    constraint stream_of_a_source foreign key (source) references {{ private }}.source,
    constraint stream_has_a_requirement foreign key (requirement_id) references {{ private }}.requirement,
    constraint url_is_http check (url ~* '^https?://[^[:space:]]+$'),
    constraint name_is_not_empty check (name ~ '[^[:space:]]'),
    constraint stream_metadata_is_an_object check (jsonb_typeof(metadata) = 'object')
);
comment on table {{ private }}.stream is 'A station: what is to be heard.';

create table {{ private }}.assignment (
    stream_id bigint not null,
    epoch bigint not null default 0,
    instance_id text,
    next_instance_id text,
    state text not null default 'waiting',
    requirement_id integer not null,
    pinned_to text,
    decision_id bigint,
    assigned_at timestamptz,
    waiting_since timestamptz,
    releasing_since timestamptz,
    constraint assignment_pkey primary key (stream_id),
    constraint assignment_of_a_stream foreign key (stream_id) references {{ private }}.stream on delete cascade,
    constraint assignment_to_an_instance foreign key (instance_id) references {{ private }}.instance,
    constraint hand_over_to_an_instance foreign key (next_instance_id) references {{ private }}.instance,
    constraint state_is_known check (state in ('idle', 'waiting', 'assigned', 'running', 'releasing')),
    constraint an_owner_when_held check ((instance_id is not null) = (state in ('assigned', 'running', 'releasing'))),
    constraint waiting_since_when_waiting check ((waiting_since is not null) = (state = 'waiting')),
    constraint releasing_since_when_releasing check ((releasing_since is not null) = (state = 'releasing')),
    constraint a_next_owner_when_releasing check ((next_instance_id is not null) = (state = 'releasing')),
    constraint a_next_owner_is_another check (next_instance_id <> instance_id)
) with (fillfactor = 80);
comment on table {{ private }}.assignment is 'Who has a stream: one row per stream, so two owners cannot be written down. idle: the stream is inactive; waiting: no instance has room or the ability; assigned: given, not yet confirmed; running: confirmed; releasing: its owner was asked to stop.';
comment on column {{ private }}.assignment.epoch is 'Grows with each change of hands and each new incarnation of the owner. The fence compares it.';
comment on column {{ private }}.assignment.next_instance_id is 'During a hand-over: who gets the stream when its owner has stopped.';
comment on column {{ private }}.assignment.decision_id is 'The decision that last changed this row''s owner or started its hand-over.';
create index assignment_by_instance on {{ private }}.assignment (instance_id, requirement_id, stream_id);
create index assignment_by_next_instance on {{ private }}.assignment (next_instance_id) where next_instance_id is not null;
create index assignment_waiting on {{ private }}.assignment (requirement_id, waiting_since, stream_id) where waiting_since is not null;
create index assignment_releasing on {{ private }}.assignment (decision_id) where releasing_since is not null;
create index assignment_pinned on {{ private }}.assignment (pinned_to) where pinned_to is not null;

create table {{ private }}.instance_load (
    instance_id text not null,
    owned integer not null default 0,
    incoming integer not null default 0,
    outgoing integer not null default 0,
    digest bigint not null default 0,
    changed_at timestamptz,
    constraint instance_load_pkey primary key (instance_id),
    constraint load_of_an_instance foreign key (instance_id) references {{ private }}.instance on delete cascade,
    constraint counts_are_not_negative check (owned >= 0 and incoming >= 0 and outgoing >= 0)
) with (fillfactor = 50);
comment on table {{ private }}.instance_load is 'How many streams an instance owns, how many of those are leaving, how many are coming, and the digest of what it should be running. Kept by statement-level triggers on assignment.';

create table {{ private }}.requirement_load (
    instance_id text not null,
    requirement_id integer not null,
    movable integer not null default 0,
    constraint requirement_load_pkey primary key (instance_id, requirement_id),
    constraint requirement_load_of_an_instance foreign key (instance_id) references {{ private }}.instance on delete cascade,
    constraint movable_is_not_negative check (movable >= 0)
) with (fillfactor = 50);
comment on table {{ private }}.requirement_load is 'How many streams of each requirement an instance owns that balancing may move: neither pinned nor in a hand-over. Kept by the same triggers as instance_load.';

create table {{ private }}.withdrawal (
    instance_id text not null,
    stream_id bigint not null,
    epoch bigint not null,
    withdrawn_at timestamptz not null,
    constraint withdrawal_pkey primary key (instance_id, stream_id),
    constraint withdrawal_of_an_instance foreign key (instance_id) references {{ private }}.instance on delete cascade
);
comment on table {{ private }}.withdrawal is 'A stream that was taken from a live instance without its word (a removed or deactivated stream, a forced hand-over), until it confirms that it has stopped.';

create table {{ private }}.refusal (
    stream_id bigint not null,
    instance_id text not null,
    reason text not null,
    refused_at timestamptz not null,
    until timestamptz not null,
    times integer not null default 1,
    constraint refusal_pkey primary key (stream_id, instance_id),
    constraint refusal_of_a_stream foreign key (stream_id) references {{ private }}.stream on delete cascade,
    constraint refusal_by_an_instance foreign key (instance_id) references {{ private }}.instance on delete cascade
);
comment on table {{ private }}.refusal is 'A stream that an instance gave back or failed at is not given to it again before "until".';

-- ---------------------------------------------------------------------------
-- Decisions
-- ---------------------------------------------------------------------------

create table {{ private }}.decision (
    decision_id bigint generated always as identity,
    decided_at timestamptz not null,
    rule text not null,
    trigger text not null,
    actor text not null,
    reason text,
    detail jsonb not null default '{}',
    moves integer not null default 0,
    least_moves integer not null default 0,
    still_waiting integer,
    duration interval,
    constraint decision_pkey primary key (decision_id),
    constraint moves_are_not_negative check (moves >= 0 and least_moves >= 0)
);
comment on table {{ private }}.decision is 'One decision: which rule, what set it off, who, the loads and thresholds at that moment, the moves made and the least number that could have reached the same balance.';

create table {{ private }}.movement (
    stream_id bigint not null,
    epoch bigint not null,
    decision_id bigint not null,
    from_instance_id text,
    to_instance_id text,
    reason text not null,
    moved_at timestamptz not null,
    constraint movement_pkey primary key (stream_id, epoch),
    constraint movement_by_a_decision foreign key (decision_id) references {{ private }}.decision
);
comment on table {{ private }}.movement is 'One stream''s change of hands, append-only. It is written when the hands change, so a planned hand-over appears when the owner has let go. to_instance_id is null when nobody has it afterwards.';
create index movement_by_decision on {{ private }}.movement (decision_id);

create table {{ private }}.plan (
    plan_id bigint generated always as identity,
    planned_at timestamptz not null,
    planned_by text not null,
    fingerprint text not null,
    applied_by_decision_id bigint,
    constraint plan_pkey primary key (plan_id)
);
comment on table {{ private }}.plan is 'A rebalance that was shown and not yet made. It can be applied while the state has the same fingerprint.';

create table {{ private }}.plan_move (
    plan_id bigint not null,
    stream_id bigint not null,
    from_instance_id text,
    to_instance_id text not null,
    constraint plan_move_pkey primary key (plan_id, stream_id),
    constraint move_of_a_plan foreign key (plan_id) references {{ private }}.plan on delete cascade
);
comment on table {{ private }}.plan_move is 'One stream that a plan would move.';

create table {{ private }}.settle_request (
    settle_request_id bigint generated always as identity,
    requested_at timestamptz not null,
    reason text not null,
    subject text,
    constraint settle_request_pkey primary key (settle_request_id)
);
comment on table {{ private }}.settle_request is 'Something happened that a rebalance should answer (a join, a changed capacity, new streams). The job settle answers all of them at once when they have stopped coming for settle_window.';

create table {{ private }}.controller (
    only_one boolean not null default true,
    paused_at timestamptz,
    paused_by text,
    paused_reason text,
    last_balanced_at timestamptz,
    server_started_at timestamptz,
    server_timeline integer,
    sessions_trusted_from timestamptz,
    silence_counts_from timestamptz,
    constraint controller_pkey primary key (only_one),
    constraint there_is_only_one check (only_one)
);
comment on table {{ private }}.controller is 'The one row of what the orchestrator remembers about itself: paused, last balanced, which server start it last saw and since when silence and lost sessions may be believed.';
insert into {{ private }}.controller default values;

-- ---------------------------------------------------------------------------
-- Settings, jobs, alerts
-- ---------------------------------------------------------------------------

create table {{ private }}.setting (
    name text not null,
    kind text not null,
    value text not null,
    default_value text not null,
    minimum text,
    maximum text,
    allowed text [],
    unit text,
    description text not null,
    changed_at timestamptz,
    changed_by text,
    constraint setting_pkey primary key (name),
    constraint kind_of_setting_is_known check (kind in ('interval', 'integer', 'number', 'text', 'boolean'))
);
comment on table {{ private }}.setting is 'One setting: typed, bounded, described. The only home of these values.';

create table {{ private }}.job (
    job text not null,
    schedule text not null,
    function_name text not null,
    runs_in text not null,
    enabled boolean not null default true,
    timeout interval not null default '30 seconds',
    next_run_at timestamptz not null,
    claimed_by text,
    claimed_until timestamptz,
    last_started_at timestamptz,
    last_duration interval,
    last_outcome text,
    last_result jsonb,
    runs bigint not null default 0,
    failures bigint not null default 0,
    consecutive_failures integer not null default 0,
    description text not null,
    constraint job_pkey primary key (job),
    constraint runs_in_is_known check (runs_in in ('database', 'driver')),
    constraint timeout_is_positive check (timeout > interval '0')
) with (fillfactor = 50);
comment on table {{ private }}.job is 'A periodic job. Schedule: an interval such as 1 second, or five cron fields in UTC. A job of the database is a function; a job of the driver needs the outside world and runs in Python.';

create table {{ private }}.job_run (
    job_run_id bigint generated always as identity,
    job text not null,
    started_at timestamptz not null,
    finished_at timestamptz,
    run_by text not null,
    outcome text not null,
    result jsonb,
    error jsonb,
    constraint job_run_pkey primary key (job_run_id),
    constraint run_of_a_job foreign key (job) references {{ private }}.job on delete cascade,
    constraint outcome_is_known check (outcome in ('claimed', 'done', 'failed', 'abandoned'))
);
comment on table {{ private }}.job_run is 'A run of a job that did something or failed; runs that found nothing to do only count in job.';
create index job_run_by_start on {{ private }}.job_run (started_at);

create table {{ private }}.alert (
    alert_id bigint generated always as identity,
    code text not null,
    subject text not null default '',
    severity text not null,
    message text not null,
    detail jsonb not null default '{}',
    opened_at timestamptz not null,
    updated_at timestamptz not null,
    acknowledged_at timestamptz,
    acknowledged_by text,
    resolved_at timestamptz,
    delivered_at timestamptz,
    constraint alert_pkey primary key (alert_id),
    constraint severity_is_known check (severity in ('info', 'warning', 'critical'))
);
comment on table {{ private }}.alert is 'An open or closed alert. Per code and subject at most one is open.';
create unique index alert_is_open_once on {{ private }}.alert (code, subject) where resolved_at is null;

create table {{ private }}.incident_pattern (
    pattern text not null,
    sqlstate text not null default '',
    occurrences bigint not null default 1,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    example jsonb not null,
    constraint incident_pattern_pkey primary key (pattern, sqlstate)
);
comment on table {{ private }}.incident_pattern is 'A recurring error: its normalised text, how often, first and last seen, one example.';

-- ---------------------------------------------------------------------------
-- Staging: the one table that another role may write, and only write
-- ---------------------------------------------------------------------------

create unlogged table {{ api }}.stream_staging (
    batch uuid not null,
    line integer not null,
    external_id text,
    name text,
    url text,
    active boolean,
    region text,
    metadata jsonb,
    staged_at timestamptz not null default current_timestamp
);
comment on table {{ api }}.stream_staging is 'Where a synchronisation copies what a source holds, before sync_streams merges it. Administrators may insert and nothing else.';
create index stream_staging_by_batch on {{ api }}.stream_staging (batch);
