-- What each assignment was before each change of its owner, epoch or state: so that a later reader can go back to any moment of the history.
-- It is read from its end: what an assignment was at a moment is what its first change afterwards found; where none came
-- afterwards, it is what it is now. So nothing has to be kept of what never changes, and the oldest rows can go at any time.
create table {{ private }}.past_assignment (
    stream_id bigint not null,
    until timestamptz not null,
    past_assignment_id bigint generated always as identity,
    instance_id text,
    epoch bigint,
    state text,
    constraint past_assignment_pkey primary key (stream_id, until, past_assignment_id)
);
comment on table {{ private }}.past_assignment is 'What an assignment was until one of its changes, append-only. What neither had an owner nor got one is left out.';
comment on column {{ private }}.past_assignment.until is 'When it changed, by the clock of that moment. Where the clock went back, all changes before it lie before what it said then.';
comment on column {{ private }}.past_assignment.past_assignment_id is 'The order of changes of one moment.';
comment on column {{ private }}.past_assignment.instance_id is 'Who had it; null: no instance.';
comment on column {{ private }}.past_assignment.epoch is 'Under which epoch; null: not known.';
comment on column {{ private }}.past_assignment.state is 'In which state; null: not known.';
create index past_assignment_by_time on {{ private }}.past_assignment (until);

create table {{ private }}.past_instance (
    instance_id text not null,
    until timestamptz not null,
    past_instance_id bigint generated always as identity,
    was_lost boolean not null,
    constraint past_instance_pkey primary key (instance_id, until, past_instance_id)
);
comment on table {{ private }}.past_instance is 'Whether an instance was lost until it was lost or returned, append-only: streams that a lost instance keeps are not heard.';
comment on column {{ private }}.past_instance.until is 'When that changed, as in past_assignment.';
comment on column {{ private }}.past_instance.past_instance_id is 'The order of changes of one moment.';
comment on column {{ private }}.past_instance.was_lost is 'Whether it was inactive until then.';

create table {{ private }}.history_bound (
    is_the_only_one boolean not null default true,
    known_from timestamptz not null,
    recorded_from timestamptz not null,
    constraint history_bound_pkey primary key (is_the_only_one),
    constraint history_bound_is_the_only_one check (is_the_only_one)
);
comment on table {{ private }}.history_bound is 'One row that says how far back the history is whole.';
comment on column {{ private }}.history_bound.known_from is 'The latest moment of which something was purged: of earlier ones not all is known.';
comment on column {{ private }}.history_bound.recorded_from is 'Since when epochs and states are recorded; before, only changes of hands were.';

-- a new database has been recorded from its beginning; of an older one the owners are known as far back as movements were kept
insert into {{ private }}.history_bound (known_from, recorded_from)
select
    case when d.has_any then clock_timestamp() - coalesce(s.history_retention, interval '30 days') else '-infinity' end,
    case when d.has_any then clock_timestamp() else '-infinity' end
from (select exists (select from {{ private }}.decision) as has_any) as d
left join (select t.value::interval as history_retention from {{ private }}.setting as t where t.name = 'history_retention') as s on true;

insert into {{ private }}.past_assignment (stream_id, until, instance_id, epoch)
select m.stream_id, m.moved_at, m.from_instance_id, m.from_epoch
from {{ private }}.movement as m
order by m.stream_id, m.epoch;
