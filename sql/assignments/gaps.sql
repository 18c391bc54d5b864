-- The record of gaps: when streams were not heard. What opens and closes them stands in coverage/watch_assignments.sql and
-- coverage/watch_coverage.sql; here is how a row is written.
--   open_gap   a stream that no owner has confirmed to hear: uncertain from began_at, uncovered from sure_at, one for each stream
--   gap        the same, over
-- Every caller holds the decision lock; for end_gaps of an instance's own streams a shared one is enough.
-- Locks     open_gap rows
-- Writes    open_gap, gap

create or replace function {{ private }}.life_of(p_process text, p_incarnation bigint)
    returns text
    language sql immutable
begin atomic
    select coalesce(p_process, p_incarnation::text);
end;
comment on function {{ private }}.life_of(text, bigint) is 'Which process an instance is: as it names it, or else by its incarnation.';

-- The plan of one stream is good for thousands, which are looked up by index one by one; made anew it costs more than it takes.
create or replace function {{ private }}.begin_gaps(
    p_stream_ids bigint[], p_causes text[], p_instance_ids text[], p_began timestamptz[], p_sure timestamptz[]
)
    returns void
    language plpgsql volatile
    set plan_cache_mode = 'force_generic_plan'
as $function$
begin
    insert into {{ private }}.open_gap (stream_id, cause, instance_id, life, began_at, sure_at)
    select
        u.stream_id, u.cause, u.instance_id, {{ private }}.life_of(i.process, i.incarnation),
        b.began_at, greatest(b.began_at, least(u.sure_at, n.now))
    from unnest(p_stream_ids, p_causes, p_instance_ids, p_began, p_sure) as u(stream_id, cause, instance_id, began_at, sure_at)
    cross join (select {{ private }}.now() as now) as n
    left join {{ private }}.instance as i on i.instance_id = u.instance_id
    -- no second is counted in two gaps, nor before it should have been heard
    cross join lateral (
        select least(n.now, greatest(
            u.began_at,
            (select t.began_at from {{ private }}.active_time as t where t.stream_id = u.stream_id and t.ended_at is null),
            (select max(g.ended_at) from {{ private }}.gap as g where g.stream_id = u.stream_id)
        )) as began_at
    ) as b
    on conflict (stream_id) do nothing;
end
$function$;
comment on function {{ private }}.begin_gaps(bigint[], text[], text[], timestamptz[], timestamptz[]) is 'These streams are no longer heard: since the last sign that they were (p_began), and certainly from p_sure on. A gap that is open goes on as what it began as.';

create or replace function {{ private }}.end_gaps(p_stream_ids bigint[], p_heard_since timestamptz[] default null)
    returns void
    language plpgsql volatile
    set plan_cache_mode = 'force_generic_plan'
as $function$
begin
    with ended as (
        delete from {{ private }}.open_gap as g
        where g.stream_id = any(p_stream_ids)
        returning g.*
    )
    insert into {{ private }}.gap (stream_id, cause, why, instance_id, life, began_at, sure_at, ended_at)
    -- a step of the clock can leave the two in any order
    select e.stream_id, e.cause, e.why, e.instance_id, e.life, e.began_at, greatest(e.began_at, least(e.sure_at, l.ended_at)), l.ended_at
    from ended as e
    left join unnest(p_stream_ids, p_heard_since) as u(stream_id, heard_since) on u.stream_id = e.stream_id
    cross join lateral (
        select least(coalesce(u.heard_since, {{ private }}.now()), {{ private }}.now()) as ended_at
    ) as l
    where l.ended_at > e.began_at;
end
$function$;
comment on function {{ private }}.end_gaps(bigint[], timestamptz[]) is 'These streams are heard: from now on, or since an earlier moment (p_heard_since, one for each stream; null: now). One that was heard all along leaves no gap.';

create or replace function {{ private }}.gap_causes()
    returns text[]
    language sql immutable
begin atomic
    select array['crash', 'hand-over', 'isolation', 'planned restart', 'restored', 'stall', 'station fault', 'waiting'];
end;
comment on function {{ private }}.gap_causes() is 'What a gap can be caused by.';
