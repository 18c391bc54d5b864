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
    -- of the WAL that is written now: the last checkpoint may lie before a promotion
    select ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::integer;
end;
comment on function {{ private }}.server_timeline() is 'The server''s timeline: a change means that a standby was promoted.';

create or replace function {{ private }}.on_this_clock(p_moment timestamptz)
    returns timestamptz
    language plpgsql stable
as $function$
declare
    v_moment timestamptz := p_moment;
    v_step record;
begin
    for v_step in
        select c.step, c.clock_said from {{ private }}.clock_step as c
        where c.found_at > {{ private }}.now() - interval '2 days'
        order by c.clock_step_id
    loop
        if v_step.step > interval '0' and v_moment <= v_step.clock_said - v_step.step
            or v_step.step < interval '0' and v_moment > {{ private }}.now()
        then
            v_moment := v_moment + v_step.step;
        end if;
    end loop;
    return v_moment;
end
$function$;
comment on function {{ private }}.on_this_clock(timestamptz) is 'A moment that the server itself noted, such as the start of a transaction, by the clock as it goes since its last step.';

create or replace function {{ private }}.heard_at(p_beat_at timestamptz, p_counts_from timestamptz, p_unwatched tstzmultirange)
    returns timestamptz
    language sql stable
begin atomic
    select b.moment + coalesce((
        select sum(upper(u.times) - greatest(lower(u.times), b.moment))
        from unnest(p_unwatched) as u(times)
        where upper(u.times) > b.moment
    ), '0')
    from (select greatest(p_beat_at, p_counts_from) as moment) as b;
end;
comment on function {{ private }}.heard_at(timestamptz, timestamptz, tstzmultirange) is 'From when on an instance counts as silent that was last heard at a time: neither the time before p_counts_from counts nor that in which nobody looked.';
