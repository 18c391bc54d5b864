-- Exclusion of decisions that no login can have but through our functions: a lock on a table, which is always empty.
create table {{ private }}.decision_gate ();
comment on table {{ private }}.decision_gate is 'Always empty. Who decides holds it in exclusive mode, who confirms in share mode; the queue for it is fair, seen in pg_locks, and under lock_timeout.';

-- Who kept decisions waiting.
create table {{ private }}.hold_up (
    login text not null,
    lock text not null,
    application_name text,
    longest interval not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    ended text not null check (ended in ('no', 'terminated', 'gone', 'not permitted')),
    primary key (login, lock)
);
comment on table {{ private }}.hold_up is 'Transactions that kept decisions waiting for long: a row for each login and lock, for an hour after the last time.';
comment on column {{ private }}.hold_up.login is 'Whose sessions they were; "unknown" when the owner may not see it.';
comment on column {{ private }}.hold_up.lock is 'What they held: decision, "the key of decisions" (an advisory lock that is not theirs), or a table of this system.';
comment on column {{ private }}.hold_up.application_name is 'The program, the last time, as it calls itself.';
comment on column {{ private }}.hold_up.longest is 'The longest time for which one of them was seen to keep another waiting.';
comment on column {{ private }}.hold_up.first_at is 'The first time.';
comment on column {{ private }}.hold_up.last_at is 'The last time.';
comment on column {{ private }}.hold_up.ended is 'What became of the last: no (it ended by itself), terminated, gone (it ended just then), or not permitted.';
