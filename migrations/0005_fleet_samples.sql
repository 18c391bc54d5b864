-- What the fleet looked like over time.

create table {{ private }}.fleet_sample (
    sampled_at timestamptz not null,
    streams_held integer not null,
    streams_waiting integer not null,
    streams_handed_over integer not null,
    capacity integer not null,
    imbalance real not null,
    serving_instances integer not null,
    lost_instances integer not null,
    constraint fleet_sample_pkey primary key (sampled_at)
);
comment on table {{ private }}.fleet_sample is 'The fleet in one row every half minute, kept for history_retention.';
comment on column {{ private }}.fleet_sample.imbalance is 'The greatest difference of load between two instances that may have streams: 0 to 1, of their capacities.';
