-- The same tables with the same rows, indexes, checks and foreign keys, and without our triggers: what any solution
-- that remembers who has a stream and who had it must write to.

create schema bench_raw;

create table bench_raw.instance (like {{ private }}.instance including all excluding generated);
create table bench_raw.heartbeat (like {{ private }}.heartbeat including all excluding generated) with (fillfactor = 50);
create table bench_raw.assignment (like {{ private }}.assignment including all excluding generated) with (fillfactor = 80);
create table bench_raw.decision (like {{ private }}.decision including all excluding generated);
create table bench_raw.movement (like {{ private }}.movement including all excluding generated);
create table bench_raw.job (like {{ private }}.job including all excluding generated) with (fillfactor = 50);

insert into bench_raw.instance select * from {{ private }}.instance;
insert into bench_raw.heartbeat select * from {{ private }}.heartbeat;
insert into bench_raw.assignment select * from {{ private }}.assignment;
insert into bench_raw.job select * from {{ private }}.job;

alter table bench_raw.heartbeat
    add foreign key (instance_id) references bench_raw.instance on delete cascade;
alter table bench_raw.assignment
    add foreign key (stream_id) references {{ private }}.stream on delete cascade,
    add foreign key (instance_id) references bench_raw.instance,
    add foreign key (next_instance_id) references bench_raw.instance;
alter table bench_raw.movement
    add foreign key (decision_id) references bench_raw.decision;
