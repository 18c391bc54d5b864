-- Goodbye: the instance leaves and its streams move at once.
-- Locks     decision; instance; stream and assignment rows (by id)
-- Writes    instance, assignment, decision, movement
-- Notifies  the new owners
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.deregister_instance(p_instance_id text, p_incarnation bigint)
    returns table (moved integer, still_waiting integer)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_decision {{ private }}.decision;
begin
    perform {{ private }}.lock_decisions();
    perform {{ private }}.authorize_instance(p_instance_id, p_incarnation);
    v_decision := {{ private }}.lose_instances(array[p_instance_id], 'goodbye', 'goodbye', 'deregister_instance', null);
    return query select {{ private }}.count_moved(v_decision.decision_id), v_decision.still_waiting;
end
$function$;
comment on function {{ api }}.deregister_instance(text, bigint) is
'Say goodbye. The instance leaves and its streams move at once.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
moved: streams that moved to others.
still_waiting: streams of the whole fleet that wait for an instance now.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from {{ api }}.deregister_instance(''fingerv7-001'', 1);';
revoke all on function {{ api }}.deregister_instance(text, bigint) from public;
grant execute on function {{ api }}.deregister_instance(text, bigint) to {{ worker }}, {{ admin }};
