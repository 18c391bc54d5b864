-- POST /heartbeat and POST /api/heartbeat: a beat over HTTP.
-- In the manual's dialect it also confirms what earlier answers commanded, and its answer commands. Unlike a worker's own beat it takes
-- the decision lock, when there is something to confirm; when a decision holds that for long, the beat counts all the same and the next
-- one confirms.
-- A client that asks for its streams is answered 200 whatever it is: it takes anything else for an outage, and registers for nothing.
-- Locks     decision (when something is confirmed, or a client that asks is back); instance; its heartbeat row; at last http_stream,
--           pull_client
-- Writes    http_stream; pull_client, pull_stranger; what heartbeat, acknowledge and report_streams write
-- Notifies  the next owners of what is confirmed as stopped
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.http_heartbeat(p_request jsonb, p_dialect text default null, p_address text default null)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_dialect text := {{ private }}.http_dialect(p_request, p_dialect);
    v_name text;
    v_client {{ private }}.pull_client;
    v_instance {{ private }}.instance;
    v_is_new boolean;
    v_may_decide boolean := true;
    v_has_stopped boolean;
    v_session {{ private }}.http_session;
    v_stream_ids bigint[];
    v_count bigint;
    v_report jsonb;
begin
    if v_dialect <> 'main' then
        v_name := {{ private }}.http_client_name(p_request, array[case v_dialect when 'worker' then 'worker_instance_id' else 'server_id' end, 'worker_id', 'instance_id']);
        v_count := {{ private }}.http_loose_number(
            case v_dialect when 'worker' then p_request -> 'current_load' else p_request -> 'current_streams' end
        )::bigint;
        perform {{ private }}.authorize_name({{ private }}.pull_instance_id(v_name));
        v_client := {{ private }}.http_client_of(v_name);
        select i.* into v_instance
        from {{ private }}.instance as i where i.instance_id = v_client.instance_id and i.status <> 'removed';
        if v_instance.instance_id is null then
            perform {{ private }}.note_stranger(v_name, p_address, v_count);
        elsif not {{ private }}.is_own_sign(v_client, p_address, v_count) then
            perform {{ private }}.note_stray(v_client.instance_id, p_address, v_count);
        else
            v_report := {{ private }}.http_loose_report(p_request, v_count);
            v_is_new := {{ private }}.is_changed_by_a_beat(v_instance);
            if v_is_new then
                -- it is decided on when it is back, and the decision lock comes first
                v_may_decide := {{ private }}.could_lock_decisions();
                perform h.action from {{ api }}.heartbeat(v_client.instance_id, v_instance.incarnation, null, v_report) as h;
            end if;
            v_has_stopped := v_may_decide and {{ private }}.decide_on_beat(v_client, v_count);
            if not v_is_new then
                perform h.action from {{ api }}.heartbeat(v_client.instance_id, v_instance.incarnation, null, v_report) as h;
            end if;
            perform {{ private }}.note_beat(v_client, case when v_has_stopped then v_count end);
        end if;
        return query select 200, jsonb_build_object(
            'success', true, 'status', case v_dialect when 'server' then 'heartbeat_updated' else 'acknowledged' end,
            'message', 'heard'
        );
        return;
    end if;

    v_session := {{ private }}.http_speaker(p_request);
    if jsonb_typeof(p_request -> 'current_streams') = 'array' then
        v_stream_ids := {{ private }}.http_ids(p_request, 'current_streams', true);
        v_count := cardinality(v_stream_ids);
    else
        v_count := {{ private }}.http_integer(p_request, 'current_streams', 0, 1000000);
    end if;
    v_report := {{ private }}.http_report(p_request, v_count);
    perform {{ private }}.http_hear(v_session, v_stream_ids, v_count);
    perform h.action
    from {{ api }}.heartbeat(
        v_session.instance_id, v_session.incarnation, {{ private }}.http_digest(v_session.instance_id), jsonb_strip_nulls(v_report)
    ) as h;
    return query select 200, jsonb_build_object(
        'status', 'acknowledged',
        'next_heartbeat', {{ private }}.now() + {{ private }}.http_interval(),
        'commands', {{ private }}.http_commands(v_session.instance_id, case when v_stream_ids is null then v_count end)
    );
end
$function$;
comment on function {{ api }}.http_heartbeat(jsonb, text, text) is
'Answer POST /heartbeat and POST /api/heartbeat: a beat over HTTP. In the manual''s dialect it also confirms what earlier answers commanded. One in the name of a client that asks for its streams counts only when it is that client''s own.
p_request: the keys of the dialect. current_streams is how many streams the instance has, or better the array of their ids.
p_dialect: worker for /api/heartbeat; else the keys tell.
p_address: where the client calls from.
status: the HTTP status.
body: the JSON answer.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from {{ api }}.http_heartbeat(''{"instance_id": "http-1", "current_streams": []}'');';
revoke all on function {{ api }}.http_heartbeat(jsonb, text, text) from public;
grant execute on function {{ api }}.http_heartbeat(jsonb, text, text) to {{ worker }}, {{ admin }};
