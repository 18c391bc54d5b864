-- Remove an instance for good: its streams move at once, and it may not register again until readmit_instance.
-- Locks     decision; instance; stream and assignment rows (by id)
-- Writes    instance, assignment, decision, movement
-- Notifies  it and the new owners
-- Raises    OR103 unknown instance · 55P03
create or replace function {{ api }}.remove_instance(p_instance_id text, p_reason text default 'removed by an administrator')
    returns table (instance_id text, moved integer, still_waiting integer, event_id uuid)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_instance {{ private }}.instance;
    v_decision {{ private }}.decision;
begin
    perform {{ private }}.lock_decisions();
    v_instance := {{ private }}.known_instance(p_instance_id);
    update {{ private }}.instance as i set standing_order = 'stay away' where i.instance_id = p_instance_id;
    if v_instance.status <> 'removed' then
        v_decision := {{ private }}.lose_instances(array[p_instance_id], 'remove', 'removed', 'remove_instance', p_reason);
    end if;
    return query
    select p_instance_id, coalesce({{ private }}.count_moved(v_decision.decision_id), 0), {{ private }}.count_waiting(1000), v_decision.event_id;
end
$function$;
comment on function {{ api }}.remove_instance(text, text) is
'Remove an instance for good. Its streams move at once, so drain it first to lose nothing. It may not register again until readmit_instance.
p_instance_id: the instance.
p_reason: why, for the record.
instance_id: the instance.
moved: streams that moved to others.
still_waiting: streams of the whole fleet that wait for an instance now.
event_id: the id of the event, for explain_event.
Raises: OR103, 55P03.
Example: select * from {{ api }}.remove_instance(''fingerv7-002'', ''the machine is gone'');';
revoke all on function {{ api }}.remove_instance(text, text) from public;
grant execute on function {{ api }}.remove_instance(text, text) to {{ admin }};
