-- POST /register and POST /api/workers/register: an instance that only speaks HTTP comes to life, or comes back.
-- A client of the manual's dialect that registers from where this instance registered last is the same one, started anew, and takes its
-- own name over; from anywhere else a name that is in use is refused.
-- A client that asks for its streams registers at each start, twice, and takes a refusal for an outage. From the ip and port that it had
-- before it is that client, started anew; from elsewhere it is held until the process that has the name is known to be gone.
-- Locks     decision; instance; assignment rows of the instance; at last http_session, http_stream, pull_client
-- Writes    http_session, http_stream; pull_client, pull_memory, refusal; what register_instance writes
-- Notifies  the next owners of streams whose hand-over the old process did not finish
-- Raises    OR101 bad argument · OR104 id in use · OR105 missing capability · OR106 another login's · OR404 removed · 55P03
create or replace function {{ private }}.http_register_client(p_request jsonb, p_dialect text, p_peer text, p_waited interval)
    returns table (status integer, body jsonb, asked jsonb)
    language plpgsql volatile
as $function$
declare
    v_metadata jsonb := case when jsonb_typeof(p_request -> 'metadata') = 'object' then p_request -> 'metadata' else '{}' end;
    v_name text := {{ private }}.http_client_name(p_request, array[case p_dialect when 'server' then 'server_id' else 'instance_id' end, 'worker_id']);
    v_capacity bigint := coalesce(
        {{ private }}.http_loose_number(coalesce(p_request -> 'capacity', p_request -> 'max_streams'))::bigint, 20
    );
    v_address text := nullif(concat_ws(
        ':', coalesce(p_request ->> 'ip', v_metadata ->> 'ip'), coalesce(p_request ->> 'port', v_metadata ->> 'port')
    ), '');
    v_client {{ private }}.pull_client := {{ private }}.http_client_of(v_name);
    v_rival text := {{ private }}.rival_of(v_client, v_address, p_peer);
    v_max integer := least(greatest(v_capacity, 1), 1000);
begin
    perform {{ private }}.authorize_name({{ private }}.pull_instance_id(v_name));
    if v_rival is not null then
        update {{ private }}.pull_client as c
        set rival_at = {{ private }}.now(), rival_address = concat_ws(' from ', v_address, p_peer)
        where c.instance_id = v_client.instance_id;
        return query select
            case when p_waited < {{ private }}.setting_interval('http_hold') then 102 when v_rival = 'asks' then 409 else 503 end,
            case
                when p_waited < {{ private }}.setting_interval('http_hold') then jsonb_build_object('hold_for', {{ private }}.http_hold_for())
                else {{ private }}.http_refusal(
                    'the name is in use by another process', 'stop the other process, or give this one another name'
                )
            end,
            null::jsonb;
        return;
    end if;
    return query select 200, null::jsonb, jsonb_build_object(
        'instance_id', {{ private }}.pull_instance_id(v_name), 'name', v_name, 'capacity', v_capacity, 'max_streams', v_max,
        'address', v_address,
        'capabilities', (
            select to_jsonb(array_agg(distinct left(n.name, 200)) || array['audio_fingerprinting'])
            from jsonb_array_elements_text(
                case when jsonb_typeof(v_metadata -> 'capabilities') = 'array' then v_metadata -> 'capabilities' else '[]' end
            ) with ordinality as n(name, place)
            where n.place <= 90
        ),
        'version', left(v_metadata ->> 'version', 200),
        'location', left(coalesce(v_metadata ->> 'region', p_request ->> 'region'), 200),
        'is_known', exists (
            select from {{ private }}.instance as i
            where i.instance_id = v_client.instance_id and i.is_living and not v_client.has_left and i.max_streams = v_max
                and v_client.address is not distinct from v_address and {{ private }}.is_pull_client_here(v_client, p_peer)
        )
    );
end
$function$;
comment on function {{ private }}.http_register_client(jsonb, text, text, interval) is 'Read the registration of a client that asks for its streams; or what it is answered while another process has its name.';

