-- Remove a station for good; its owner stops.
-- Locks     decision; stream and assignment rows
-- Writes    assignment, decision, movement, withdrawal, stream
-- Notifies  its owner
-- Raises    OR102 unknown stream · 55P03
create or replace function {{ api }}.remove_stream(p_stream_id bigint, p_reason text default 'removed')
    returns table (decision_id bigint, from_instance_id text, event_id uuid)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_from text;
    v_decision_id bigint;
begin
    perform {{ private }}.lock_decisions();
    select a.instance_id into v_from from {{ private }}.assignment as a where a.stream_id = p_stream_id;
    if not found then
        perform {{ private }}.unknown_stream(p_stream_id);
    end if;
    v_decision_id := {{ private }}.open_decision('stream removed', 'remove_stream', p_reason, jsonb_build_object('stream_id', p_stream_id));
    perform {{ private }}.withdraw_streams(v_decision_id, array[p_stream_id], coalesce(p_reason, 'removed'));
    perform {{ private }}.close_decision(v_decision_id);
    perform {{ private }}.keep_addresses(array[p_stream_id]);
    delete from {{ private }}.stream as s where s.stream_id = p_stream_id;
    perform {{ private }}.request_settle('room', v_from);
    return query select v_decision_id, v_from, {{ private }}.event_id();
end
$function$;
comment on function {{ api }}.remove_stream(bigint, text) is
'Remove a station for good. The instance that has it stops.
p_stream_id: the stream.
p_reason: why, for the record.
decision_id: the decision, in the view decisions.
from_instance_id: the instance that had it.
event_id: the id of the event, for explain_event.
Raises: OR102, 55P03.
Example: select * from {{ api }}.remove_stream(1, ''off the air'');';
revoke all on function {{ api }}.remove_stream(bigint, text) from public;
grant execute on function {{ api }}.remove_stream(bigint, text) to {{ admin }};
