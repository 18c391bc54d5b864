-- What a beat says of its instance, read at once: each key of its report under its name and as its type.

create type {{ private }}.report as (
    status text,
    current_streams integer,
    processed_count bigint,
    error_count bigint,
    cpu_usage real,
    memory_usage real,
    last_activity timestamptz,
    "timestamp" timestamptz,
    heartbeat_interval double precision,
    progressing integer,
    stalled jsonb,
    breaker text,
    breaker_opened integer,
    round_trip real
);
comment on type {{ private }}.report is 'The report of a beat, as heartbeat() describes it; what it does not say is null.';
