-- Which seconds of which stream were heard within a time, and why others were not.
-- Reads     gap, open_gap, active_time, stream, assignment, heartbeat, setting
-- Raises    OR101 bad argument
create or replace function {{ api }}.coverage(
    p_from timestamptz, p_to timestamptz default null, p_stream_id bigint default null, p_instance_id text default null,
    p_cause text default null
)
    returns table (
        stream_id bigint, name text, cause text, why text, expected double precision, covered double precision,
        uncovered double precision, uncertain double precision, unwitnessed double precision, gaps integer
    )
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
    -- a month of gaps is sorted and summed in memory
    set work_mem = '32MB'
as $function$
declare
    v_to timestamptz := least(p_to, {{ private }}.now());
    v_from timestamptz;
    v_silent text[] := {{ private }}.silent_owners();
begin
    if p_to is not null then
        perform {{ private }}.require_moment('p_to', p_to);
    end if;
    perform {{ private }}.require_moment('p_from', p_from);
    perform {{ private }}.require_argument(
        'p_to', p_to is null or p_to >= p_from, to_jsonb(p_to), 'a moment that is not before p_from, or null for now'
    );
    perform {{ private }}.require_argument(
        'p_cause', p_cause is null or p_cause = any({{ private }}.gap_causes()), to_jsonb(p_cause), 'one of ' || array_to_string({{ private }}.gap_causes(), ', ')
    );
    perform {{ private }}.require_exact_text('p_instance_id', p_instance_id);
    v_from := {{ private }}.kept_from(p_from);
    return query
    with active as (
        select t.stream_id, sum({{ private }}.seconds_between(t.began_at, t.ended_at)) as seconds
        from {{ private }}.active_between(v_from, v_to) as t
        where p_stream_id is null or t.stream_id = p_stream_id
        group by t.stream_id
    ),
    lost as materialized (
        select
            g.stream_id, g.cause, g.why, sum(g.ended_at - g.began_at) as in_all,
            count(*) filter (where g.is_asked_for) as gaps, sum(g.ended_at - g.sure_at) filter (where g.is_asked_for) as uncovered,
            sum(g.sure_at - g.began_at) filter (where g.is_asked_for) as uncertain
        from (
            select b.*, (p_cause is null or b.cause = p_cause) and (p_instance_id is null or b.instance_id = p_instance_id) as is_asked_for
            from {{ private }}.gaps_between(v_from, v_to) as b
            where p_stream_id is null or b.stream_id = p_stream_id
        ) as g
        group by g.stream_id, g.cause, g.why
    ),
    lost_in_all as (
        select l.stream_id, extract(epoch from sum(l.in_all))::double precision as seconds from lost as l group by l.stream_id
    ),
    -- the rows of the answer; a stream without a gap has one of its own
    by_cause as (
        select
            l.stream_id, l.cause, l.why, l.gaps, extract(epoch from l.uncovered)::double precision as uncovered,
            extract(epoch from l.uncertain)::double precision as uncertain
        from lost as l
        where l.gaps > 0
        union all
        select a.stream_id, null, null, 0, 0, 0
        from active as a
        where p_cause is null and p_instance_id is null and not exists (select from lost as l where l.stream_id = a.stream_id)
    ),
    unwitnessed as (
        select w.stream_id, w.seconds from {{ private }}.unwitnessed_between(v_from, v_to, v_silent) as w where v_silent <> '{}'
    )
    select
        c.stream_id, s.name, c.cause, c.why, round(a.seconds::numeric, 3)::double precision,
        round(greatest(a.seconds - coalesce(t.seconds, 0), 0)::numeric, 3)::double precision, round(c.uncovered::numeric, 3)::double precision,
        round(c.uncertain::numeric, 3)::double precision,
        round(least(coalesce(w.seconds, 0), greatest(a.seconds - coalesce(t.seconds, 0), 0))::numeric, 3)::double precision, c.gaps::integer
    from by_cause as c
    join active as a on a.stream_id = c.stream_id
    left join lost_in_all as t on t.stream_id = c.stream_id
    left join unwitnessed as w on w.stream_id = c.stream_id
    left join {{ private }}.stream as s on s.stream_id = c.stream_id
    order by c.uncovered + c.uncertain desc, c.stream_id, c.cause, c.why;
end
$function$;
comment on function {{ api }}.coverage(timestamptz, timestamptz, bigint, text, text) is
'Say which seconds of which stream were heard within a time, and why others were not: a row for each stream and cause of its gaps, the worst first; a stream without a gap has one row without a cause. What is older than history_retention is not counted.
p_from: from this moment on.
p_to: up to this moment; null, or later than now: now.
p_stream_id: only this stream; null: all.
p_instance_id: only gaps that began with this owner; null: all.
p_cause: only gaps of this cause: crash, hand-over, planned restart, waiting, stall, station fault, isolation or restored; null: all.
stream_id: the stream.
name: its name; null when it was removed.
cause: the cause of its gaps that this row counts; null: it has none.
why: of waiting, or of a loss that no other could take: no capacity, no capability or paused; else null.
expected: seconds in which the stream should have been heard, the same in each of its rows.
covered: seconds of those in which a confirmed owner had it, the same in each of its rows.
uncovered: seconds in which no owner had it, of this cause.
uncertain: seconds of this cause that are not known: from the last sign of life to the end of the session or the decision.
unwitnessed: seconds of the covered ones whose owner does not say with which streams it makes progress.
gaps: how many gaps this row counts.
Raises: OR101.
Example: select * from {{ api }}.coverage(''2026-11-29'');';
revoke all on function {{ api }}.coverage(timestamptz, timestamptz, bigint, text, text) from public;
grant execute on function {{ api }}.coverage(timestamptz, timestamptz, bigint, text, text) to {{ reader }}, {{ admin }};
