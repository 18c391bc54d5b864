-- Empty an instance: it gets nothing new and hands over what it has, as others have room. Holds until undrain_instance.
-- Locks     decision; instance; assignment rows
-- Writes    instance, assignment, settle_request, decision
-- Notifies  wake; the hand-overs begin with the next settlement
-- Raises    OR103 unknown instance · OR404 it was removed · 55P03
create or replace function {{ api }}.drain_instance(p_instance_id text, p_reason text default 'drained by an administrator')
    returns table (instance_id text, status text, streams_to_hand_over integer, event_id uuid)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_instance {{ private }}.instance;
    v_decision_id bigint;
begin
    perform {{ private }}.lock_decisions();
    v_instance := {{ private }}.known_instance(p_instance_id);
    if v_instance.status = 'removed' then
        raise exception using
            errcode = 'OR404',
            message = 'the instance was removed',
            detail = jsonb_build_object('instance_id', p_instance_id)::text,
            hint = 'it has nothing to hand over; a drain can be ordered when it has registered again';
    elsif v_instance.is_living and v_instance.status <> 'draining' then
        perform {{ private }}.step_instance(p_instance_id, 'drain');
    end if;
    -- what is on its way to it stays where it is
    perform {{ private }}.cancel_handovers_to(array[p_instance_id]);
    update {{ private }}.instance as i set standing_order = 'drain' where i.instance_id = p_instance_id;
    v_decision_id := {{ private }}.open_decision(
        'drain', 'drain_instance', p_reason, jsonb_build_object('instance_id', p_instance_id)
    );
    perform {{ private }}.close_decision(v_decision_id);
    perform {{ private }}.request_settle('draining', p_instance_id);
    perform {{ private }}.wake('settle');
    return query
    select i.instance_id, i.status, l.owned, {{ private }}.event_id()
    from {{ private }}.instance as i join {{ private }}.instance_load as l on l.instance_id = i.instance_id
    where i.instance_id = p_instance_id;
end
$function$;
comment on function {{ api }}.drain_instance(text, text) is
'Empty an instance without losing a second of its streams. It gets nothing new and hands over what it has, as others have room. Holds until undrain_instance.
p_instance_id: the instance.
p_reason: why, for the record.
instance_id: the instance.
status: its status now.
streams_to_hand_over: streams that it has yet to hand over.
event_id: the id of the event, for explain_event.
Raises: OR103, OR404, 55P03.
Example: select * from {{ api }}.drain_instance(''fingerv7-001'', ''new disk'');';
revoke all on function {{ api }}.drain_instance(text, text) from public;
grant execute on function {{ api }}.drain_instance(text, text) to {{ admin }};
