-- POST /api/streams/update: how a client's work on a stream stands. processing: it runs; cancelled: it is given back; completed and failed:
-- the client has stopped it and forgotten it, so it is due again, to whichever client asks next.
-- Locks     decision; assignment rows (by id); at last pull_client
-- Writes    pull_client, pull_memory, refusal; assignment, decision, movement
-- Notifies  the new owners
-- Raises    OR101 bad argument · OR106 another login's · 55P03
create or replace function {{ api }}.http_update_stream(p_request jsonb, p_address text default null)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_name text := {{ private }}.http_client_name(p_request, array['worker_instance_id', 'instance_id', 'worker_id', 'server_id']);
    v_client {{ private }}.pull_client := {{ private }}.http_client_of(v_name);
    v_status text := coalesce(p_request ->> 'status', '');
    v_stream_ids bigint[] := {{ private }}.streams_numbered({{ private }}.http_loose_ids(jsonb_build_array(p_request -> 'stream_id')));
    v_instance {{ private }}.instance;
    v_is_own boolean;
begin
    perform {{ private }}.authorize_name({{ private }}.pull_instance_id(v_name));
    select i.* into v_instance from {{ private }}.instance as i where i.instance_id = v_client.instance_id;
    v_is_own := v_instance.is_living and {{ private }}.is_pull_client_here(v_client, p_address) and exists (
        select from {{ private }}.assignment as a where a.instance_id = v_client.instance_id and a.stream_id = any(v_stream_ids)
    );
    if v_is_own and v_status in ('cancelled', 'completed', 'failed') then
        perform {{ private }}.lock_decisions();
        perform {{ private }}.end_work(v_client, v_stream_ids, v_status);
    end if;
    return query select 200, jsonb_build_object(
        'success', true, 'message', case when v_is_own then 'noted' else 'not a stream of this instance' end
    );
end
$function$;
comment on function {{ api }}.http_update_stream(jsonb, text) is
'Answer POST /api/streams/update: a client says how its work on a stream stands. What it has ended is due again.
p_request: worker_instance_id, stream_id and status: processing, completed, failed or cancelled.
p_address: where the client calls from.
status: the HTTP status.
body: the JSON answer.
Raises: OR101, OR106, 55P03.
Example: select * from {{ api }}.http_update_stream(''{"worker_instance_id": "worker-1", "stream_id": "1", "status": "completed"}'');';
revoke all on function {{ api }}.http_update_stream(jsonb, text) from public;
grant execute on function {{ api }}.http_update_stream(jsonb, text) to {{ worker }}, {{ admin }};
