-- Parts of explain_event.
-- Reads     decision, movement, job_run, alert, alert_event, alert_delivery

create or replace function {{ private }}.events_like(p_event_id text)
    returns table (event_id uuid)
    language sql stable
as $function$
    -- its digits, filled up to the least and the greatest
    select distinct e.event_id
    from (
        select rpad(d.digits, 32, '0')::uuid as first, rpad(d.digits, 32, 'f')::uuid as last
        from (select replace(p_event_id, '-', '') as digits) as d
    ) as p
    cross join lateral (
        select o.event_id from {{ private }}.decision as o where o.event_id between p.first and p.last
        union all
        select r.event_id from {{ private }}.job_run as r where r.event_id between p.first and p.last
        union all
        select a.event_id from {{ private }}.alert as a where a.event_id between p.first and p.last
    ) as e
    order by e.event_id
    limit 10
$function$;
comment on function {{ private }}.events_like(text) is 'The events whose ids begin so; ten at most.';

create or replace function {{ private }}.event_named(p_event_id text)
    returns uuid
    language plpgsql volatile
as $function$
declare
    v_found uuid[];
begin
    perform {{ private }}.require_argument(
        'p_event_id', p_event_id ~* '^[0-9a-f]{8}(-?[0-9a-f]){0,24}-?$', to_jsonb(left(p_event_id, 100)),
        'the id of an event, or its first 8 characters or more'
    );
    v_found := array(select e.event_id from {{ private }}.events_like(p_event_id) as e);
    perform {{ private }}.require_argument(
        'p_event_id', cardinality(v_found) <= 1, to_jsonb(v_found), 'several events begin so: give more of the id'
    );
    if cardinality(v_found) = 0 then
        raise exception using
            errcode = 'OR107',
            message = 'unknown event',
            detail = jsonb_build_object('event_id', p_event_id)::text,
            hint = 'select event_id, at, what, subject from {{ api }}.events order by at desc lists them; history_retention says for how long they are kept';
    end if;
    return v_found[1];
end
$function$;
comment on function {{ private }}.event_named(text) is 'The event whose id is, or begins, so; else OR101 or OR107.';

create or replace function {{ private }}.moves_of_event(p_event_id uuid)
    returns table (at timestamptz, what text, subject text, text text, decision_id bigint, detail jsonb)
    language sql stable
as $function$
    -- a row for each pair of instances, not for each stream
    select
        max(m.at), m.reason, coalesce(m.from_id, 'no owner') || ' → ' || coalesce(m.to_id, 'no owner'), count(*) || ' streams', m.decision_id,
        jsonb_build_object(
            'from_instance_id', m.from_id, 'to_instance_id', m.to_id, 'streams', count(*),
            'stream_ids', to_jsonb((array_agg(m.stream_id order by m.stream_id))[:100])
        )
    from (
        select d.decision_id, v.stream_id, v.from_instance_id as from_id, v.to_instance_id as to_id, v.moved_at as at, v.reason
        from {{ private }}.decision as d
        join {{ private }}.movement as v on v.decision_id = d.decision_id
        where d.event_id = p_event_id
        union all
        select d.decision_id, a.stream_id, a.instance_id, a.next_instance_id, a.releasing_since, 'asked to hand over'
        from {{ private }}.decision as d
        join {{ private }}.assignment as a on a.decision_id = d.decision_id and a.releasing_since is not null
        where d.event_id = p_event_id
    ) as m
    group by m.decision_id, m.from_id, m.to_id, m.reason
$function$;
comment on function {{ private }}.moves_of_event(uuid) is 'The streams that changed hands by an event''s decisions, or are about to: how many from whom to whom, and the ids of the first hundred.';

create or replace function {{ private }}.detail_of_event(p_kind text, p_id bigint)
    returns jsonb
    language sql stable
as $function$
    select case p_kind
        when 'decision' then (
            select jsonb_build_object('moves', d.moves, 'least_moves', d.least_moves, 'actor', d.actor, 'trigger', d.trigger) || d.detail
            from {{ private }}.decision as d where d.decision_id = p_id
        )
        when 'job run' then (
            select jsonb_strip_nulls(jsonb_build_object('finished_at', r.finished_at, 'outcome', r.outcome, 'result', r.result, 'error', r.error))
            from {{ private }}.job_run as r where r.job_run_id = p_id
        )
        when 'alert' then (
            select a.detail || jsonb_strip_nulls(jsonb_build_object('severity', a.severity, 'acknowledged_by', a.acknowledged_by, 'resolved_at', a.resolved_at))
            from {{ private }}.alert as a where a.alert_id = p_id
        )
    end
$function$;
comment on function {{ private }}.detail_of_event(text, bigint) is 'All that is recorded of a row of the view events.';
