-- Switch a station off (it is taken from its owner) or on (it is placed again: where it was, if that is a moment ago).
-- Locks     decision; stream and assignment rows
-- Writes    stream, assignment, decision, movement, withdrawal
-- Notifies  its old or new owner
-- Raises    OR101 bad argument · OR102 unknown stream · 55P03
create or replace function {{ api }}.set_stream_active(p_stream_id bigint, p_active boolean)
    returns table (stream_id bigint, state text, instance_id text, event_id uuid)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_assignment {{ private }}.assignment;
    v_decision_id bigint;
begin
    perform {{ private }}.require_argument('p_active', p_active is not null, null, 'true or false');
    perform {{ private }}.lock_decisions();
    select * into v_assignment from {{ private }}.assignment as a where a.stream_id = p_stream_id;
    if not found then
        perform {{ private }}.unknown_stream(p_stream_id);
    end if;
    update {{ private }}.stream as s set active = p_active, updated_at = {{ private }}.now() where s.stream_id = p_stream_id;
    if p_active <> (v_assignment.state <> 'idle') then
        v_decision_id := {{ private }}.open_decision(
            case when p_active then 'stream activated' else 'stream deactivated' end, 'set_stream_active', null,
            jsonb_build_object('stream_id', p_stream_id)
        );
        if p_active then
            perform {{ private }}.activate_streams(array[p_stream_id]);
            if {{ private }}.return_to_owners(v_decision_id, array[p_stream_id]) = 0 and exists (
                select from {{ private }}.assignment as a where a.stream_id = p_stream_id and a.waiting_since <= {{ private }}.now()
            ) then
                perform {{ private }}.distribute(
                    v_decision_id, v_assignment.requirement_id, array[p_stream_id], array[null::text], false, false, 'placed'
                );
            end if;
        else
            perform {{ private }}.withdraw_streams(v_decision_id, array[p_stream_id], 'deactivated');
        end if;
        perform {{ private }}.close_decision(v_decision_id);
        perform {{ private }}.request_settle(case when p_active then 'new streams' else 'room' end, p_stream_id::text);
    end if;
    return query
    select a.stream_id, a.state, a.instance_id, case when v_decision_id is not null then {{ private }}.event_id() end
    from {{ private }}.assignment as a where a.stream_id = p_stream_id;
end
$function$;
comment on function {{ api }}.set_stream_active(bigint, boolean) is
'Switch a station off (it is taken from its owner) or on (it is placed again). Off and on at once it stays where it was, under a new epoch.
p_stream_id: the stream.
p_active: true for on.
stream_id: the stream.
state: idle, waiting, assigned or running.
instance_id: the instance that has it now.
event_id: the id of the event, for explain_event.
Raises: OR101, OR102, 55P03.
Example: select * from {{ api }}.set_stream_active(1, false);';
revoke all on function {{ api }}.set_stream_active(bigint, boolean) from public;
grant execute on function {{ api }}.set_stream_active(bigint, boolean) to {{ admin }};