create or replace function {{ api }}.http_register(
    p_request jsonb, p_address text default null, p_dialect text default null, p_waited interval default '0'
)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_dialect text := {{ private }}.http_dialect(p_request, p_dialect);
    v_read record;
    v_asked jsonb;
    v_address text;
    v_registered record;
begin
    perform {{ private }}.require_interval('p_waited', coalesce(p_waited, '0'), '0', '1 day');
    if v_dialect <> 'main' then
        select r.* into v_read from {{ private }}.http_register_client(p_request, v_dialect, p_address, p_waited) as r;
        v_asked := v_read.asked;
        if v_asked is null then
            return query select v_read.status, v_read.body;
            return;
        end if;
        v_address := v_asked ->> 'address';
    else
        v_asked := {{ private }}.http_registration(p_request);
        v_address := p_address;
    end if;
    if not coalesce((v_asked ->> 'is_known')::boolean, false) then
        select r.* into v_registered
        from {{ api }}.register_instance(
            v_asked ->> 'instance_id',
            (v_asked ->> 'max_streams')::integer,
            case when jsonb_typeof(v_asked -> 'capabilities') = 'array' then array(select jsonb_array_elements_text(v_asked -> 'capabilities')) end,
            v_asked ->> 'version',
            v_asked ->> 'location',
            p_takeover => case v_dialect
                when 'main' then exists (
                    select from {{ private }}.http_session as s
                    join {{ private }}.instance as i on i.instance_id = s.instance_id and i.incarnation = s.incarnation
                    where s.instance_id = v_asked ->> 'instance_id' and s.address = v_address
                )
                else exists (
                    select from {{ private }}.instance as i where i.instance_id = v_asked ->> 'instance_id' and i.placement = 'pull'
                )
            end,
            p_metadata => jsonb_build_object('http', jsonb_build_object('dialect', v_dialect, 'address', v_address, 'name', v_asked ->> 'name'))
        ) as r;
    end if;
    if v_dialect <> 'main' then
        update {{ private }}.instance as i set placement = 'pull' where i.instance_id = v_asked ->> 'instance_id' and i.placement <> 'pull';
        perform {{ private }}.note_pull_registered(
            v_asked ->> 'instance_id', v_asked ->> 'name', v_dialect, v_address, p_address, (v_asked ->> 'capacity')::bigint
        );
    end if;
    if v_dialect = 'main' then
        perform {{ private }}.http_note_registered(v_registered.instance_id, v_registered.incarnation, v_dialect, v_address);
        return query select 200, jsonb_build_object(
            'status', 'registered',
            'instance_id', v_registered.instance_id,
            'assigned_streams', v_registered.assigned_streams,
            'heartbeat_interval', extract(epoch from {{ private }}.http_interval())::double precision,
            'next_assignment_check', {{ private }}.now() + {{ private }}.http_interval()
        );
    else
        return query select 200, jsonb_build_object(
            'success', true, 'status', 'registered', 'server_id', v_asked ->> 'name', 'worker_id', v_asked ->> 'name',
            'max_streams', v_asked -> 'capacity', 'message', 'registered'
        );
    end if;
end
$function$;
comment on function {{ api }}.http_register(jsonb, text, text, interval) is
'Answer POST /register and POST /api/workers/register: an instance that only speaks HTTP comes to life, or comes back. A client that asks for its streams and whose name another process has is held, and refused when that one is still there after http_hold.
p_request: the keys of the dialect; the id and max_streams are required.
p_address: where the client calls from.
p_dialect: worker for /api/workers/register; else the keys tell.
p_waited: for how long this request has been held already.
status: the HTTP status; 102 says that the answer is held: ask again after hold_for seconds.
body: the JSON answer.
Raises: OR101, OR104, OR105, OR106, OR404, 55P03.
Example: select * from {{ api }}.http_register(''{"instance_id": "http-2", "max_streams": 50}'', ''192.0.2.7'');';
revoke all on function {{ api }}.http_register(jsonb, text, text, interval) from public;
grant execute on function {{ api }}.http_register(jsonb, text, text, interval) to {{ worker }}, {{ admin }};
