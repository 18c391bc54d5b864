-- A worker process comes to life under its instance's name, or comes back.
-- Within the grace the same name gets the same streams. A different process gets them under new epochs, so that what the
-- old one might still write is refused; the same process (metadata key "process") keeps its epochs.
-- Locks     decision; instance; assignment rows of the instance
-- Writes    instance, heartbeat, instance_load, assignment, decision, settle_request, repair, standby
-- Notifies  the next owners of streams whose hand-over the old process did not finish
-- Raises    OR101 bad argument · OR104 id in use · OR105 missing capability · OR106 another login's · OR404 removed · 55P03
create or replace function {{ api }}.register_instance(
    p_instance_id text,
    p_max_streams integer,
    p_capabilities text[] default null,
    p_version text default null,
    p_location text default null,
    p_lease interval default null,
    p_takeover boolean default false,
    p_metadata jsonb default '{}',
    p_stop_within interval default null,
    p_force boolean default false
)
    returns table (
        instance_id text, incarnation bigint, status text, channel text, heartbeat_interval interval,
        heartbeat_timeout interval, assigned_streams integer
    )
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_known {{ private }}.instance;
    v_process text := p_metadata ->> 'process';
    v_is_same_process boolean := false;
begin
    perform {{ private }}.check_registration(
        p_instance_id, p_max_streams, p_capabilities, p_version, p_location, p_lease, p_metadata, p_stop_within
    );
    perform {{ private }}.lock_decisions();
    select * into v_known from {{ private }}.instance as i where i.instance_id = p_instance_id for no key update;
    if v_known.instance_id is null then
        insert into {{ private }}.instance (
            instance_id, incarnation, status, status_event, status_changed_at, max_streams, owner_role, owner_oid, registered_at
        )
        values (
            p_instance_id, greatest(1, {{ private }}.least_number()), 'registered', 'register', {{ private }}.now(), p_max_streams,
            session_user, {{ private }}.caller_oid(), {{ private }}.now()
        );
        insert into {{ private }}.instance_load (instance_id) values (p_instance_id);
        insert into {{ private }}.heartbeat (instance_id, incarnation, beat_at)
        values (p_instance_id, greatest(1, {{ private }}.least_number()), {{ private }}.now());
        perform {{ private }}.request_settle('registered', p_instance_id);
    else
        v_is_same_process := coalesce(v_known.process = v_process, false) and v_known.status <> 'removed'
            -- a login that finds the name free is none of its processes, by any name
            and {{ private }}.may_act_for(session_user, v_known.owner_role, v_known.owner_oid);
        perform {{ private }}.check_return(v_known, v_is_same_process, coalesce(p_takeover, false), coalesce(p_force, false));
        if not v_is_same_process then
            perform {{ private }}.end_old_process(p_instance_id);
            if not coalesce(p_takeover, false) then
                perform {{ private }}.note_crash(v_known);
            end if;
        end if;
        perform {{ private }}.carry_repairs(p_instance_id, v_is_same_process);
        perform {{ private }}.welcome_back(v_known, p_max_streams);
    end if;

    update {{ private }}.instance as i
    set
        max_streams = p_max_streams,
        capabilities = coalesce(p_capabilities, array['audio_fingerprinting']),
        version = p_version,
        location = p_location,
        lease = p_lease,
        stop_within = p_stop_within,
        metadata = coalesce(p_metadata, '{}'),
        process = v_process,
        placement = 'push',
        session_key = null,
        session_lost_at = null,
        suspended_until = null,
        lost_by_decision_id = case when v_is_same_process then i.lost_by_decision_id end
    where i.instance_id = p_instance_id;
    perform {{ private }}.release_unable(p_instance_id, v_is_same_process and p_stop_within is not null);

    perform {{ private }}.relieve(p_instance_id);
    perform {{ private }}.yield_standbys();

    return query
    select
        i.instance_id, i.incarnation, i.status, '{{ api }}.' || i.instance_id, {{ private }}.setting_interval('heartbeat_interval'),
        coalesce(i.lease, {{ private }}.setting_interval('heartbeat_timeout')), l.owned - l.outgoing
    from {{ private }}.instance as i
    join {{ private }}.instance_load as l on l.instance_id = i.instance_id
    where i.instance_id = p_instance_id;
end
$function$;
comment on function {{ api }}.register_instance(text, integer, text[], text, text, interval, boolean, jsonb, interval, boolean) is
'Register an instance, or its return. Within the grace the same name gets the same streams: a different process under new epochs, the same process (metadata key "process") under those that it had.
p_instance_id: the name of the instance.
p_max_streams: how many streams it can have, 1 to 1000.
p_capabilities: what it can do; audio_fingerprinting must be among it. Null: just that.
p_version: the version of its program.
p_location: its region (strategy location).
p_lease: its own limit of silence, at least two heartbeat intervals and at most max_lease; null: heartbeat_timeout.
p_takeover: true ends another live process with this id, but not one that stops by itself while its lease runs.
p_metadata: what else is worth keeping, as a JSON object.
p_stop_within: so long after it sent its last accepted beat all its handlers have stopped, by its own clock. No other instance gets its streams before its lease is over.
p_force: true, with p_takeover, takes over from a process that stops by itself, too, although it may still run what this one starts.
instance_id: the instance.
incarnation: the number of this life; every other call names it.
status: its status now.
channel: the channel to LISTEN on.
heartbeat_interval: how often to beat.
heartbeat_timeout: the silence after which it is lost.
assigned_streams: streams that it has already.
Raises: OR101, OR104, OR105, OR106, OR404, 55P03.
Example: select * from {{ api }}.register_instance(''fingerv7-004'', 100, p_version => ''7.2'', p_location => ''south'', p_lease => ''90 seconds'');';
revoke all on function {{ api }}.register_instance(text, integer, text[], text, text, interval, boolean, jsonb, interval, boolean) from public;
grant execute on function {{ api }}.register_instance(text, integer, text[], text, text, interval, boolean, jsonb, interval, boolean) to {{ worker }}, {{ admin }};
