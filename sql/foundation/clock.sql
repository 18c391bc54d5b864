-- The only caller of the clock and of what the server says of its own life.
-- Tests replace these functions; production has no clock that can be set.

create or replace function {{ private }}.now()
    returns timestamptz
    language sql volatile parallel safe
begin atomic
    select clock_timestamp();
end;
comment on function {{ private }}.now() is 'The time now, moving on within a transaction.';

create or replace function {{ private }}.transaction_started_at()
    returns timestamptz
    language sql stable parallel safe
begin atomic
    select transaction_timestamp();
end;
comment on function {{ private }}.transaction_started_at() is 'When this transaction began.';

create or replace function {{ private }}.server_started_at()
    returns timestamptz
    language sql volatile
begin atomic
    select pg_postmaster_start_time();
end;
comment on function {{ private }}.server_started_at() is 'When this server was started: a change means that every session was lost with it.';

create or replace function {{ private }}.server_timeline()
    returns integer
    language sql volatile
begin atomic
    select c.timeline_id from pg_control_checkpoint() as c;
end;
comment on function {{ private }}.server_timeline() is 'The server''s timeline: a change means that a standby was promoted.';
