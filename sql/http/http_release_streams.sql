-- POST /streams/release: a client gives streams back. All that it has is its goodbye.
-- The answer repeats what it sent: it takes each entry of the answer from its list once, and starts what is left there after its restart.
-- Locks     decision; instance; assignment rows (by id); at last pull_client
-- Writes    pull_client, pull_memory, refusal; assignment, decision, movement; instance when it leaves
-- Notifies  the new owners
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation
--           OR407 a promise would be cut short · 55P03
create or replace function {{ api }}.http_release_streams(p_request jsonb, p_address text default null)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_name text := {{ private }}.http_client_name(p_request, array['server_id', 'worker_instance_id', 'instance_id', 'worker_id']);
    v_client {{ private }}.pull_client := {{ private }}.http_client_of(v_name);
    v_sent jsonb := case when jsonb_typeof(p_request -> 'stream_ids') = 'array' then p_request -> 'stream_ids' else '[]' end;
    v_instance {{ private }}.instance;
begin
    perform {{ private }}.authorize_name({{ private }}.pull_instance_id(v_name));
    select i.* into v_instance from {{ private }}.instance as i where i.instance_id = v_client.instance_id;
    if v_instance.status <> 'removed' and not (v_instance.is_living and not {{ private }}.is_pull_client_here(v_client, p_address)) then
        perform {{ private }}.lock_decisions();
        perform {{ private }}.give_back(
            v_client, {{ private }}.streams_numbered({{ private }}.http_loose_ids(v_sent)), jsonb_array_length(v_sent), 'released',
            jsonb_array_length(v_sent) > 0
        );
        if v_instance.is_living and not v_client.has_left and exists (
            select from {{ private }}.pull_client as c where c.instance_id = v_client.instance_id and c.has_left
        ) then
            perform g.moved from {{ api }}.deregister_instance(v_client.instance_id, v_instance.incarnation) as g;
        end if;
    elsif v_instance.is_living then
        perform {{ private }}.note_stray(v_client.instance_id, p_address, null);
    end if;
    return query select 200, jsonb_build_object(
        'success', true,
        'status', case when jsonb_array_length(v_sent) > 0 then 'released' else 'no_streams_to_release' end,
        'released_streams', v_sent
    );
end
$function$;
comment on function {{ api }}.http_release_streams(jsonb, text) is
'Answer POST /streams/release: a client gives streams back; they go to workers with room, or to clients that ask. When it gives back all that it has, it has said goodbye.
p_request: server_id and stream_ids, numbers or texts, in which one may stand several times.
p_address: where the client calls from.
status: the HTTP status.
body: the JSON answer, with stream_ids as they were sent.
Raises: OR101, OR103, OR106, OR301, OR407, 55P03.
Example: select * from {{ api }}.http_release_streams(''{"server_id": "server-1", "stream_ids": [1]}'');';
revoke all on function {{ api }}.http_release_streams(jsonb, text) from public;
grant execute on function {{ api }}.http_release_streams(jsonb, text) to {{ worker }}, {{ admin }};
