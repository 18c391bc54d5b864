-- What is measured (R6.4): the definitions of the metrics, what decisions and failures count, and the counters of each beat,
-- job and source in the row that is written with it anyway.

create table {{ private }}.metric (
    metric text not null,
    part text not null,
    kind text not null,
    unit text,
    labels text [] not null default '{}',
    bounds double precision [],
    help text not null,
    constraint metric_pkey primary key (metric),
    constraint part_is_known check (part in ('system', 'stream', 'instance', 'rebalancing')),
    constraint kind_of_metric_is_known check (kind in ('counter', 'gauge', 'histogram')),
    constraint a_counter_is_a_total check ((kind = 'counter') = (metric ~ '_total$')),
    constraint a_name_ends_in_its_unit check (metric ~ ('_' || unit || '(_total)?$')),
    constraint a_histogram_has_bounds check ((kind = 'histogram') = (bounds is not null))
);
comment on table {{ private }}.metric is 'What is measured: its name as Prometheus has it, kind, unit, labels, meaning, and the bounds of a histogram.';
comment on column {{ private }}.metric.part is 'The part of the JSON of GET /metrics that it stands in.';
comment on column {{ private }}.metric.bounds is 'The upper bounds of a histogram''s buckets, each inclusive; a last bucket holds what is above them all.';

create table {{ private }}.metric_count (
    metric text not null,
    label text not null default '',
    value double precision not null default 0,
    counts bigint [],
    counted_to timestamptz,
    constraint metric_count_pkey primary key (metric, label),
    constraint count_of_a_metric foreign key (metric) references {{ private }}.metric on delete cascade
) with (fillfactor = 50);
comment on table {{ private }}.metric_count is 'What counters and histograms stand at that have no row of their own to stand in. Written last, and but for failures under the decision lock or by one job only.';
comment on column {{ private }}.metric_count.label is 'The value of the metric''s one label; empty when it has none.';
comment on column {{ private }}.metric_count.value is 'Of a counter the total, of a histogram the sum.';
comment on column {{ private }}.metric_count.counts is 'Of a histogram: how many observations fell into each of its buckets.';
comment on column {{ private }}.metric_count.counted_to is 'What is counted now and then is counted up to this moment.';

-- The WAL of a beat is what lies between the first and the last byte of its row that changed. So what changes with each beat
-- takes the places of two columns that hardly ever do, and those go to the end.
alter table {{ private }}.heartbeat rename column digest to beats;
alter table {{ private }}.heartbeat rename column current_streams to round_trip;
alter table {{ private }}.heartbeat
    add column digest bigint not null default 0,
    add column current_streams integer,
    add column missed integer not null default 0;
update {{ private }}.heartbeat set digest = beats, current_streams = round_trip, beats = 0, round_trip = null;
alter table {{ private }}.heartbeat
    alter column round_trip type real,
    add constraint counts_of_beats_are_not_negative check (beats >= 0 and missed >= 0 and round_trip >= 0);
comment on column {{ private }}.heartbeat.beats is 'How many beats there were.';
comment on column {{ private }}.heartbeat.round_trip is 'Seconds that the beat before this one took there and back, by the worker''s own clock; null when it does not say.';
comment on column {{ private }}.heartbeat.missed is 'How many beats did not come that its interval promised, counted at the beat that did.';

alter table {{ private }}.job
    add column duration_counts bigint [],
    add column duration_sum double precision not null default 0,
    add column lag_counts bigint [],
    add column lag_sum double precision not null default 0;
comment on column {{ private }}.job.duration_counts is 'How many runs took how long: the buckets of orchestrator_job_duration_seconds.';
comment on column {{ private }}.job.duration_sum is 'How many seconds all runs took.';
comment on column {{ private }}.job.lag_counts is 'How many runs began how late: the buckets of orchestrator_job_lag_seconds.';
comment on column {{ private }}.job.lag_sum is 'How many seconds all runs began after they were due.';

alter table {{ private }}.source
    add column sync_counts bigint [],
    add column sync_sum double precision not null default 0;
comment on column {{ private }}.source.sync_counts is 'How many synchronisations took how long, from reading to merged: the buckets of orchestrator_sync_duration_seconds.';
comment on column {{ private }}.source.sync_sum is 'How many seconds all synchronisations took.';
