-- GET /instances/{server_id}: one instance and its streams, as an instance that compares for itself asks for them.
-- A stream that it is asked to hand over is not among them any more.
-- Reads     instance, instance_load, heartbeat, assignment
-- Raises    OR101 bad argument · OR103 unknown instance
create or replace function {{ api }}.http_instance(p_request jsonb)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_instance_id text := {{ private }}.http_instance_id(p_request, 'server_id');
    v_data jsonb;
begin
    select jsonb_build_object(
        'server_id', i.instance_id,
        'max_streams', i.max_streams,
        'current_streams', cardinality(o.stream_ids),
        'status', i.status,
        'last_heartbeat', i.last_heartbeat,
        'assigned_streams', to_jsonb(o.stream_ids)
    )
    into v_data
    from {{ private }}.http_instance_rows() as i
    cross join (select {{ private }}.http_own(v_instance_id) as stream_ids) as o
    where i.instance_id = v_instance_id;
    if v_data is null then
        perform {{ private }}.unknown_instance(v_instance_id);
    end if;
    return query select 200, jsonb_build_object('status', 'success', 'data', v_data);
end
$function$;
comment on function {{ api }}.http_instance(jsonb) is
'Answer GET /instances/{server_id}: one instance and its streams. A stream that it is asked to hand over is not among them any more.
p_request: {"server_id": …}.
status: the HTTP status.
body: the JSON answer.
Raises: OR101, OR103.
Example: select * from {{ api }}.http_instance(''{"server_id": "server-1"}'');';
revoke all on function {{ api }}.http_instance(jsonb) from public;
grant execute on function {{ api }}.http_instance(jsonb) to {{ reader }}, {{ admin }};
