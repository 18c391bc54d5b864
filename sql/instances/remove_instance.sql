-- Remove an instance for good: its streams move at once, and it may not register again until readmit_instance.
-- An instance that stops by itself may still run them until its lease is over: until then they wait, unless p_force is true.
-- Locks     decision; instance; stream and assignment rows (by id)
-- Writes    instance, assignment, withdrawal, decision, movement
-- Notifies  it and the new owners
-- Raises    OR103 unknown instance · 55P03
create or replace function {{ api }}.remove_instance(
    p_instance_id text, p_reason text default 'removed by an administrator', p_force boolean default false
)
    returns table (instance_id text, moved integer, still_waiting integer, event_id uuid, free_at timestamptz)
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
    if p_force then
        perform {{ private }}.waive_promise(p_instance_id);
    end if;
    update {{ private }}.instance as i set standing_order = 'stay away' where i.instance_id = p_instance_id;
    if v_instance.status <> 'removed' then
        v_decision := {{ private }}.lose_instances(array[p_instance_id], 'remove', 'removed', 'remove_instance', p_reason);
    end if;
    return query
    select
        p_instance_id, coalesce({{ private }}.count_moved(v_decision.decision_id), 0), {{ private }}.count_waiting(1000), v_decision.event_id,
        (
            select max(a.waiting_since)
            from {{ private }}.withdrawal as w
            join {{ private }}.assignment as a on a.stream_id = w.stream_id
            where w.instance_id = p_instance_id and a.waiting_since > {{ private }}.now()
        );
end
$function$;
comment on function {{ api }}.remove_instance(text, text, boolean) is
'Remove an instance for good. Its streams move at once, so drain it first to lose nothing. Those of an instance that stops by itself (on_isolation = stop) wait until it has stopped, at most for its lease. It may not register again until readmit_instance.
p_instance_id: the instance.
p_reason: why, for the record.
p_force: true waits for no promise: the streams move at once, also while the instance may still hear them. For one that is known to be dead, also after it was removed.
instance_id: the instance.
moved: streams that moved to others.
still_waiting: streams of the whole fleet that wait for an instance now.
event_id: the id of the event, for explain_event.
free_at: when the last of its streams that wait until it has stopped can be given to others; null when none waits for it.
Raises: OR103, 55P03.
Example: select * from {{ api }}.remove_instance(''fingerv7-002'', ''the machine is gone'');';
revoke all on function {{ api }}.remove_instance(text, text, boolean) from public;
grant execute on function {{ api }}.remove_instance(text, text, boolean) to {{ admin }};
