-- POST /streams/assign and GET /api/streams/assign: a client asks for streams, and they are given to it here (pull/ask.sql).
-- Locks     decision (when there is something to decide); instance, assignment rows (by id); at last pull_client, pull_memory
-- Writes    pull_client, pull_memory, heartbeat; assignment, decision, movement
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.http_assign_streams(
    p_request jsonb, p_dialect text default null, p_address text default null, p_waited interval default '0'
)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_dialect text := coalesce(p_dialect, 'server');
    v_name text := {{ private }}.http_client_name(p_request, array[case v_dialect when 'worker' then 'worker_id' else 'server_id' end, 'instance_id']);
    v_instance_id text := {{ private }}.pull_instance_id(v_name);
    v_asked bigint := {{ private }}.http_loose_number(coalesce(
        p_request -> 'capacity', p_request -> 'requested_count', p_request -> 'requested_streams'
    ))::bigint;
    v_client {{ private }}.pull_client;
    v_instance {{ private }}.instance;
    v_outcome text := {{ private }}.ordinary_ask(v_instance_id, p_address, v_asked);
    v_stream_ids bigint[] := array[]::bigint[];
    v_stations jsonb;
begin
    perform {{ private }}.require_interval('p_waited', coalesce(p_waited, '0'), '0', '1 day');
    if v_outcome is null then
        perform {{ private }}.authorize_name(v_instance_id);
        v_client := {{ private }}.http_client_of(v_name);
        select i.* into v_instance from {{ private }}.instance as i where i.instance_id = v_client.instance_id;
        if v_instance.instance_id is null or v_instance.status = 'removed' then
            v_outcome := 'no_streams';
            perform {{ private }}.note_stranger(v_name, p_address, null);
        elsif not {{ private }}.is_pull_client_here(v_client, p_address) then
            v_outcome := 'no_streams';
            perform {{ private }}.note_stray(v_client.instance_id, p_address, v_client.capacity - v_asked);
        else
            begin
                -- no connection is kept by asks that wait for a long decision: they come back
                perform set_config('lock_timeout', '250ms', true);
                if {{ private }}.is_changed_by_a_beat(v_instance) then
                    perform {{ private }}.lock_decisions(); -- the decision lock comes first
                    perform h.action from {{ api }}.heartbeat(v_client.instance_id, v_instance.incarnation, null, '{}') as h;
                end if;
                select a.outcome, a.stream_ids into v_outcome, v_stream_ids from {{ private }}.pull_ask(v_client, v_asked, p_waited) as a;
            exception
                when lock_not_available then
                    v_outcome := case when p_waited < {{ private }}.setting_interval('http_hold') then 'hold' else 'busy' end;
                    update {{ private }}.heartbeat as h set beat_at = {{ private }}.now() where h.instance_id = v_client.instance_id;
            end;
            if v_outcome = 'hold' then
                return query select 102, jsonb_build_object('hold_for', {{ private }}.http_hold_for());
                return;
            elsif v_outcome = 'busy' then
                return query select 503, {{ private }}.http_refusal('not yet decided', 'ask again');
                return;
            end if;
        end if;
    end if;
    if v_dialect = 'worker' and v_stream_ids <> '{}' then
        select jsonb_agg(
            jsonb_build_object('stream_id', s.number::text, 'id', s.number, 'stream_url', s.url, 'url', s.url, 'name', s.name) order by s.number
        )
        into v_stations
        from {{ private }}.stream as s where s.stream_id = any(v_stream_ids);
    end if;
    return query select 200, jsonb_build_object(
        'status', v_outcome,
        'success', true,
        'assigned_streams', to_jsonb({{ private }}.numbers_of(v_stream_ids)),
        'count', cardinality(v_stream_ids),
        'message', case v_outcome
            when 'assigned' then 'start these'
            when 'no_capacity' then 'the instance has as many streams as it can hold'
            else 'no stream waits for this instance'
        end
    ) || case v_dialect when 'worker' then jsonb_build_object('streams', coalesce(v_stations, '[]')) else '{}' end;
end
$function$;
comment on function {{ api }}.http_assign_streams(jsonb, text, text, interval) is
'Answer POST /streams/assign and GET /api/streams/assign: a client asks for streams. The first answer after its registration names all that it is to run; how many it asks for does not count.
p_request: the keys of the request: server_id and requested_count, or worker_id and capacity.
p_dialect: server (default) or worker, by the path of the request.
p_address: where the client calls from.
p_waited: for how long this request has been held already.
status: the HTTP status; 102 says that the answer is held: ask again after hold_for seconds.
body: the JSON answer; its ids are those of the source.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from {{ api }}.http_assign_streams(''{"server_id": "server-1", "requested_count": 5}'');';
revoke all on function {{ api }}.http_assign_streams(jsonb, text, text, interval) from public;
grant execute on function {{ api }}.http_assign_streams(jsonb, text, text, interval) to {{ worker }}, {{ admin }};
