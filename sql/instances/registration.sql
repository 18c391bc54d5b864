-- Parts of register_instance.
-- Every caller but check_registration holds the decision lock and the instance's row.

create or replace function {{ private }}.return_of(p_instance_id text)
    returns text
    language sql volatile
begin atomic
    select case when l.owned > 0 then 'back with its streams' else 'returned' end
    from {{ private }}.instance_load as l
    where l.instance_id = p_instance_id;
end;
comment on function {{ private }}.return_of(text) is 'Why a settlement is asked for when a lost instance returns: one that kept its streams needs no new share.';

create or replace function {{ private }}.check_registration(
    p_instance_id text, p_max_streams integer, p_capabilities text[], p_version text, p_location text, p_lease interval,
    p_metadata jsonb, p_stop_within interval
)
    returns void
    language plpgsql volatile
as $function$
declare
    v_interval interval := {{ private }}.setting_interval('heartbeat_interval');
    -- two clocks run apart by less than a hundredth; an instance that is given a stream starts at once
    v_margin interval := greatest(interval '1 second', p_lease / 100);
begin
    perform {{ private }}.require_exact_text('p_instance_id', p_instance_id);
    perform {{ private }}.require_argument(
        'p_instance_id', {{ private }}.is_name(p_instance_id), to_jsonb(p_instance_id),
        'an id of 1 to 48 letters, digits, dots, underscores and hyphens, beginning with a letter or digit'
    );
    perform {{ private }}.require_argument(
        'p_max_streams', p_max_streams between 1 and 1000, to_jsonb(p_max_streams), 'a capacity from 1 to 1000 streams'
    );
    perform {{ private }}.require_argument(
        'p_metadata',
        -- its size as it is kept comes first: a short 1e100000 is a long text
        case
            when p_metadata is not null
                then jsonb_typeof(p_metadata) = 'object' and pg_column_size(p_metadata) <= 10000 and octet_length(p_metadata::text) <= 10000
            else true
        end,
        p_metadata, 'a JSON object of at most 10000 bytes'
    );
    perform {{ private }}.require_argument(
        'p_version', p_version is null or length(p_version) <= 200, to_jsonb(left(p_version, 200)), 'at most 200 characters'
    );
    perform {{ private }}.require_argument(
        'p_location', p_location is null or length(p_location) <= 200, to_jsonb(left(p_location, 200)), 'at most 200 characters'
    );
    perform {{ private }}.require_argument(
        'p_lease', p_lease is null
            or (p_lease between 2 * v_interval and {{ private }}.setting_interval('max_lease') and {{ private }}.is_plain(p_lease)),
        to_jsonb(p_lease),
        format(
            'a lease of at least 2 × heartbeat_interval = %s and at most max_lease = %s',
            2 * v_interval, {{ private }}.setting_interval('max_lease')
        )
    );
    perform {{ private }}.require_argument(
        'p_stop_within', p_stop_within is null
            or (p_stop_within > interval '0' and p_stop_within <= p_lease - v_margin and {{ private }}.is_plain(p_stop_within)),
        jsonb_build_object('p_stop_within', p_stop_within, 'p_lease', p_lease, 'margin', v_margin),
        case
            when p_lease is null then 'an instance that stops by itself needs a lease: pass p_lease'
            else format(
                'stopped before anybody else may start: 0 < p_stop_within <= p_lease - greatest(1 second, p_lease / 100) = %s; allow a longer lease or stop sooner',
                p_lease - v_margin
            )
        end
    );
    perform {{ private }}.require_argument(
        'p_capabilities',
        coalesce(cardinality(p_capabilities), 0) <= 100
        and array_position(p_capabilities, null) is null
        and not exists (select from unnest(p_capabilities) as c(capability) where length(c.capability) > 200),
        to_jsonb(p_capabilities), 'at most 100 names of capabilities of at most 200 characters, none of them null'
    );
    if p_capabilities is not null and not coalesce('audio_fingerprinting' = any(p_capabilities), false) then
        raise exception using
            errcode = 'OR105',
            message = 'missing capability',
            detail = jsonb_build_object('required', 'audio_fingerprinting', 'given', to_jsonb(p_capabilities))::text,
            hint = 'an instance must be able to do audio_fingerprinting: add it to p_capabilities';
    end if;
end
$function$;
comment on function {{ private }}.check_registration(text, integer, text[], text, text, interval, jsonb, interval) is 'Refuse a registration that says impossible things.';

create or replace function {{ private }}.is_alive(p_instance {{ private }}.instance)
    returns boolean
    language sql volatile
