-- Add a station by hand; it is given to an instance at once, where one has room.
-- Locks     decision; stream and assignment rows
-- Writes    stream, assignment, requirement, decision, movement
-- Notifies  the instance that gets it
-- Raises    OR101 bad argument · OR108 the window of standbys is too short · 55P03
create or replace function {{ api }}.add_stream(
    p_url text,
    p_name text default null,
    p_region text default null,
    p_required_capabilities text[] default '{}',
    p_metadata jsonb default '{}',
    p_external_id text default null,
    p_standby boolean default null
)
    returns table (stream_id bigint, state text, instance_id text, epoch bigint, event_id uuid)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_stream_id bigint;
    v_requirement_id integer;
    v_decision_id bigint;
begin
    if {{ private }}.station_problem(p_url, p_external_id, p_name, p_region, p_required_capabilities, p_metadata) is not null then
        -- which argument it is about
        perform {{ private }}.require_station('p_url', {{ private }}.station_problem(p_url), to_jsonb(left(p_url, 200)));
        perform {{ private }}.require_station(
            'p_external_id', {{ private }}.station_problem(p_url, p_external_id => p_external_id), to_jsonb(left(p_external_id, 200))
        );
        perform {{ private }}.require_station('p_name', {{ private }}.station_problem(p_url, p_name => p_name), to_jsonb(left(p_name, 200)));
        perform {{ private }}.require_station('p_region', {{ private }}.station_problem(p_url, p_region => p_region), to_jsonb(left(p_region, 200)));
        perform {{ private }}.require_station(
            'p_required_capabilities', {{ private }}.station_problem(p_url, p_capabilities => p_required_capabilities),
            to_jsonb(p_required_capabilities)
        );
        perform {{ private }}.require_station('p_metadata', {{ private }}.station_problem(p_url, p_metadata => p_metadata), p_metadata);
    end if;
    perform {{ private }}.require_argument('p_external_id', p_external_id is distinct from '', '""', 'an id, or none');
    perform {{ private }}.require_argument(
        'p_required_capabilities', array_position(p_required_capabilities, null) is null, to_jsonb(p_required_capabilities),
        'names of capabilities, none of them null'
    );
    perform {{ private }}.lock_decisions();
    perform {{ private }}.require_argument(
        'p_external_id',
        not exists (select from {{ private }}.stream as s where s.source = 'manual' and s.external_id = coalesce(p_external_id, p_url)),
        to_jsonb(coalesce(p_external_id, p_url)), 'a stream with this id (or without one, this address) was added before'
    );
    insert into {{ private }}.stream (
        source, external_id, name, url, region, requirement_id, metadata, standby, created_at, updated_at
    )
    values (
        'manual', coalesce(p_external_id, p_url), coalesce(nullif(btrim(p_name), ''), p_url), p_url, p_region,
        {{ private }}.requirement_of(p_required_capabilities, p_region), coalesce(p_metadata, '{}'), p_standby, {{ private }}.now(), {{ private }}.now()
    )
    returning stream.stream_id, stream.requirement_id into v_stream_id, v_requirement_id;
    if p_standby then
        perform {{ private }}.check_standby_window();
    end if;
    perform {{ private }}.add_assignments(array[v_stream_id]);

    v_decision_id := {{ private }}.open_decision('new stream', 'add_stream', null, jsonb_build_object('stream_id', v_stream_id));
    if exists (select from {{ private }}.withdrawal as w where md5(w.url) = md5(p_url) and w.url is not null) then
        perform {{ private }}.return_to_owners(v_decision_id, array[v_stream_id]);
    end if;
    if exists (select from {{ private }}.assignment as a where a.stream_id = v_stream_id and a.waiting_since <= {{ private }}.now()) then
        perform {{ private }}.distribute(v_decision_id, v_requirement_id, array[v_stream_id], array[null::text], false, false, 'placed');
    end if;
    perform {{ private }}.close_decision(v_decision_id);
    if exists (select from {{ private }}.assignment as a where a.stream_id = v_stream_id and a.waiting_since is not null) then
        perform {{ private }}.request_settle('new streams', v_stream_id::text);
    end if;
    return query
    select a.stream_id, a.state, a.instance_id, a.epoch, {{ private }}.event_id() from {{ private }}.assignment as a where a.stream_id = v_stream_id;
end
$function$;
comment on function {{ api }}.add_stream(text, text, text, text[], jsonb, text, boolean) is
'Add a station. It is given to an instance at once when one has room, unless a removed one of its address may still be heard.
p_url: its address, http or https, at most 2000 bytes.
p_name: its name, at most 2000 bytes; else its address.
p_region: where it would best be heard (strategy location), at most 200 bytes.
p_required_capabilities: what an instance must be able to do beyond audio_fingerprinting.
p_metadata: a JSON object of at most 100000 bytes, passed on to the worker.
p_external_id: its id in your own lists, at most 2000 bytes; else its address.
p_standby: whether it is to have a standby; null: as the setting standbys says.
stream_id: the id of the new stream.
state: assigned, or waiting when no instance can have it.
instance_id: the instance that has it; null when it waits.
epoch: the epoch of this ownership.
event_id: the id of the event, for explain_event.
Raises: OR101, OR108, 55P03.
Example: select * from {{ api }}.add_stream(''http://radio.example.org/8'', ''Radio 8'', p_region => ''south'');';
revoke all on function {{ api }}.add_stream(text, text, text, text[], jsonb, text, boolean) from public;
grant execute on function {{ api }}.add_stream(text, text, text, text[], jsonb, text, boolean) to {{ admin }};
