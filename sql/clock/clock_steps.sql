-- A step of the server's clock moves nothing and hides nothing: stored moments move with the clock (stored_times.sql), and silence
-- counts only while somebody looks. How a step is noticed:
--   measured   a driver compares the clock with one of its own that does not step (read_clock, record_clock_step)
--   found      a caller that knows no other clock finds that a job began later than now: the clock went back at least so far
-- A clock that goes forward cannot be told from an absence by the second kind of caller (looks.sql).
-- Locks     decision; controller; rows of the tables in stored_times.sql that no other session holds: what is written at this very moment
--           is of the new time
-- Reads     stored_times(), job
-- Writes    clock_step, and all moments that move
-- Notifies  wake

create or replace function {{ private }}.past_after_step(p_at timestamptz, p_step interval, p_now timestamptz, p_within interval)
    returns timestamptz
    language sql immutable
begin atomic
    select case
        -- of older ones only the day is of interest
        when p_at < p_now - interval '2 days' then p_at
        -- what is later was written since the step
        when p_step > interval '0' then case when p_at <= p_now - p_step then p_at + p_step else p_at end
        when p_at > p_now or p_at < p_now - p_within then least(p_at + p_step, p_now)
        else p_at
    end;
end;
comment on function {{ private }}.past_after_step(timestamptz, interval, timestamptz, interval) is 'A moment in the past by the clock as it is now, after a step that came within so long; null: no one knows when, and only what lies ahead is known to be of the time before it.';

create or replace function {{ private }}.deadline_after_step(p_until timestamptz, p_step interval, p_now timestamptz, p_horizon interval)
    returns timestamptz
    language sql immutable strict
begin atomic
    select case
        when p_until = 'infinity' or p_until < p_now - interval '2 days' then p_until
        -- over or not, it was of the time before the step, or cannot be told from that
        when p_step > interval '0' or p_until > p_now - p_step then least(p_until + p_step, p_now + p_horizon)
        -- of the time before the step it would be over; of that since, it would not lie as far ahead
        when p_until > p_now + p_horizon then p_now
        else p_until
    end;
end;
comment on function {{ private }}.deadline_after_step(timestamptz, interval, timestamptz, interval) is 'A deadline by the clock as it is now, after a step. It never lies further ahead than its horizon.';

create or replace function {{ private }}.due_after_step(p_due timestamptz, p_schedule text, p_step interval, p_now timestamptz, p_within interval)
    returns timestamptz
    language sql stable
begin atomic
    select case
        when {{ private }}.is_cron(p_schedule) then least(p_due, {{ private }}.next_run(p_schedule, p_now, p_now))
        -- no one knows how long it has been due
        when p_within is null then p_now
        else least(p_due + p_step, p_now + p_schedule::interval)
    end;
end;
comment on function {{ private }}.due_after_step(timestamptz, text, interval, timestamptz, interval) is 'When a job is due by the clock as it is now, after a step.';

create or replace function {{ private }}.move_stored_times(p_step interval, p_now timestamptz, p_within interval)
    returns void
    language plpgsql volatile
as $function$
declare
    v_table record;
begin
    for v_table in
        select
            t.table_name,
            string_agg(format('%I = %s', t.column_name, e.moved), ', ' order by t.column_name) as moved,
            string_agg(format('%s is distinct from t.%I', e.moved, t.column_name), ' or ' order by t.column_name) as has_moved
        from {{ private }}.stored_times() as t
        cross join lateral (
            select case
                when t.column_name = 'unwatched' then '{{ private }}.unwatched_after_step(t.unwatched, $1, $2, $3)'
                when t.kind = 'past' then format('{{ private }}.past_after_step(t.%I, $1, $2, $3)', t.column_name)
                when t.kind = 'with' then format('t.%I + ({{ private }}.past_after_step(t.%2$I, $1, $2, $3) - t.%2$I)', t.column_name, t.horizon)
                when t.kind = 'deadline' then format('{{ private }}.deadline_after_step(t.%I, $1, $2, %s)', t.column_name, t.horizon)
                when t.kind = 'due' then format('{{ private }}.due_after_step(t.%I, t.schedule, $1, $2, $3)', t.column_name)
            end as moved
        ) as e
        where t.kind <> 'record'
        group by t.table_name
        order by t.table_name
    loop
        execute format(
            'update {{ private }}.%1$I as t set %2$s from (select t.ctid as place from {{ private }}.%1$I as t where %3$s for no key update %4$s) as k where t.ctid = k.place',
            v_table.table_name, v_table.moved, v_table.has_moved, case when v_table.table_name <> 'controller' then 'skip locked' end
        ) using p_step, p_now, p_within;
    end loop;
    -- derived from withdrawals and leases, of which the former have moved
    update {{ private }}.assignment as a
    set waiting_since = f.moment
    from (
        select w.stream_id, {{ private }}.free_at(w.stream_id) as moment
        from {{ private }}.assignment as w
        where w.waiting_since is not null
        for no key update skip locked
    ) as f
    where a.stream_id = f.stream_id and (a.waiting_since > p_now or f.moment > {{ private }}.now());
