-- POST /heartbeat and POST /api/heartbeat: a beat over HTTP, which also confirms what earlier answers commanded.
-- Unlike a worker's own beat it takes the decision lock, when there is something to confirm; when a decision holds that for long,
-- the beat counts all the same and the next one confirms.
-- Locks     decision (when something is confirmed); instance; its heartbeat row; at last http_stream
-- Writes    http_stream; what heartbeat, acknowledge and report_streams write
-- Notifies  the next owners of what is confirmed as stopped
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.http_heartbeat(p_request jsonb, p_dialect text default null)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_dialect text := {{ private }}.http_dialect(p_request, p_dialect);
    v_session {{ private }}.http_session := {{ private }}.http_speaker(p_request, v_dialect);
    v_stream_ids bigint[];
    v_count bigint;
    v_report jsonb;
begin
    if jsonb_typeof(p_request -> 'current_streams') = 'array' then
        v_stream_ids := {{ private }}.http_ids(p_request, 'current_streams', true);
        v_count := cardinality(v_stream_ids);
    else
        v_count := {{ private }}.http_count(p_request, v_dialect);
    end if;
    v_report := {{ private }}.http_report(p_request, v_count);
    perform {{ private }}.http_hear(v_session, v_stream_ids, v_count);
    perform h.action
    from {{ api }}.heartbeat(
        v_session.instance_id, v_session.incarnation, {{ private }}.http_digest(v_session.instance_id), jsonb_strip_nulls(v_report)
    ) as h;
    return query select 200, case v_dialect
        when 'main' then jsonb_build_object(
            'status', 'acknowledged',
            'next_heartbeat', {{ private }}.now() + {{ private }}.http_interval(),
            'commands', {{ private }}.http_commands(v_session.instance_id, case when v_stream_ids is null then v_count end)
        )
        when 'server' then jsonb_build_object('status', 'heartbeat_updated')
        else jsonb_build_object('status', 'acknowledged')
    end;
end
$function$;
comment on function {{ api }}.http_heartbeat(jsonb, text) is
'Answer POST /heartbeat and POST /api/heartbeat: a beat over HTTP, which also confirms what earlier answers commanded.
p_request: the keys of the dialect. current_streams is how many streams the instance has, or better the array of their ids.
p_dialect: worker for /api/heartbeat; else the keys tell.
status: the HTTP status.
body: the JSON answer.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from {{ api }}.http_heartbeat(''{"instance_id": "http-1", "current_streams": []}'');';
revoke all on function {{ api }}.http_heartbeat(jsonb, text) from public;
grant execute on function {{ api }}.http_heartbeat(jsonb, text) to {{ worker }}, {{ admin }};