as $function$
    select
        -- cut off from here, or removed by order, its handlers may still run until it stops them by its own clock
        coalesce({{ private }}.promise_over_at((p_instance).instance_id) > {{ private }}.now(), false)
        or (p_instance).is_living
        and (p_instance).suspended_until is null
        and (
            exists (
                select from {{ private }}.heartbeat as h
                where h.instance_id = (p_instance).instance_id
                    -- never attached: a beat that is not overdue by more than one is all that can be known
                    and (p_instance).session_key is null
                    and h.beat_at > {{ private }}.now() - 2 * {{ private }}.setting_interval('heartbeat_interval')
            )
            or exists (
                select from {{ private }}.held_sessions() as s
                where s.session_key = (p_instance).session_key
                    and s.pid <> pg_backend_pid()
                    and {{ private }}.may_act_for(s.login, (p_instance).owner_role, (p_instance).owner_oid)
            )
        )
$function$;
comment on function {{ private }}.is_alive({{ private }}.instance) is 'Whether some process is living under this instance''s name: its session holds its lock, or without a session its last beat is young, or it stops by itself and its lease is not over.';

create or replace function {{ private }}.name_is_free(p_instance {{ private }}.instance)
    returns boolean
    language sql volatile
as $function$
    select (p_instance).standing_order is distinct from 'stay away'
        and case
            when (p_instance).status = 'removed' and not (p_instance).name_is_reserved then true
            -- its owner was dropped and cannot come back
            else {{ private }}.present_owner((p_instance).owner_role, (p_instance).owner_oid) is null and not {{ private }}.is_alive(p_instance)
        end
$function$;
comment on function {{ private }}.name_is_free({{ private }}.instance) is 'Whether any worker login may register under this name and own it from then on: its last life has ended (goodbye, removal_timeout, or an administrator''s removal and readmission), or its owner was dropped and no process of it lives.';

create or replace function {{ private }}.check_return(
    p_known {{ private }}.instance, p_is_same_process boolean, p_takeover boolean, p_force boolean
)
    returns void
    language plpgsql volatile
as $function$
declare
    v_promise_over_at timestamptz := {{ private }}.promise_over_at(p_known.instance_id);
    v_is_promised boolean := coalesce(v_promise_over_at > {{ private }}.now(), false);
begin
    if p_known.standing_order = 'stay away' then
        raise exception using
            errcode = 'OR404',
            message = 'the instance was removed by an administrator',
            detail = jsonb_build_object('instance_id', p_known.instance_id)::text,
            hint = format('to let it back: select * from {{ api }}.readmit_instance(%L)', p_known.instance_id);
    elsif not ({{ private }}.may_act_for(session_user, p_known.owner_role, p_known.owner_oid) or {{ private }}.name_is_free(p_known)) then
        perform {{ private }}.refuse_other_login(p_known.instance_id);
    elsif not p_is_same_process and not (p_takeover and (p_force or not v_is_promised)) and {{ private }}.is_alive(p_known) then
        raise exception using
            errcode = 'OR104',
            message = 'the instance id is in use by another live process',
            detail = jsonb_build_object(
                'instance_id', p_known.instance_id, 'status', p_known.status, 'incarnation', p_known.incarnation,
                'has_session', p_known.session_key is not null,
                'lease_over_at', v_promise_over_at
            )::text,
            hint = case
                when p_takeover then 'it stops by itself until its lease is over, and may run until then: stop it, wait, or, when nothing of it runs any more, take over all the same with p_force => true'
                else 'stop the other process, wait until its lease is over, choose another id, or take over with p_takeover => true'
            end;
    end if;
end
$function$;
comment on function {{ private }}.check_return({{ private }}.instance, boolean, boolean, boolean) is 'Refuse a registration under a name that is another login''s, barred or in use.';

create or replace function {{ private }}.end_old_process(p_instance_id text)
    returns void
    language plpgsql volatile
as $function$
declare
    v_decision_id bigint;
    v_promoted integer := 0;
begin
    -- it cannot confirm any more what it was asked to stop, and it has stopped
    perform {{ private }}.place_unplaced(c.unplaced)
    from {{ private }}.complete_handovers(
        array(
            select a.stream_id from {{ private }}.assignment as a
            where a.instance_id = p_instance_id and a.state = 'releasing'
            order by a.stream_id
        ),
        'hand-over', true
    ) as c;
    delete from {{ private }}.withdrawal as w where w.instance_id = p_instance_id;
    perform {{ private }}.restart_standbys(p_instance_id);
    if exists (select from {{ private }}.assignment as a where a.instance_id = p_instance_id) then
        v_decision_id := {{ private }}.open_decision(
            'new process', 'register_instance', null, jsonb_build_object('instance_id', p_instance_id)
        );
        -- what the old process heard last only a standby has, unless it stopped to be restarted
        if exists (
            select from {{ private }}.instance as i
            where i.instance_id = p_instance_id and i.suspended_until is null and i.placement = 'push' and not i.metadata ? 'http'
        ) then
            v_promoted := {{ private }}.promote_standbys_of(v_decision_id, array[p_instance_id]);
        end if;
        if v_promoted > 0 then
            perform {{ private }}.request_settle('returned', p_instance_id);
        end if;
        perform {{ private }}.renew_epochs(
            array(select a.stream_id from {{ private }}.assignment as a where a.instance_id = p_instance_id order by a.stream_id)
        );
        perform {{ private }}.close_decision(v_decision_id, v_promoted, v_promoted);
    end if;
