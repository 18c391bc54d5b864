-- Pin a stream to an instance (default: the one that has it): balancing leaves it there. When that instance is lost the stream
-- fails over like any other, and goes home when it is back.
-- Locks     decision; stream and assignment rows
-- Writes    assignment, decision, movement
-- Notifies  both instances when it moves
-- Raises    OR101 it has no owner · OR102 unknown stream · OR103 unknown instance · OR405 no room or not able · 55P03
create or replace function {{ api }}.pin_stream(p_stream_id bigint, p_instance_id text default null)
    returns table (stream_id bigint, pinned_to text, event_id uuid)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_assignment {{ private }}.assignment;
    v_instance_id text := p_instance_id;
    v_decision_id bigint;
begin
    perform {{ private }}.lock_decisions();
    select * into v_assignment from {{ private }}.assignment as a where a.stream_id = p_stream_id;
    if not found then
        perform {{ private }}.unknown_stream(p_stream_id);
    end if;
    perform {{ private }}.require_argument(
        'p_instance_id', v_instance_id is not null or v_assignment.instance_id is not null, to_jsonb(p_instance_id),
        'the stream has no owner now, so name the instance to pin it to'
    );
    v_instance_id := coalesce(v_instance_id, v_assignment.next_instance_id, v_assignment.instance_id);
    if v_instance_id is distinct from coalesce(v_assignment.next_instance_id, v_assignment.instance_id) then
        v_assignment := {{ private }}.movable_assignment(p_stream_id, v_instance_id);
        v_decision_id := {{ private }}.open_decision('pinned', 'pin_stream', null, jsonb_build_object('stream_id', p_stream_id));
        perform {{ private }}.send_to(v_decision_id, v_assignment, v_instance_id, 'pinned');
        perform {{ private }}.close_decision(v_decision_id);
    end if;
    update {{ private }}.assignment as a set pinned_to = v_instance_id where a.stream_id = p_stream_id;
    return query select p_stream_id, v_instance_id, case when v_decision_id is not null then {{ private }}.event_id() end;
end
$function$;
comment on function {{ api }}.pin_stream(bigint, text) is
'Pin a stream to an instance. Balancing leaves it there. When the instance is lost, the stream fails over like any other, and goes home when the instance is back.
p_stream_id: the stream.
p_instance_id: the instance; null: the one that has it.
stream_id: the stream.
pinned_to: the instance that it is pinned to.
event_id: the id of the event, for explain_event.
Raises: OR101, OR102, OR103, OR405, 55P03.
Example: select * from {{ api }}.pin_stream(1, ''fingerv7-002'');';
revoke all on function {{ api }}.pin_stream(bigint, text) from public;
grant execute on function {{ api }}.pin_stream(bigint, text) to {{ admin }};
