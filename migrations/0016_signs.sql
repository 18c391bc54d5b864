-- Programs in the field leave signs beside HTTP: each host writes a row of itself into the production database every minute, and what it
-- recognised. Where a source says so, both are read. They tell more of a client than its words here; they never make it one.

create table {{ private }}.witness (
    source text not null,
    witness text not null,
    table_name text not null,
    last_attempt_at timestamptz,
    last_success_at timestamptz,
    last_error jsonb,
    consecutive_failures integer not null default 0,
    watched_since timestamptz,
    last_row_id bigint,
    constraint witness_pkey primary key (source, witness),
    constraint witness_in_a_source foreign key (source) references {{ private }}.source on delete cascade,
    constraint witness_is_known check (witness in ('heartbeats', 'music_log')),
    constraint witness_has_a_table check (table_name ~ '[^[:space:]]')
) with (fillfactor = 50);
comment on table {{ private }}.witness is 'A table beside the stations of a source that tells of the clients: heartbeats (a row for each, every minute) or music_log (what each recognised). One that cannot be read tells nothing.';
comment on column {{ private }}.witness.watched_since is 'Since when it has been read without a gap.';
comment on column {{ private }}.witness.last_row_id is 'The newest row of music_log that was seen.';

create table {{ private }}.witnessed_client (
    source text not null,
    instance_id text not null,
    last_heartbeat timestamptz not null,
    advanced_at timestamptz,
    signed_at timestamptz,
    ip_address text,
    ip_since timestamptz,
    processing bigint,
    first_answer bigint,
    differing_rows integer not null default 0,
    constraint witnessed_client_pkey primary key (instance_id, source),
    constraint witnessed_client_in_a_source foreign key (source) references {{ private }}.source on delete cascade,
    constraint witnessed_client_is_one foreign key (instance_id) references {{ private }}.pull_client on delete cascade
) with (fillfactor = 50);
comment on table {{ private }}.witnessed_client is 'What the row of a client in the production database said when it was last read.';
comment on column {{ private }}.witnessed_client.last_heartbeat is 'As it stands in the row, by whatever clock wrote it. Only whether it advances counts.';
comment on column {{ private }}.witnessed_client.advanced_at is 'When a reading last found the row written anew.';
comment on column {{ private }}.witnessed_client.signed_at is 'When it was last written as a sign of life, by our clock: the moment of reading less its age by the production database''s clock.';
comment on column {{ private }}.witnessed_client.ip_address is 'The address in the first row that the client wrote after its registration. A row with another one is another process''s.';
comment on column {{ private }}.witnessed_client.processing is 'How many streams it says that it hears.';
comment on column {{ private }}.witnessed_client.first_answer is 'How many streams it says that the first answer of its life had.';
comment on column {{ private }}.witnessed_client.differing_rows is 'So many rows in a row have said another number of streams than the books.';
create index witnessed_client_by_source on {{ private }}.witnessed_client (source);

create table {{ private }}.witnessed_station (
    source text not null,
    name text not null,
    written_by text not null,
    written_at timestamptz not null,
    constraint witnessed_station_pkey primary key (source, name, written_by),
    constraint witnessed_station_in_a_source foreign key (source) references {{ private }}.source on delete cascade
);
comment on table {{ private }}.witnessed_station is 'When an instance last wrote a station into music_log, by our clock at the reading. Kept for a day.';
create index witnessed_station_by_time on {{ private }}.witnessed_station (source, written_at);
