-- A database that was restored, copied, promoted or only started again may have given out epochs that it does not know of. It finds
-- that it may be another one than it was, and takes a new generation, whose epochs are above all that were ever given.
create table {{ private }}.database_mark (
    is_the_only_one boolean not null default true,
    mark text,
    constraint database_mark_pkey primary key (is_the_only_one),
    constraint database_mark_is_the_only_one check (is_the_only_one)
);
comment on table {{ private }}.database_mark is 'One row that says which transaction wrote it. Where its data were copied from a dump, that is another one.';
insert into {{ private }}.database_mark default values;

alter table {{ private }}.controller
    add column fingerprint text,
    add column generation bigint not null default 0,
    add column generation_at timestamptz;
comment on column {{ private }}.controller.fingerprint is 'Which server and database this was, and since when it had been running, when it was last looked at; null: never.';
comment on column {{ private }}.controller.generation is 'When this database last found that it may be another one than it was, in 2^-20 seconds since 1970; 0: never. It is the least epoch and the least incarnation that is given since.';

comment on column {{ private }}.controller.generation_at is 'When the generation began: what was heard before is not known for certain, and leases count from then.';

alter table {{ private }}.assignment
    add column next_epoch bigint,
    add column adopted_from bigint;
comment on column {{ private }}.assignment.next_epoch is 'The highest epoch under which an instance was told to prepare the stream. It is given to that instance or to none.';
comment on column {{ private }}.assignment.adopted_from is 'The epoch under which its owner runs it, until it says that it has adopted the present one; null as a rule.';
update {{ private }}.assignment set next_epoch = epoch + 1 where releasing_since is not null and make_before_break;

alter table {{ private }}.movement
    add column from_epoch bigint;
comment on column {{ private }}.movement.from_epoch is 'The epoch of the ownership that ended; null where there was none, and in old rows.';
update {{ private }}.movement as m
set from_epoch = m.epoch - 1
from {{ private }}.instance as i
where i.lost_by_decision_id = m.decision_id and m.from_instance_id = i.instance_id;
