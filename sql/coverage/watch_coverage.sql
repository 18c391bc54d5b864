-- Job: what the record of gaps does not learn from a change of hands (coverage/watch_assignments.sql).
--   stalls       a stream that its owner names as silent is not heard, since then; a station at fault is to blame for it
--   returns      an owner that was given up, is back in step and has its streams still heard them all along
--   isolation    an owner that was given up and is heard again as the same process did not crash
--   waiting      why a stream waits
-- and what gaps that are over add to the metric. It runs beside beats and decisions: neither waits for it but for the decision lock.
-- Locks     decision (only when there is something to settle); open_gap and gap rows; metric_count
-- Reads     stall, station_fault, assignment, instance, heartbeat, controller
-- Writes    open_gap, gap, metric_count

create or replace function {{ private }}.silences()
    returns table (stream_id bigint, cause text, instance_id text, since timestamptz, seen_at timestamptz)
    language sql stable
as $function$
    select t.stream_id, case when f.stream_id is null then 'stall' else 'station fault' end, t.instance_id, t.silent_since, t.reported_at
    from {{ private }}.stall as t
    join {{ private }}.assignment as a
        on a.stream_id = t.stream_id and a.instance_id = t.instance_id and a.epoch = t.epoch and a.state = 'running'
    left join {{ private }}.station_fault as f on f.stream_id = t.stream_id
    union all
    -- a station of which handlers die
    select
        f.stream_id, 'station fault', a.instance_id,
        coalesce((select min((e.value ->> 'failed_at')::timestamptz) from jsonb_array_elements(f.evidence) as e), f.found_at), f.last_failed_at
    from {{ private }}.station_fault as f
    join {{ private }}.assignment as a on a.stream_id = f.stream_id and a.instance_id is not null
    where not exists (select from {{ private }}.stall as t where t.stream_id = f.stream_id)
$function$;
comment on function {{ private }}.silences() is 'Streams that have an owner and are not heard, by its word: since when, until when that is known, and whether the station is to blame.';

create or replace function {{ private }}.gaps_over()
    returns table (stream_id bigint, heard_since timestamptz)
    language sql stable
as $function$
    select
        g.stream_id,
        case
            when g.seen_at is not null then least({{ private }}.now(), g.seen_at + {{ private }}.setting_interval('heartbeat_interval'))
            -- the same process, which goes on without us (R5.2), was heard again and differs in nothing
            when g.instance_id = a.instance_id and g.life = {{ private }}.life_of(i.process, i.incarnation) and i.stop_within is null then g.began_at
            else {{ private }}.now()
        end
    from {{ private }}.open_gap as g
    join {{ private }}.assignment as a
        on a.stream_id = g.stream_id and (a.state = 'running' or (a.state = 'releasing' and a.instance_id = g.instance_id))
    join {{ private }}.instance as i on i.instance_id = a.instance_id and i.is_living
    join {{ private }}.heartbeat as h on h.instance_id = a.instance_id and h.in_step and h.beat_at > greatest(g.sure_at, i.last_lost_at)
    where not exists (select from {{ private }}.silences() as s where s.stream_id = g.stream_id)
$function$;
comment on function {{ private }}.gaps_over() is 'Open gaps of streams whose owner is there, in step and not silent: since when they are heard.';

create or replace function {{ private }}.waits_of_gaps()
    returns table (stream_id bigint, why text)
    language sql volatile
as $function$
    select g.stream_id, w.why
    from {{ private }}.open_gap as g
    join {{ private }}.waiting_reasons() as r on r.stream_id = g.stream_id
    cross join lateral (
        select case
            when r.reason = 'no ability' then 'no capability'
            when r.reason <> 'room' then 'no capacity'
            when (select c.paused_at is not null or c.recovery_since is not null from {{ private }}.controller as c) then 'paused'
        end as why
    ) as w
    where w.why is not null and w.why is distinct from g.why
