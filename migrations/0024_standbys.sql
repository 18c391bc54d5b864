-- Standbys: a second instance that hears a stream and owns nothing of it (sql/assignments/standbys.sql).
alter table {{ private }}.stream add column standby boolean;
comment on column {{ private }}.stream.standby is 'Whether it is to have a standby; null: as the setting standbys says.';
create index stream_with_standby on {{ private }}.stream (stream_id) where standby;

alter table {{ api }}.stream_staging add column standby boolean;
comment on column {{ api }}.stream_staging.standby is 'Whether the stream is to have a standby; null says nothing about it.';

-- Numbers of standbys lie below zero, so that none is ever an epoch: no fence lets one pass.
create sequence {{ private }}.standby_number increment by -1 maxvalue -1 start with -1;

create table {{ private }}.standby (
    number bigint not null,
    stream_id bigint not null,
    instance_id text not null,
    state text not null,
    assigned_at timestamptz not null,
    heard_since timestamptz,
    ended_at timestamptz,
    constraint standby_pkey primary key (number),
    constraint standby_of_a_stream foreign key (stream_id) references {{ private }}.stream on delete cascade,
    constraint standby_on_an_instance foreign key (instance_id) references {{ private }}.instance on delete cascade,
    constraint number_is_no_epoch check (number < 0),
    constraint known_standby_state check (state in ('assigned', 'hearing', 'ended', 'promoted')),
    constraint heard_while_hearing check (state <> 'hearing' or heard_since is not null),
    constraint ended_when_over check ((state in ('ended', 'promoted')) = (ended_at is not null))
);
comment on table {{ private }}.standby is 'Which instance hears which stream as its standby; and for a while those that are over, so that their workers can be told.';
comment on column {{ private }}.standby.number is 'Names this standby in digests, commands and acknowledgements, where an owner says its epoch.';
comment on column {{ private }}.standby.state is 'assigned: its worker has not said yet that it hears. hearing: it has. ended: it is to stop. promoted: its instance owns the stream now.';
comment on column {{ private }}.standby.heard_since is 'Since when its worker hears the stream.';
comment on column {{ private }}.standby.ended_at is 'When it was ended or promoted.';
create unique index one_standby_of_a_stream on {{ private }}.standby (stream_id) where ended_at is null;
create index standby_on_instance on {{ private }}.standby (instance_id);

alter table {{ private }}.instance_load
    add column standbys integer not null default 0,
    add column standby_digest bigint not null default 0,
    add column has_standbys boolean not null default false,
    add constraint standbys_are_not_negative check (standbys >= 0);
comment on column {{ private }}.instance_load.standbys is 'Streams that it hears as their standby. Each takes a place.';
comment on column {{ private }}.instance_load.standby_digest is 'The digest of those.';
comment on column {{ private }}.instance_load.has_standbys is 'Whether another instance is the standby of any of its own streams, so that it is to beat more often. As of the last look of the job place_standbys.';

alter table {{ private }}.heartbeat add column standbys_silent jsonb;
comment on column {{ private }}.heartbeat.standbys_silent is 'Standbys that make no progress, by its last beat: {"stream_id", "epoch" (the number), "silent_for"}.';

alter type {{ private }}.report add attribute standbys bigint;
alter type {{ private }}.report add attribute standby_window double precision;
alter type {{ private }}.report add attribute standbys_silent jsonb;
