-- What was heard and what was not: a row for each gap, and one for each time in which a stream should have been heard.
create table {{ private }}.active_time (
    active_time_id bigint generated always as identity primary key,
    stream_id bigint not null,
    began_at timestamptz not null,
    ended_at timestamptz,
    instance_id text
);
comment on table {{ private }}.active_time is 'When a stream should have been heard, from its activation to its end. It stays when the stream is removed.';
comment on column {{ private }}.active_time.ended_at is 'When it was deactivated or removed; null: it should be heard now.';
comment on column {{ private }}.active_time.instance_id is 'Its owner when it ended.';
create unique index active_time_open on {{ private }}.active_time (stream_id) where ended_at is null;
create index active_time_by_stream on {{ private }}.active_time (stream_id, began_at);
create index active_time_ended on {{ private }}.active_time (ended_at) where ended_at is not null;

create table {{ private }}.open_gap (
    stream_id bigint primary key,
    cause text not null,
    why text,
    instance_id text,
    life text,
    began_at timestamptz not null,
    sure_at timestamptz not null,
    seen_at timestamptz
);
comment on table {{ private }}.open_gap is 'A stream that should be heard, and of which no owner has confirmed yet that it is.';
comment on column {{ private }}.open_gap.cause is 'crash, hand-over, planned restart, waiting, stall, station fault, isolation or restored.';
comment on column {{ private }}.open_gap.why is 'Why it waits: no capacity, no capability or paused; else null.';
comment on column {{ private }}.open_gap.instance_id is 'Its owner when it began; null: none.';
comment on column {{ private }}.open_gap.life is 'Which process that owner was.';
comment on column {{ private }}.open_gap.began_at is 'The last sign that it was heard.';
comment on column {{ private }}.open_gap.sure_at is 'From when on it certainly was not; between the two it is not known.';
comment on column {{ private }}.open_gap.seen_at is 'When its silence was last reported; null: silence is not what it is known by.';

create table {{ private }}.gap (
    gap_id bigint generated always as identity primary key,
    stream_id bigint not null,
    cause text not null,
    why text,
    instance_id text,
    life text,
    began_at timestamptz not null,
    sure_at timestamptz not null,
    ended_at timestamptz not null,
    is_counted boolean not null default false,
    constraint gap_is_in_order check (began_at <= sure_at and sure_at <= ended_at)
);
comment on table {{ private }}.gap is 'A time in which a stream should have been heard and was not, or may not have been: uncertain from began_at, uncovered from sure_at to ended_at.';
comment on column {{ private }}.gap.is_counted is 'Whether its seconds are in the metric.';
create index gap_by_stream on {{ private }}.gap (stream_id, ended_at);
create index gap_by_end on {{ private }}.gap (ended_at);
create index gap_of_instance on {{ private }}.gap (instance_id, ended_at) where cause = 'crash';
create index gap_uncounted on {{ private }}.gap (gap_id) where not is_counted;

-- what is known from now on
insert into {{ private }}.active_time (stream_id, began_at)
select a.stream_id, pg_catalog.now() from {{ private }}.assignment as a where a.state <> 'idle' order by a.stream_id;
insert into {{ private }}.open_gap (stream_id, cause, began_at, sure_at)
select a.stream_id, 'waiting', pg_catalog.now(), pg_catalog.now()
from {{ private }}.assignment as a where a.state in ('waiting', 'assigned') order by a.stream_id;