$function$;
comment on function {{ private }}.waits_of_gaps() is 'Why streams wait, where their gaps do not say it yet.';

create or replace function {{ private }}.settle_gaps()
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.begin_gaps(
        array_agg(s.stream_id order by s.stream_id), array_agg(s.cause order by s.stream_id), array_agg(s.instance_id order by s.stream_id),
        array_agg(s.since order by s.stream_id), array_agg(s.since order by s.stream_id)
    )
    from {{ private }}.silences() as s
    having count(*) > 0;
    update {{ private }}.open_gap as g
    set cause = s.cause, seen_at = s.seen_at
    from {{ private }}.silences() as s
    where s.stream_id = g.stream_id and (g.cause, g.seen_at) is distinct from (s.cause, s.seen_at);
    perform {{ private }}.end_gaps(array_agg(o.stream_id), array_agg(o.heard_since)) from {{ private }}.gaps_over() as o having count(*) > 0;
    update {{ private }}.open_gap as g set why = w.why from {{ private }}.waits_of_gaps() as w where w.stream_id = g.stream_id;
end
$function$;
comment on function {{ private }}.settle_gaps() is 'Bring the open gaps in step with what owners say.';

create or replace function {{ private }}.note_isolations()
    returns integer
    language plpgsql volatile
as $function$
declare
    v_noted integer;
begin
    update {{ private }}.gap as g
    set cause = 'isolation'
    from {{ private }}.instance as i
    where g.instance_id = i.instance_id
        and g.cause = 'crash'
        and g.life = {{ private }}.life_of(i.process, i.incarnation)
        and g.ended_at > {{ private }}.now() - interval '2 days'
        and i.is_living;
    get diagnostics v_noted = row_count;
    return v_noted;
end
$function$;
comment on function {{ private }}.note_isolations() is 'An owner that was given up and is heard again as the same process was cut off, or hung; it did not crash.';

create or replace function {{ private }}.count_gaps()
    returns integer
    language plpgsql volatile
as $function$
declare
    v_counted integer;
begin
    with counted as (
        update {{ private }}.gap as g
        set is_counted = true
        where g.gap_id = any(array(select u.gap_id from {{ private }}.gap as u where not u.is_counted order by u.gap_id limit 10000))
        returning g.cause, {{ private }}.seconds_between(g.sure_at, g.ended_at) as seconds
    ),
    summed as (
        select c.cause, sum(c.seconds) as seconds, count(*) as gaps from counted as c group by c.cause order by c.cause
    )
    select sum(s.gaps) into v_counted
    from summed as s
    cross join lateral {{ private }}.count_up('orchestrator_uncovered_seconds_total', s.cause, s.seconds) as u;
    return coalesce(v_counted, 0);
end
$function$;
comment on function {{ private }}.count_gaps() is 'Add the seconds of gaps that are over to the metric; returns how many there were.';

create or replace function {{ private }}.watch_coverage()
    returns jsonb
    language plpgsql volatile
    -- what is done again and again is not to be planned again and again
    set plan_cache_mode = 'force_generic_plan'
as $function$
begin
    -- a look first: nearly always there is nothing, and then no lock is taken
    if exists (
        select from {{ private }}.silences() as s left join {{ private }}.open_gap as g on g.stream_id = s.stream_id
        where (g.cause, g.seen_at) is distinct from (s.cause, s.seen_at)
    ) or exists (select from {{ private }}.open_gap) and (
        exists (select from {{ private }}.gaps_over()) or exists (select from {{ private }}.waits_of_gaps())
    ) then
        perform {{ private }}.lock_decisions();
        perform {{ private }}.settle_gaps();
    end if;
    perform {{ private }}.note_isolations();
    perform {{ private }}.count_gaps();
    return null; -- nothing that a run should be remembered for
end
$function$;
comment on function {{ private }}.watch_coverage() is 'Job watch_coverage: what owners say of what they hear goes into the record of gaps, and gaps that are over into the metric.';
