-- The server's clock may step. Steps are recorded, and stored moments move with them (clock/stored_times.sql).
create table {{ private }}.clock_step (
    clock_step_id bigint generated always as identity primary key,
    found_at timestamptz not null,
    clock_said timestamptz not null,
    step interval not null,
    is_measured boolean not null,
    found_by text not null
);
comment on table {{ private }}.clock_step is 'Steps of the server''s clock: found_at moves with later steps, clock_said is what the clock said then, after the step. Measured: by a driver, against a clock that does not step; else it went back by at least so much.';

alter table {{ private }}.controller
    add column clock_stepped interval not null default '0',
    add column unwatched tstzmultirange not null default '{}',
    add column looked_every interval;
comment on column {{ private }}.controller.clock_stepped is 'All steps of the clock so far, added up: the clock less this goes steadily.';
comment on column {{ private }}.controller.unwatched is 'When nobody looked at the instances; silence in these times does not count.';
comment on column {{ private }}.controller.looked_every is 'How far apart the last two looks at the instances were, when that was longer than 5 s; else null.';

alter table {{ private }}.session_watch
    add column driver_missed_at timestamptz;
comment on column {{ private }}.session_watch.driver_missed_at is 'When a beat found the jobs overdue although a driver is connected: the clock may have stepped, and a later beat will see.';
