-- Instances that only speak HTTP. They know neither incarnations nor epochs, so both are kept here for them, and with them what
-- they were told: what a worker that listens keeps in its own process.

create table {{ private }}.http_session (
    instance_id text not null,
    incarnation bigint not null,
    dialect text not null,
    address text,
    registered_at timestamptz not null,
    constraint http_session_pkey primary key (instance_id),
    constraint http_session_of_an_instance foreign key (instance_id) references {{ private }}.instance on delete cascade,
    constraint dialect_is_known check (dialect in ('main', 'server', 'worker'))
);
comment on table {{ private }}.http_session is 'An instance that registered over HTTP: the incarnation that its calls stand for.';
comment on column {{ private }}.http_session.dialect is 'Which of the three dialects it registered in: main (instance_id), server (server_id), worker (/api/workers).';
comment on column {{ private }}.http_session.address is 'Where it registered from; whoever registers from there again is the same client, started anew.';

create table {{ private }}.http_stream (
    instance_id text not null,
    stream_id bigint not null,
    epoch bigint not null,
    state text not null,
    unconfirmed_beats smallint not null default 0,
    constraint http_stream_pkey primary key (instance_id, stream_id),
    constraint http_stream_of_a_session foreign key (instance_id) references {{ private }}.http_session on delete cascade,
    constraint state_of_http_stream_is_known check (state in ('told', 'running', 'taken', 'stray'))
);
comment on table {{ private }}.http_stream is 'What an instance that only speaks HTTP has, as far as its words tell. told: it was told to start it; running: it has confirmed that; taken: it was told to stop it; stray: it may have it from an earlier life and should not.';
comment on column {{ private }}.http_stream.unconfirmed_beats is 'Beats since it was told that neither confirmed nor denied it.';
