-- Programs in the field that speak HTTP start what the first answer of their life names, and stop nothing because of an answer.
-- They are given streams in the answer to their own ask and at no other time (pull), and what that takes is kept here.

alter table {{ private }}.instance
    add column placement text not null default 'push',
    add constraint placement_is_known check (placement in ('push', 'pull'));
comment on column {{ private }}.instance.placement is 'How it is given streams. push: whenever a decision is made, and it hears of it. pull: in the answer to its own ask only; what it has cannot be moved while it lives.';

create table {{ private }}.pull_client (
    instance_id text not null,
    name text not null,
    dialect text not null,
    address text,
    peer text,
    capacity bigint not null,
    registered_at timestamptz not null,
    is_fresh boolean not null default true,
    has_left boolean not null default false,
    is_asking boolean not null default false,
    asked_at timestamptz,
    beat_at timestamptz,
    answered_at timestamptz,
    refused_at timestamptz,
    list_length bigint not null default 0,
    came_with bigint not null default 0,
    kind text,
    kind_is_set boolean not null default false,
    probed_at timestamptz,
    rival_address text,
    rival_at timestamptz,
    stray_address text,
    stray_at timestamptz,
    stray_load bigint,
    constraint pull_client_pkey primary key (instance_id),
    constraint pull_client_is_an_instance foreign key (instance_id) references {{ private }}.instance on delete cascade,
    constraint dialect_of_a_pull_client_is_known check (dialect in ('server', 'worker')),
    constraint kind_of_client_is_known check (kind in ('plain', 'first_answer_only'))
) with (fillfactor = 50);
comment on table {{ private }}.pull_client is 'A client that asks for its streams: who it is, when it spoke, and how long its own list of streams is as far as its words tell.';
comment on column {{ private }}.pull_client.name is 'Its name as it sends it; instance_id is made of it where it is longer or holds other characters.';
comment on column {{ private }}.pull_client.address is 'The ip and port that its registration named.';
comment on column {{ private }}.pull_client.peer is 'The network address that its registration came from.';
comment on column {{ private }}.pull_client.capacity is 'How many streams it said that it takes. The number that it asks for is this less the length of its list.';
comment on column {{ private }}.pull_client.is_fresh is 'It has registered and its first ask has not been answered: what it is given now, it starts.';
comment on column {{ private }}.pull_client.has_left is 'It gave back all that it had, which is its goodbye: it is given nothing before it registers again.';
comment on column {{ private }}.pull_client.is_asking is 'It asks every few seconds; else it only beats.';
comment on column {{ private }}.pull_client.answered_at is 'When it was last given streams.';
comment on column {{ private }}.pull_client.refused_at is 'When it was last answered with an error: it may not speak for a while, and runs on.';
comment on column {{ private }}.pull_client.list_length is 'How many entries its list has if it received the last answer; the next ask shows it.';
comment on column {{ private }}.pull_client.came_with is 'The length of the list that it began this life with, where none of it was given here.';
comment on column {{ private }}.pull_client.kind is 'plain: starts what any answer names. first_answer_only: starts the streams of its first answer, and one of a later one at most. Null: not known yet.';
comment on column {{ private }}.pull_client.kind_is_set is 'An administrator has said so; otherwise it was learned from what the client did.';
comment on column {{ private }}.pull_client.probed_at is 'When it was given one stream to see whether it starts more than its first answer.';
comment on column {{ private }}.pull_client.rival_address is 'Where another process tried to register this name from while this one lived.';
comment on column {{ private }}.pull_client.stray_address is 'Where words in its name came from that were not its own.';
comment on column {{ private }}.pull_client.stray_load is 'The number of streams that those words spoke of.';

create table {{ private }}.pull_memory (
    instance_id text not null,
    stream_id bigint not null,
    given_at timestamptz not null,
    constraint pull_memory_pkey primary key (instance_id, stream_id),
    constraint pull_memory_of_a_client foreign key (instance_id) references {{ private }}.pull_client on delete cascade,
    constraint pull_memory_of_a_stream foreign key (stream_id) references {{ private }}.stream on delete cascade
);
comment on table {{ private }}.pull_memory is 'What a client''s own list may hold: each stream that an answer named to it and that it has not given back. It outlives loss and restarts, as the client''s file does.';
create index pull_memory_by_stream on {{ private }}.pull_memory (stream_id);

alter table {{ private }}.stream
    add column number bigint generated always as (
        case when external_id ~ '^(0|[1-9][0-9]{0,17})$' then external_id::bigint end
    ) stored;
comment on column {{ private }}.stream.number is 'Its id in its source as a number, by which clients that speak HTTP know it; null when it is none.';
create index stream_by_number on {{ private }}.stream (number) where number is not null;

alter table {{ private }}.source add column serves_http boolean not null default true;
comment on column {{ private }}.source.serves_http is 'Whether clients that speak HTTP may be given its streams, by their ids in it.';

create table {{ private }}.http_presence (
    is_the_only_one boolean not null default true,
    seen_at timestamptz,
    returned_at timestamptz,
    constraint http_presence_pkey primary key (is_the_only_one),
    constraint there_is_only_one_presence check (is_the_only_one)
);
comment on table {{ private }}.http_presence is 'Whether clients that speak HTTP can be heard. A row of its own: it is written every few seconds, and no decision may wait for that.';
comment on column {{ private }}.http_presence.is_the_only_one is 'Always true: the key of the only row.';
comment on column {{ private }}.http_presence.seen_at is 'When an HTTP server of this fleet last said that it is there; null when none ever did.';
comment on column {{ private }}.http_presence.returned_at is 'When one was there again after none had been.';
insert into {{ private }}.http_presence default values;

alter table {{ private }}.controller
    add column pull_cold_since timestamptz,
    add column pull_trusted_from timestamptz;
comment on column {{ private }}.controller.pull_cold_since is 'When a client that asks for its streams began while no instance had any: the others of its fleet are awaited.';
comment on column {{ private }}.controller.pull_trusted_from is 'Most clients that ask for their streams fell silent together: before this moment the silence of none is believed.';

create table {{ private }}.pull_stranger (
    name text not null,
    peer text,
    load bigint,
    seen_at timestamptz not null,
    constraint pull_stranger_pkey primary key (name)
);
comment on table {{ private }}.pull_stranger is 'Clients that spoke and have not registered here: what they run is not known.';
comment on column {{ private }}.pull_stranger.load is 'How many streams it said it has; null when it did not say.';

-- Those that are there go on as what they are: nothing is taken from them, and they are not lost for beats that they never sent.
insert into {{ private }}.pull_client (
    instance_id, name, dialect, address, capacity, registered_at, is_fresh, beat_at, list_length
)
select s.instance_id, s.instance_id, s.dialect, s.address, i.max_streams, s.registered_at, false, h.beat_at, l.owned
from {{ private }}.http_session as s
inner join {{ private }}.instance as i on s.instance_id = i.instance_id and s.incarnation = i.incarnation
inner join {{ private }}.heartbeat as h on s.instance_id = h.instance_id
inner join {{ private }}.instance_load as l on s.instance_id = l.instance_id
where s.dialect in ('server', 'worker') and i.status <> 'removed';
update {{ private }}.instance set placement = 'pull'
where instance_id in (select c.instance_id from {{ private }}.pull_client as c);
insert into {{ private }}.pull_memory (instance_id, stream_id, given_at)
select a.instance_id, a.stream_id, now()
from {{ private }}.assignment as a
inner join {{ private }}.pull_client as c on a.instance_id = c.instance_id;
