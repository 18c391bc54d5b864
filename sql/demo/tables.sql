-- The demo's database music_log: the company's table of streams as it looks in the field, and a ledger of every second heard.
-- Nothing here forbids to write a second twice: there is no unique key on (station, second). That it does not happen is
-- the fence's work, and the report counts.

create table public.streams (
    url varchar(255) not null,
    name varchar(255) not null,
    sheet varchar(255),
    cidade varchar(255),
    estado varchar(255),
    regiao varchar(255),
    segmento varchar(255),
    index integer primary key
);
comment on table public.streams is 'The stations, in the older shape that is in the field. The orchestrator synchronises from it and never writes it.';

create schema music_log;
comment on schema music_log is 'What the demo''s workers heard, and what the report makes of it.';

create table music_log.heard (
    stream_id bigint not null,
    station integer not null,
    second bigint not null,
    epoch bigint not null,
    instance_id text not null,
    heard_at timestamptz not null,
    written_at timestamptz not null
);
comment on table music_log.heard is 'The ledger: one row for each second of sound that an instance heard completely and wrote through the fence. Deliberately without a unique key.';
comment on column music_log.heard.station is 'The station, as the sound itself says.';
comment on column music_log.heard.second is 'The number of the second (since 1970), as the sound itself says.';
comment on column music_log.heard.heard_at is 'When the handler had the whole second.';
comment on column music_log.heard.written_at is 'When it was written: later, when the database was away in between.';
create index heard_by_stream on music_log.heard (stream_id, second);
create index heard_by_second on music_log.heard (second, station);

create table music_log.refused (
    stream_id bigint not null,
    station integer not null,
    second bigint not null,
    epoch bigint not null,
    instance_id text not null,
    heard_at timestamptz not null,
    refused_at timestamptz not null,
    detail jsonb not null
);
comment on table music_log.refused is 'A write that the fence refused, because the stream had a newer owner.';

create table music_log.writer (
    process text not null,
    instance_id text not null,
    last_batch bigint not null,
    constraint writer_pkey primary key (process)
);
comment on table music_log.writer is 'The last batch of each worker process. A batch whose answer got lost with the connection is sent again, and must not be written again.';

create table music_log.act (
    act_id integer generated always as identity,
    act text not null,
    description text not null,
    began_at timestamptz not null,
    constraint act_pkey primary key (act_id)
);
comment on table music_log.act is 'What the demo did, and when. An act lasts until the next one begins; the last row is the end.';

create table music_log.movement (
    stream_id bigint not null,
    epoch bigint not null,
    moved_at timestamptz not null,
    from_instance_id text,
    to_instance_id text,
    constraint movement_pkey primary key (stream_id, epoch)
);
comment on table music_log.movement is 'A copy of the orchestrator''s movements, taken at the end, to hold beside the ledger.';

create table music_log.gap (
    stream_id bigint not null,
    cause text not null,
    began_at timestamptz not null,
    sure_at timestamptz not null,
    ended_at timestamptz
);
comment on table music_log.gap is 'A copy of what the orchestrator knows was not heard (its view gaps), taken at the end, to hold beside the ledger.';

create table music_log.decision (
    decision_id bigint not null,
    decided_at timestamptz not null,
    rule text not null,
    moves integer not null,
    least_moves integer not null,
    constraint decision_pkey primary key (decision_id)
);
comment on table music_log.decision is 'A copy of the orchestrator''s decisions, taken at the end, to hold beside the ledger.';
