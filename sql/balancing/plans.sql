-- Plans that can still be made.
-- Reads     plan, and what fleet_fingerprint reads

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
