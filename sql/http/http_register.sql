-- POST /register and POST /api/workers/register: an instance that only speaks HTTP comes to life, or comes back.
-- A client that registers from where this instance registered last is the same one, started anew, and takes its own name over; from
-- anywhere else a name that is in use is refused.
-- Locks     decision; instance; assignment rows of the instance; at last http_session, http_stream
-- Writes    http_session, http_stream; what register_instance writes
-- Notifies  the next owners of streams whose hand-over the old process did not finish
-- Raises    OR101 bad argument · OR104 id in use · OR105 missing capability · OR106 another login's · OR404 removed · 55P03
create or replace function {{ api }}.http_register(p_request jsonb, p_address text default null, p_dialect text default null)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_dialect text := {{ private }}.http_dialect(p_request, p_dialect);
    v_asked jsonb := {{ private }}.http_registration(p_request, v_dialect);
    v_address text := coalesce(v_asked ->> 'address', p_address);
    v_registered record;
begin
    select r.* into v_registered
    from {{ api }}.register_instance(
        v_asked ->> 'instance_id',
        (v_asked ->> 'max_streams')::integer,
        case when jsonb_typeof(v_asked -> 'capabilities') = 'array' then array(select jsonb_array_elements_text(v_asked -> 'capabilities')) end,
        v_asked ->> 'version',
        v_asked ->> 'location',
        p_takeover => exists (
            select from {{ private }}.http_session as s
            join {{ private }}.instance as i on i.instance_id = s.instance_id and i.incarnation = s.incarnation
            where s.instance_id = v_asked ->> 'instance_id' and s.address = v_address
        ),
        p_metadata => jsonb_build_object('http', jsonb_build_object('dialect', v_dialect, 'address', v_address))
    ) as r;
    perform {{ private }}.http_note_registered(v_registered.instance_id, v_registered.incarnation, v_dialect, v_address);
    return query select 200, case v_dialect
        when 'main' then jsonb_build_object(
            'status', 'registered',
            'instance_id', v_registered.instance_id,
            'assigned_streams', v_registered.assigned_streams,
            'heartbeat_interval', extract(epoch from {{ private }}.http_interval())::double precision,
            'next_assignment_check', {{ private }}.now() + {{ private }}.http_interval()
        )
        when 'server' then jsonb_build_object(
            'status', 'registered', 'server_id', v_registered.instance_id, 'max_streams', (v_asked -> 'max_streams')
        )
        else jsonb_build_object('success', true)
    end;
end
$function$;
comment on function {{ api }}.http_register(jsonb, text, text) is
'Answer POST /register and POST /api/workers/register: an instance that only speaks HTTP comes to life, or comes back. A client that registers from where this instance registered last is the same client, started anew.
p_request: the keys of the dialect; the id and max_streams are required.
p_address: where the client calls from, when it does not say so itself.
p_dialect: worker for /api/workers/register; else the keys tell.
status: the HTTP status.
body: the JSON answer.
Raises: OR101, OR104, OR105, OR106, OR404, 55P03.
Example: select * from {{ api }}.http_register(''{"instance_id": "http-2", "max_streams": 50}'', ''192.0.2.7'');';
revoke all on function {{ api }}.http_register(jsonb, text, text) from public;
grant execute on function {{ api }}.http_register(jsonb, text, text) to {{ worker }}, {{ admin }};
