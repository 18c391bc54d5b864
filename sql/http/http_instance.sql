-- GET /instances/{server_id}: one instance and its streams, as a client that compares for itself asks for them: the number of its streams is
-- that of the list. One that said goodbye is known, and has none. A stream that it is asked to hand over is not among them any more.
-- Reads     instance, instance_load, heartbeat, assignment, pull_client
-- Raises    OR101 bad argument · OR103 unknown instance
create or replace function {{ api }}.http_instance(p_request jsonb)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_name text := {{ private }}.http_client_name(p_request, array['server_id']);
    v_instance_id text := {{ private }}.pull_instance_id(v_name);
    v_data jsonb;
begin
    select jsonb_build_object(
        'server_id', v_name,
        'max_streams', i.max_streams,
        'current_streams', jsonb_array_length(o.numbers),
        'status', i.status,
        'registered_at', i.registered_at,
        'last_heartbeat', h.beat_at,
        'assigned_streams', o.numbers
    )
    into v_data
    from {{ private }}.instance as i
    join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
    cross join (
        -- the manual's dialect knows our own ids
        select to_jsonb(case
            when exists (select from {{ private }}.instance as w where w.instance_id = v_instance_id and w.placement = 'pull')
                then {{ private }}.numbers_of({{ private }}.own_streams(v_instance_id))
            else {{ private }}.own_streams(v_instance_id)
        end) as numbers
    ) as o
    where i.instance_id = v_instance_id
        and (i.status <> 'removed' or exists (select from {{ private }}.pull_client as c where c.instance_id = i.instance_id and c.has_left));
    if v_data is null then
        perform {{ private }}.unknown_instance(v_instance_id);
    end if;
    return query select 200, jsonb_build_object('status', 'success', 'data', v_data);
end
$function$;
comment on function {{ api }}.http_instance(jsonb) is
'Answer GET /instances/{server_id}: one instance and its streams, by their ids in their source. A stream that it is asked to hand over is not among them any more.
p_request: {"server_id": …}.
status: the HTTP status.
body: the JSON answer.
Raises: OR101, OR103.
Example: select * from {{ api }}.http_instance(''{"server_id": "server-1"}'');';
revoke all on function {{ api }}.http_instance(jsonb) from public;
grant execute on function {{ api }}.http_instance(jsonb) to {{ reader }}, {{ admin }};
