-- Make a plan, exactly; refused when instances, capacities or assignments have changed since.
-- Locks     decision; stream and assignment rows (by id)
-- Writes    plan, assignment, decision, movement
-- Notifies  each affected instance
-- Raises    OR107 unknown plan · OR401 balancing is paused · OR403 stale plan · 55P03
create or replace function {{ api }}.apply_plan(p_plan_id bigint)
    returns table (decision_id bigint, moves integer, least_moves integer, still_waiting integer, event_id uuid)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_decision_id bigint;
    v_decision {{ private }}.decision;
begin
    perform {{ private }}.lock_decisions();
    perform {{ private }}.refuse_when_paused();
    perform {{ private }}.applicable_plan(p_plan_id);
    v_decision_id := {{ private }}.open_decision('plan', 'apply_plan', null, jsonb_build_object('plan_id', p_plan_id) || {{ private }}.note_recovery());
    perform {{ private }}.give_streams(
        v_decision_id, array_agg(m.stream_id order by m.stream_id), array_agg(null::text), array_agg(m.to_instance_id order by m.stream_id), 'placed'
    )
    from {{ private }}.plan_move as m where m.plan_id = p_plan_id and m.from_instance_id is null;
    perform {{ private }}.hand_over(
        v_decision_id, array_agg(m.stream_id order by m.stream_id), array_agg(m.to_instance_id order by m.stream_id)
    )
    from {{ private }}.plan_move as m where m.plan_id = p_plan_id and m.from_instance_id is not null;
    update {{ private }}.plan as p set applied_by_decision_id = v_decision_id where p.plan_id = p_plan_id;
    v_decision := {{ private }}.close_decision(v_decision_id);
    return query select v_decision.decision_id, v_decision.moves, v_decision.least_moves, v_decision.still_waiting, v_decision.event_id;
end
$function$;
comment on function {{ api }}.apply_plan(bigint) is
'Make a planned rebalance, exactly as it was shown. It is refused when instances, capacities or assignments have changed since.
p_plan_id: the plan, as plan_rebalance returned it.
decision_id: the decision, in the view decisions.
moves: streams that were moved or asked to move.
least_moves: the least number of moves that reaches the same loads.
still_waiting: streams of the whole fleet that wait for an instance now.
event_id: the id of the event, for explain_event.
Raises: OR107, OR401, OR403, 55P03.
Example: select * from {{ api }}.apply_plan(1);';
revoke all on function {{ api }}.apply_plan(bigint) from public;
grant execute on function {{ api }}.apply_plan(bigint) to {{ admin }};
