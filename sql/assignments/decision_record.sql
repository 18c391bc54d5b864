-- A decision from its opening to its record. Between the two streams change hands (transitions.sql):
--   give_streams   now: the owner is gone, or there is none
--   hand_over      in two steps: the owner is asked to stop, the next one gets the stream when it has (handovers.sql);
--                  or the next one is asked to prepare, and has the stream when it hears it (make_before_break.sql)
-- Every caller holds the decision lock.
-- Locks     metric_count
-- Writes    decision, settle_request, metric_count
-- Notifies  each affected instance once per decision; changes

create or replace function {{ private }}.open_decision(
    p_rule text, p_trigger text, p_reason text default null, p_detail jsonb default '{}'
)
    returns bigint
    language sql volatile
as $function$
    insert into {{ private }}.decision (decided_at, rule, trigger, actor, reason, detail, event_id)
    values ({{ private }}.now(), p_rule, p_trigger, {{ private }}.actor(), {{ private }}.redact(p_reason), p_detail, {{ private }}.event_id())
    returning decision_id
$function$;
comment on function {{ private }}.open_decision(text, text, text, jsonb) is 'Begin a decision and its record.';

create or replace function {{ private }}.notify_instance(p_instance_id text, p_decision_id bigint)
    returns void
    language sql volatile
as $function$
    select {{ private }}.hint(p_instance_id, p_decision_id::text)
$function$;
comment on function {{ private }}.notify_instance(text, bigint) is 'A hint to one worker to ask for what differs.';

create or replace function {{ private }}.close_decision(
    p_decision_id bigint, p_moves integer default null, p_least_moves integer default null, p_keep boolean default true
)
    returns {{ private }}.decision
    language plpgsql volatile
as $function$
declare
    v_decision {{ private }}.decision;
begin
    perform {{ private }}.yield_standbys();
    with moved as (
        select m.stream_id, m.from_instance_id as from_id, m.to_instance_id as to_id
        from {{ private }}.movement as m
        where m.decision_id = p_decision_id
        union all
        select a.stream_id, a.instance_id, a.next_instance_id
        from {{ private }}.assignment as a
        where a.decision_id = p_decision_id and a.releasing_since is not null
    ),
    -- what each instance gained and lost; their difference cannot be reached with fewer moves
    part as (
        select p.instance_id, sum(p.gained)::integer as gained, sum(p.lost)::integer as lost
        from (
            select m.to_id as instance_id, 1 as gained, 0 as lost from moved as m
            union all
            select m.from_id, 0, 1 from moved as m
        ) as p
        where p.instance_id is not null
        group by p.instance_id
    ),
    load as (
        select
            jsonb_agg(
                jsonb_build_object(
                    'instance_id', p.instance_id, 'max_streams', i.max_streams,
                    'before', l.owned - l.outgoing + l.incoming - p.gained + p.lost, 'after', l.owned - l.outgoing + l.incoming
                )
                order by p.instance_id
            ) as loads,
            greatest(sum(greatest(p.gained - p.lost, 0)), sum(greatest(p.lost - p.gained, 0))) as least_moves
        from part as p
        join {{ private }}.instance as i on i.instance_id = p.instance_id
        join {{ private }}.instance_load as l on l.instance_id = p.instance_id
    ),
    told as (
        select count({{ private }}.notify_instance(p.instance_id, p_decision_id)) as instances from part as p
    )
    update {{ private }}.decision as d
    set
        moves = coalesce(p_moves, (select count(*) from moved)),
        least_moves = coalesce(p_least_moves, load.least_moves, 0),
        detail = d.detail || jsonb_build_object(
            'loads', coalesce(load.loads, '[]'), 'thresholds', {{ private }}.thresholds(), 'instances_notified', told.instances
        ),
        still_waiting = {{ private }}.count_waiting(1000),
        duration = {{ private }}.now() - d.decided_at
    from load cross join told
    where d.decision_id = p_decision_id
    returning d.* into v_decision;
    if v_decision.moves = 0 and not p_keep then
        delete from {{ private }}.decision as d where d.decision_id = p_decision_id;
        return null;
    end if;
    perform {{ private }}.count_decision(v_decision);
    if v_decision.still_waiting > 0
        and exists (select from {{ private }}.movement as m where m.decision_id = p_decision_id and m.to_instance_id is null)
    then
        perform {{ private }}.request_settle('room'); -- for what this decision left without an owner, room may have to be made
    end if;
    perform {{ private }}.notify_watchers();
    return v_decision;
end
$function$;
comment on function {{ private }}.close_decision(bigint, integer, integer, boolean) is 'End a decision: count its moves and the least possible, record loads and thresholds, and tell each affected instance once. One that is not to be kept and moved nothing was none.';

create or replace function {{ private }}.thresholds()
    returns jsonb
    language sql stable
begin atomic
    select jsonb_object_agg(s.name, s.value)
    from {{ private }}.setting as s
    where s.name in ('imbalance_threshold', 'max_stream_difference', 'strategy', 'max_moves_per_rebalance');
end;
comment on function {{ private }}.thresholds() is 'The settings that balancing goes by, for the record of a decision.';

create or replace function {{ private }}.count_waiting(p_limit integer)
    returns integer
    language sql volatile
begin atomic
    select least(p_limit, w.streams + k.streams)::integer
    from (
        select count(*) as streams
        from (
            select from {{ private }}.assignment as a
            where a.waiting_since is not null
            order by a.requirement_id, a.waiting_since, a.stream_id -- as the index has them, so that it is read and not the table
            limit p_limit
        ) as c
    ) as w
    cross join (
        select coalesce(sum(l.owned), 0) as streams
        from {{ private }}.instance as i
        join {{ private }}.instance_load as l on i.instance_id = l.instance_id
        where i.is_unusual and i.status = 'inactive'
    ) as k;
end;
comment on function {{ private }}.count_waiting(integer) is 'How many streams wait for an instance that lives: they have no owner, or a lost one that no other could succeed. Counted up to a limit so that the cost is bounded.';
