-- Give one stream to one instance: by hand-over from a living owner (the epoch is then still the owner's), at once when it waits.
-- Locks     decision; stream and assignment rows
-- Writes    assignment, decision, movement
-- Notifies  both instances
-- Raises    OR102 unknown stream · OR103 unknown instance · OR402 stream is pinned · OR405 no room or not able · 55P03
create or replace function {{ api }}.move_stream(p_stream_id bigint, p_instance_id text, p_reason text default 'manual')
    returns table (decision_id bigint, from_instance_id text, to_instance_id text, epoch bigint, event_id uuid)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_assignment {{ private }}.assignment;
    v_decision_id bigint;
begin
    perform {{ private }}.lock_decisions();
    v_assignment := {{ private }}.movable_assignment(p_stream_id, p_instance_id);
    if v_assignment.pinned_to is not null and v_assignment.pinned_to <> p_instance_id then
        raise exception using
            errcode = 'OR402',
            message = 'the stream is pinned',
            detail = jsonb_build_object('stream_id', p_stream_id, 'pinned_to', v_assignment.pinned_to)::text,
            hint = format('unpin it first: select * from {{ api }}.unpin_stream(%s)', p_stream_id);
    end if;
    if coalesce(v_assignment.next_instance_id, v_assignment.instance_id) = p_instance_id then
        return; -- it is there already, or on its way
    end if;
    v_decision_id := {{ private }}.open_decision('moved by hand', 'move_stream', p_reason, jsonb_build_object('stream_id', p_stream_id));
    perform {{ private }}.send_to(v_decision_id, v_assignment, p_instance_id, 'moved by hand');
    perform {{ private }}.close_decision(v_decision_id);
    return query
    select v_decision_id, v_assignment.instance_id, p_instance_id, a.epoch, {{ private }}.event_id()
    from {{ private }}.assignment as a where a.stream_id = p_stream_id;
end
$function$;
comment on function {{ api }}.move_stream(bigint, text, text) is
'Move one stream to one instance: by hand-over while its owner lives, at once when it waits. No rows: it is there already.
p_stream_id: the stream.
p_instance_id: the instance that is to have it.
p_reason: why, for the record.
decision_id: the decision, in the view decisions.
from_instance_id: the instance that has it; null when it waited.
to_instance_id: the instance that gets it.
epoch: the epoch now; in a hand-over it is still the owner''s.
event_id: the id of the event, for explain_event.
Raises: OR102, OR103, OR402, OR405, 55P03.
Example: select * from {{ api }}.move_stream(1, ''fingerv7-002'', ''closer to the station'');';
revoke all on function {{ api }}.move_stream(bigint, text, text) from public;
grant execute on function {{ api }}.move_stream(bigint, text, text) to {{ admin }};
