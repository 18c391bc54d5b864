-- How far back the history goes, and what moved in a part of it.
-- Reads     history_bound, decision, movement, assignment
-- Raises    OR101 a moment before the history, or one that is still to come

create or replace function {{ private }}.require_history(p_name text, p_at timestamptz)
    returns void
    language plpgsql stable
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_oldest timestamptz;
begin
    select greatest(b.known_from, v_now - {{ private }}.setting_interval('history_retention')) into v_oldest from {{ private }}.history_bound as b;
    if p_at is null or p_at < v_oldest or p_at > v_now then
        raise exception using
            errcode = 'OR101',
            message = 'bad argument',
            detail = jsonb_build_object('argument', p_name, 'given', p_at, 'oldest', v_oldest, 'latest', v_now)::text,
            hint = 'a moment from the oldest one in the detail to now; history_retention says for how long history is kept';
    end if;
end
$function$;
comment on function {{ private }}.require_history(text, timestamptz) is 'Refuse (OR101) a moment that is null, still to come, or before all that is known; the detail says the oldest one.';

create or replace function {{ private }}.moves_between(p_from timestamptz, p_to timestamptz, p_stream_id bigint, p_instance_id text)
    returns table (decision_id bigint, streams integer, what text, changes jsonb)
    language sql stable
as $function$
    with moved as (
        select m.decision_id, m.stream_id, m.from_instance_id as from_id, m.to_instance_id as to_id, m.reason
        from {{ private }}.movement as m
        where m.moved_at >= p_from and m.moved_at < p_to
        union all
        select a.decision_id, a.stream_id, a.instance_id, a.next_instance_id, 'asked to hand over'
        from {{ private }}.assignment as a
        where a.releasing_since >= p_from and a.releasing_since < p_to and a.decision_id is not null
    ),
    -- a row for each pair of instances, not for each stream
    pair as (
        select m.decision_id, m.from_id, m.to_id, m.reason, count(*)::integer as streams, (array_agg(m.stream_id order by m.stream_id))[:100] as stream_ids
        from moved as m
        where (p_stream_id is null or m.stream_id = p_stream_id)
            and (p_instance_id is null or m.from_id = p_instance_id or m.to_id = p_instance_id)
        group by m.decision_id, m.from_id, m.to_id, m.reason
    ),
    numbered as (
        select p.*, row_number() over (partition by p.decision_id order by p.streams desc, p.from_id, p.to_id, p.reason) as number
        from pair as p
    )
    select
        n.decision_id, sum(n.streams)::integer,
        string_agg(
            case when n.streams = 1 then 'stream ' || n.stream_ids[1] else n.streams || ' streams' end
            || ' ' || coalesce(n.from_id, 'no owner') || ' → ' || coalesce(n.to_id, 'no owner')
            || case when n.reason = 'asked to hand over' then ' (asked)' else '' end,
            ', ' order by n.number
        ) filter (where n.number <= 5)
        || case when count(*) > 5 then ', and ' || count(*) - 5 || ' more pairs' else '' end,
        jsonb_agg(
            jsonb_build_object(
                'from_instance_id', n.from_id, 'to_instance_id', n.to_id, 'reason', n.reason, 'streams', n.streams, 'stream_ids', to_jsonb(n.stream_ids)
            )
            order by n.number
        )
    from numbered as n
    group by n.decision_id
$function$;
comment on function {{ private }}.moves_between(timestamptz, timestamptz, bigint, text) is 'What each decision moved in a time, or asked to hand over and has not moved yet: in words, and by pairs of instances with the ids of the first hundred streams.';
