-- What every second's look at the fleet can go by, so that it costs little while nothing happens, however many instances there are.

alter table {{ private }}.instance
    add column is_unusual boolean not null generated always as (
        status <> 'removed'
        and (
            status = 'inactive' or session_lost_at is not null or suspended_until is not null or probation_until is not null
            or crashes > 0 or losses > 0
        )
    ) stored;
comment on column {{ private }}.instance.is_unusual is 'Whether there is more to look at than its last beat and its session: it is lost, restarts, is on probation, or has crashes or losses that will be forgotten.';
create index instance_unusual on {{ private }}.instance (instance_id) where is_unusual;
create index instance_lease on {{ private }}.instance (lease) where lease is not null;

create table {{ private }}.session_watch (
    is_the_only_one boolean not null default true,
    checksum bigint not null default 0,
    compared_at timestamptz not null default '-infinity',
    constraint session_watch_pkey primary key (is_the_only_one),
    constraint there_is_only_one check (is_the_only_one)
);
comment on table {{ private }}.session_watch is 'Which session locks were held when they last agreed with the instances. A row of its own, so that the look that writes it takes no lock that a decision could wait for.';
comment on column {{ private }}.session_watch.is_the_only_one is 'Always true: the key of the only row.';
comment on column {{ private }}.session_watch.checksum is 'Of the keys, of the server processes that held them, and of how often sessions had been attached.';
comment on column {{ private }}.session_watch.compared_at is 'When that was.';
insert into {{ private }}.session_watch default values;

create sequence {{ private }}.session_attachment;
comment on sequence {{ private }}.session_attachment is 'Counts attached sessions, so that one that came and went between two looks is seen.';
select nextval('{{ private }}.session_attachment');