end
$function$;
comment on function {{ private }}.end_old_process(text) is 'Fence the old process of an instance: its streams stay where they are, under new epochs, but for those that standbys hear.';

create or replace function {{ private }}.welcome_back(p_known {{ private }}.instance, p_max_streams integer)
    returns void
    language plpgsql volatile
as $function$
declare
    v_has_new_owner boolean := {{ private }}.name_is_free(p_known)
        and not {{ private }}.is_owner(session_user, p_known.owner_role, p_known.owner_oid);
begin
    if p_known.status <> 'draining' or p_known.standing_order is null then
        perform {{ private }}.step_instance(p_known.instance_id, 'register');
    end if;
    update {{ private }}.instance as i
    set
        incarnation = greatest(i.incarnation + 1, {{ private }}.least_number()),
        -- who may act for the owner, or is an administrator, does not take the name from it
        owner_role = case when v_has_new_owner then session_user else i.owner_role end,
        owner_oid = case when v_has_new_owner then {{ private }}.caller_oid() else i.owner_oid end,
        name_is_reserved = false,
        registered_at = {{ private }}.now()
    where i.instance_id = p_known.instance_id;
    update {{ private }}.heartbeat as h
    set
        incarnation = (select i.incarnation from {{ private }}.instance as i where i.instance_id = p_known.instance_id), beat_at = {{ private }}.now(), digest = 0, in_step = true, status = null,
        current_streams = null, progressing = null, progress_at = null, stalled = 0, round_trip = null
    where h.instance_id = p_known.instance_id;
    if not p_known.is_living or p_known.status = 'recovering' or (p_known.status = 'draining' and p_known.standing_order is null) then
        perform {{ private }}.request_settle({{ private }}.return_of(p_known.instance_id), p_known.instance_id);
        if p_known.status = 'inactive' then
            perform {{ private }}.begin_probation(p_known.instance_id);
        end if;
    elsif p_known.max_streams <> p_max_streams then
        perform {{ private }}.request_settle('capacity', p_known.instance_id);
    elsif p_known.suspended_until is not null then
        -- it was passed over while it was away; what has waited meanwhile can come
        perform {{ private }}.request_settle('resumed after suspension', p_known.instance_id);
    end if;
    if exists (select from {{ private }}.assignment as a where a.pinned_to = p_known.instance_id and a.instance_id is distinct from a.pinned_to) then
        perform {{ private }}.request_settle('pinned', p_known.instance_id);
    end if;
end
$function$;
comment on function {{ private }}.welcome_back({{ private }}.instance, integer) is 'Step an instance that is known into its next life and ask for what its return calls for.';

create or replace function {{ private }}.release_unable(p_instance_id text, p_may_still_run boolean)
    returns void
    language plpgsql volatile
as $function$
declare
    v_stream_ids bigint[];
    v_decision_id bigint;
    v_stream_id bigint;
begin
    select array_agg(a.stream_id order by a.stream_id) into v_stream_ids
    from {{ private }}.assignment as a
    join {{ private }}.requirement as r on r.requirement_id = a.requirement_id
    join {{ private }}.instance as i on i.instance_id = a.instance_id
    where a.instance_id = p_instance_id and a.releasing_since is null and not i.capabilities @> r.capabilities;
    if v_stream_ids is null then
        return;
    end if;
    v_decision_id := {{ private }}.open_decision(
        'capability lost', 'register_instance', null, jsonb_build_object('instance_id', p_instance_id)
    );
    if p_may_still_run then
        -- no other gets them before it has confirmed that they are stopped, or has stopped by itself
        perform {{ private }}.withdraw_streams(v_decision_id, v_stream_ids, 'capability lost');
        perform {{ private }}.activate_streams(v_stream_ids);
    else
        foreach v_stream_id in array v_stream_ids loop
            perform {{ private }}.move_one(v_decision_id, v_stream_id, p_instance_id, false, 'capability lost');
        end loop;
    end if;
    perform {{ private }}.close_decision(v_decision_id);
end
$function$;
comment on function {{ private }}.release_unable(text, boolean) is 'An instance that registered without a capability that some of its streams require gives those up.';