end
$function$;
comment on function {{ private }}.move_stored_times(interval, timestamptz, interval) is 'Let every stored moment that is compared with now move with the clock.';

create or replace function {{ private }}.unwatched_after_step(p_unwatched tstzmultirange, p_step interval, p_now timestamptz, p_within interval)
    returns tstzmultirange
    language sql immutable
begin atomic
    select coalesce(
        range_agg(tstzrange(m.moved_from, greatest(m.moved_from, {{ private }}.past_after_step(upper(u.times), p_step, p_now, p_within)))), '{}'
    )
    from unnest(p_unwatched) as u(times)
    cross join lateral (select {{ private }}.past_after_step(lower(u.times), p_step, p_now, p_within) as moved_from) as m
    -- a step forward that was taken for an absence
    where not (p_step > interval '0' and upper(u.times) > p_now - p_step and lower(u.times) > p_now - p_step - p_within - interval '10 seconds');
end;
comment on function {{ private }}.unwatched_after_step(tstzmultirange, interval, timestamptz, interval) is 'The times in which nobody looked, by the clock as it is now, after a step.';

create or replace function {{ private }}.step_clock(p_step interval, p_within interval, p_found_by text)
    returns void
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
begin
    -- the only row that is waited for comes before those that are not
    perform from {{ private }}.controller as c for no key update;
    perform {{ private }}.move_stored_times(p_step, v_now, p_within);
    update {{ private }}.controller set clock_stepped = clock_stepped + p_step;
    insert into {{ private }}.clock_step (found_at, clock_said, step, is_measured, found_by)
    values (v_now, v_now, p_step, p_within is not null, p_found_by);
    perform {{ private }}.wake('watch_instances');
end
$function$;
comment on function {{ private }}.step_clock(interval, interval, text) is 'The clock has stepped, within so long before now (null: no one knows when): record it, and let stored moments move with it.';

create or replace function {{ private }}.clock_went_back()
    returns interval
    language sql volatile
as $function$
    select max(j.last_started_at) - {{ private }}.now()
    from {{ private }}.job as j
    having max(j.last_started_at) > {{ private }}.now() + interval '1 second'
$function$;
comment on function {{ private }}.clock_went_back() is 'How far the clock went back since a job last began, at least; null when nothing says that it did.';

create or replace function {{ private }}.is_clock_as_compared(p_clock timestamptz, p_caller text)
    returns boolean
    language plpgsql volatile
as $function$
begin
    if p_clock is not null then
        return p_clock between {{ private }}.now() - interval '2 seconds' and {{ private }}.now() + interval '1 second';
    end if;
    if {{ private }}.clock_went_back() is not null then
        perform {{ private }}.lock_decisions();
        perform {{ private }}.step_clock(- w.back, null, p_caller) from {{ private }}.clock_went_back() as w(back) where w.back is not null;
    end if;
    return true;
end
$function$;
comment on function {{ private }}.is_clock_as_compared(timestamptz, text) is 'Whether the clock goes as it did when the caller compared it a moment ago; a caller that compares nothing (null) has stored moments put right that lie ahead.';

create or replace function {{ private }}.recent_clock_steps()
    returns table (finding text, detail jsonb)
    language sql volatile
as $function$
    select
        'the clock of the database server stepped by '
        || string_agg(
            case when c.is_measured then '' else 'at least ' end || to_char(extract(epoch from c.step), 'FMSG999999990.0') || ' s', ', then by '
            order by c.clock_step_id
        ),
        jsonb_build_object('steps', jsonb_agg(
            jsonb_build_object(
                'found_at', c.found_at, 'clock_said', c.clock_said, 'seconds', extract(epoch from c.step), 'is_measured', c.is_measured, 'found_by', c.found_by
            )
            order by c.clock_step_id
        ))
    from (
        select s.*
        from {{ private }}.clock_step as s
        where s.found_at > {{ private }}.now() - interval '1 hour' and s.found_at <= {{ private }}.now()
        order by s.clock_step_id desc
        limit 10
    ) as c
    having count(*) > 0
$function$;
comment on function {{ private }}.recent_clock_steps() is 'The steps of the clock that were found within the last hour, at most ten, in a sentence; no row when there were none.';
