-- Goodbye: the instance leaves and its streams move at once. It has stopped them: who promised to (stop_within) says so itself.
-- Locks     decision; instance; stream and assignment rows (by id)
-- Writes    instance, assignment, decision, movement
-- Notifies  the new owners
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · OR407 another says it for one that promised · 55P03
create or replace function {{ api }}.deregister_instance(p_instance_id text, p_incarnation bigint, p_force boolean default false)
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
    perform {{ private }}.require_its_own_word({{ private }}.authorize_instance(p_instance_id, p_incarnation), p_force);
    v_decision := {{ private }}.lose_instances(array[p_instance_id], 'goodbye', 'goodbye', 'deregister_instance', null);
    return query select {{ private }}.count_moved(v_decision.decision_id), v_decision.still_waiting;
end
$function$;
comment on function {{ api }}.deregister_instance(text, bigint, boolean) is
'Say goodbye, having stopped every handler. The instance leaves and its streams move at once.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_force: true lets an administrator say it for an instance that stops by itself (on_isolation = stop) and may still run.
moved: streams that moved to others.
still_waiting: streams of the whole fleet that wait for an instance now.
Raises: OR101, OR103, OR106, OR301, OR407, 55P03.
Example: select * from {{ api }}.deregister_instance(''fingerv7-001'', 1);';
revoke all on function {{ api }}.deregister_instance(text, bigint, boolean) from public;
grant execute on function {{ api }}.deregister_instance(text, bigint, boolean) to {{ worker }}, {{ admin }};
