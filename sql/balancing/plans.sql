-- Plans that can still be made.
-- Reads     plan, and what fleet_fingerprint reads

create or replace function {{ private }}.fleet_fingerprint()
    returns text
    language sql volatile
as $function$
    select md5(coalesce(string_agg(
        concat_ws(
            ':', i.instance_id, i.status, i.incarnation, i.max_streams, i.standing_order, l.owned, l.incoming, l.outgoing, l.digest,
            -- pins change what may move, and nothing else
            (select sum(r.movable) from {{ private }}.requirement_load as r where r.instance_id = i.instance_id)
        ),
        ' ' order by i.instance_id
    ), '') || concat_ws(
        ' ', '', {{ private }}.count_waiting(1000000), (select max(d.decision_id) from {{ private }}.decision as d), {{ private }}.thresholds()
    ))
    from {{ private }}.instance as i
    join {{ private }}.instance_load as l on l.instance_id = i.instance_id
$function$;
comment on function {{ private }}.fleet_fingerprint() is 'Differs when anything differs that a plan was made for.';

create or replace function {{ private }}.applicable_plan(p_plan_id bigint)
    returns {{ private }}.plan
    language plpgsql volatile
as $function$
declare
    v_plan {{ private }}.plan;
begin
    select * into v_plan from {{ private }}.plan as p where p.plan_id = p_plan_id;
    if not found then
        raise exception using
            errcode = 'OR107',
            message = 'unknown plan',
            detail = jsonb_build_object('plan_id', p_plan_id)::text,
            hint = 'select * from {{ api }}.plan_rebalance() makes one';
    elsif v_plan.applied_by_decision_id is not null or v_plan.fingerprint <> {{ private }}.fleet_fingerprint() then
        raise exception using
            errcode = 'OR403',
            message = 'stale plan',
            detail = jsonb_build_object('plan_id', p_plan_id, 'planned_at', v_plan.planned_at, 'applied_by_decision_id', v_plan.applied_by_decision_id)::text,
            hint = 'the fleet has changed since it was planned: plan again';
    end if;
    return v_plan;
end
$function$;
comment on function {{ private }}.applicable_plan(bigint) is 'The plan, while the fleet is as it was made for; else OR107 or OR403.';

create or replace function {{ private }}.effects(p_from text[], p_to text[])
    returns table (instance_id text, gained integer, lost integer)
    language sql immutable
as $function$
    select e.instance_id, sum(e.gained)::integer, sum(e.lost)::integer
    from (
        select u.to_id as instance_id, 1 as gained, 0 as lost from unnest(p_to) as u(to_id)
        union all
        select u.from_id, 0, 1 from unnest(p_from) as u(from_id)
    ) as e
    where e.instance_id is not null
    group by e.instance_id
$function$;
comment on function {{ private }}.effects(text[], text[]) is 'What each instance gains and loses by moves from these to those.';

create or replace function {{ private }}.moves_since(p_decision_id bigint, out stream_ids bigint[], out from_ids text[], out to_ids text[])
    language sql volatile
as $function$
    select array_agg(m.stream_id order by m.stream_id), array_agg(m.from_id order by m.stream_id), array_agg(m.to_id order by m.stream_id)
    from (
        select v.stream_id, v.from_instance_id as from_id, v.to_instance_id as to_id
        from {{ private }}.movement as v where v.decision_id >= p_decision_id
        union all
        select a.stream_id, a.instance_id, a.next_instance_id
        from {{ private }}.assignment as a where a.decision_id >= p_decision_id and a.releasing_since is not null
    ) as m
$function$;
comment on function {{ private }}.moves_since(bigint) is 'The moves that this decision and those after it made or asked for.';
