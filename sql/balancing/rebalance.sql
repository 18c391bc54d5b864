-- Place what waits and bring every instance to its fair share, now.
-- Locks     decision; stream and assignment rows (by id)
-- Writes    assignment, decision, movement, controller
-- Notifies  each affected instance
-- Raises    OR401 balancing is paused · 55P03
create or replace function {{ api }}.rebalance(p_reason text default 'manual')
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
    v_decision_id := {{ private }}.open_decision('rebalance', 'rebalance', p_reason, {{ private }}.note_recovery());
    perform {{ private }}.place_fleet(v_decision_id);
    perform {{ private }}.rebalance_fleet(v_decision_id);
    v_decision := {{ private }}.close_decision(v_decision_id);
    return query select v_decision.decision_id, v_decision.moves, v_decision.least_moves, v_decision.still_waiting, v_decision.event_id;
end
$function$;
comment on function {{ api }}.rebalance(text) is
'Place what waits and bring every instance to its fair share, now.
p_reason: why, for the record.
decision_id: the decision, in the view decisions.
moves: streams that were moved or asked to move.
least_moves: the least number of moves that reaches the same loads.
still_waiting: streams of the whole fleet that wait for an instance now.
event_id: the id of the event, for explain_event.
Raises: OR401, 55P03.
Example: select * from {{ api }}.rebalance(''after the upgrade'');';
revoke all on function {{ api }}.rebalance(text) from public;
grant execute on function {{ api }}.rebalance(text) to {{ admin }};
