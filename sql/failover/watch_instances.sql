-- Job: notice instances that are late, lost or forgotten (R1.2, R4.1).
--   session    the lock of the attached session is gone, and no beat for disconnect_grace
--   silence    no beat for the instance's lease, or else heartbeat_timeout
--   takeover   no beat for standby_takeover: the instance is not lost, but standbys of its streams own them (standby_takeover.sql)
-- A lease is a promise: no rule declares an instance lost before it is over. When the server was restarted or
-- promoted, or most sessions vanished together, it is the database that was away and not the fleet: sessions are believed
-- again after restart_grace, and silence counts from the server's return. When most fall silent together, silence is believed
-- restart_grace later than otherwise; when none is left, nothing moves before one is there again (failover/orphaned_streams.sql).
-- Which instances those are says detect_loss.sql.
-- Locks     decision (only when there is something to do); instance (by id); stream and assignment rows (by id)
-- Writes    controller, instance, assignment, decision, movement, withdrawal, settle_request; session_watch
-- Notifies  each affected instance

create or replace function {{ private }}.something_is_due(p_watched text[])
    returns boolean
    language plpgsql volatile
as $function$
begin
    return {{ private }}.server_returned()
        or {{ private }}.is_same_database() is not true
        or exists (select from {{ private }}.instance as i where i.is_unusual) and (
            exists (select from {{ private }}.instances_forgotten())
            or {{ private }}.owners_of_orphans_with_room() is not null
            or exists (select from {{ private }}.probations_over())
        )
        or cardinality(p_watched) > 0 and (
            exists (select from {{ private }}.instances_late(p_watched))
            or exists (select from {{ private }}.instances_lost(p_watched))
        )
        or exists (
            select from {{ private }}.controller as c
            where (cardinality(p_watched) > 0 or c.silence_trusted_from > {{ private }}.now())
                and c.silence_trusted_from is distinct from {{ private }}.silence_trust(p_watched)
        )
        or exists (select from {{ private }}.owners_to_take_over_from())
        or exists (select from {{ private }}.pull_client)
        and exists (
            select from {{ private }}.controller as c where c.pull_trusted_from is distinct from {{ private }}.pull_silence_trust()
        );
end
$function$;
comment on function {{ private }}.something_is_due(text[]) is 'Whether there is something to do about an instance, its session aside. The cheapest questions come first, and nearly always answer the others.';

create or replace function {{ private }}.lock_watched(p_watched text[])
    returns text[]
    language sql volatile
as $function$
    with free as (
        select i.instance_id
        from {{ private }}.instance as i
        where i.instance_id = any(p_watched) and i.is_living
        order by i.instance_id
        for no key update skip locked
    )
    select coalesce(array_agg(f.instance_id), '{}') from free as f
$function$;
comment on function {{ private }}.lock_watched(text[]) is 'Those of these instances that live, locked, but for those whose row is held: they are speaking right now, and no failover waits for them.';

create or replace function {{ private }}.watch_instances()
    returns jsonb
    language plpgsql volatile
    -- what is done every second is not to be planned every second
    set plan_cache_mode = 'force_generic_plan'
    -- longer than three transactions may keep it waiting, so that it does not lose its place in the queue
    set lock_timeout = '20s'
as $function$
declare
    v_result jsonb := jsonb '{}';
    v_free text[];
    v_ids text[];
    v_lost record;
    v_decision {{ private }}.decision;
    v_sessions bigint := {{ private }}.sessions_checksum(); -- before they are compared
    v_watched text[] := {{ private }}.watched_instances();
    v_is_known boolean;
begin
    perform {{ private }}.note_look();
    -- a look first: nearly always there is nothing, and then no lock is taken
    v_is_known := exists (
        select from {{ private }}.session_watch as w
        where w.checksum = v_sessions and w.compared_at > {{ private }}.now() - interval '10 seconds'
    );
    if (v_is_known or not exists (select from {{ private }}.sessions_changed())) and not {{ private }}.something_is_due(v_watched) then
        if not v_is_known then
            update {{ private }}.session_watch set checksum = v_sessions, compared_at = {{ private }}.now();
        end if;
        return null;
    end if;
    perform {{ private }}.lock_decisions();

    if {{ private }}.watch_server() then
        v_result := v_result || '{"server_returned": true}';
    end if;
    -- and looked at once more, now that no other session decides
    v_watched := {{ private }}.watched_instances();
    update {{ private }}.controller as c
    set silence_trusted_from = t.moment
    from {{ private }}.silence_trust(v_watched) as t(moment)
    where c.silence_trusted_from is distinct from t.moment;
    update {{ private }}.controller as c
    set pull_trusted_from = t.moment
    from {{ private }}.pull_silence_trust() as t(moment)
    where c.pull_trusted_from is distinct from t.moment;
    if not v_is_known then
        v_watched := v_watched || array(select s.instance_id from {{ private }}.sessions_changed() as s);
    end if;
    v_free := {{ private }}.lock_watched(v_watched);
    if not v_is_known then
        perform {{ private }}.watch_sessions(v_free);
    end if;

    select array_agg(l.instance_id order by l.instance_id) into v_ids
    from {{ private }}.instances_late(v_free) as l;
    if v_ids is not null then
        perform {{ private }}.step_instance(u.instance_id, 'late') from unnest(v_ids) as u(instance_id);
        v_result := v_result || jsonb_build_object('late', to_jsonb(v_ids));
    end if;

    -- all in one decision, under any cause: none may get what another had
    select
        string_agg(distinct l.rule, ', ') as rules, array_agg(l.instance_id order by l.instance_id) as instance_ids,
        jsonb_agg(to_jsonb(l) order by l.instance_id) as evidence
    into v_lost
    from {{ private }}.instances_lost(v_free) as l;
    if v_lost.instance_ids is not null then
        v_decision := {{ private }}.lose_instances(
            v_lost.instance_ids, 'lost', v_lost.rules, 'watch_instances', null, jsonb_build_object('evidence', v_lost.evidence)
        );
        -- none is left of several: the first to return does not get what the others are about to come back to
        update {{ private }}.controller as c
        set silence_trusted_from = 'infinity'
        where not {{ private }}.any_instance_is_placeable()
            and (cardinality(v_lost.instance_ids) > 1 or c.silence_trusted_from > {{ private }}.now());
        v_result := v_result || jsonb_build_object(
            'lost', to_jsonb(v_lost.instance_ids), 'decision_id', v_decision.decision_id, 'rule', v_decision.rule,
            'moves', v_decision.moves, 'least_moves', v_decision.least_moves, 'still_waiting', v_decision.still_waiting
        );
    end if;

    v_ids := {{ private }}.lock_watched(array(select s.instance_id from {{ private }}.owners_to_take_over_from() as s));
    if cardinality(v_ids) > 0 then
        v_decision := {{ private }}.take_over(v_ids);
        v_result := v_result || jsonb_build_object('taken_over', to_jsonb(v_ids), 'promoted', v_decision.moves);
    end if;

    v_ids := array(select {{ private }}.instances_forgotten());
    if cardinality(v_ids) > 0 then
        v_ids := {{ private }}.lock_lost(v_ids);
    end if;
    if cardinality(v_ids) > 0 then
        if exists (select from {{ private }}.instance_load as l where l.instance_id = any(v_ids) and l.owned > 0) then
            perform {{ private }}.lose_instances(v_ids, 'forgotten', 'forgotten', 'watch_instances', null);
        else
            perform {{ private }}.step_instance(u.instance_id, 'forgotten') from unnest(v_ids) as u(instance_id);
        end if;
        v_result := v_result || jsonb_build_object('removed', to_jsonb(v_ids));
    end if;

    perform {{ private }}.end_probations();
    v_ids := null;
    if exists (select from {{ private }}.owners_of_orphans()) then
        v_ids := {{ private }}.owners_of_orphans_with_room();
    end if;
    if v_ids is not null then
        v_ids := {{ private }}.lock_lost(v_ids);
        v_decision := {{ private }}.reassign_orphaned(v_ids);
        if v_decision.decision_id is not null then
            v_result := v_result || jsonb_build_object('orphaned', to_jsonb(v_ids), 'orphaned_moves', v_decision.moves);
        end if;
    end if;
    return nullif(v_result, '{}');
end
$function$;
comment on function {{ private }}.watch_instances() is 'Job watch_instances: late instances are warned of, lost ones give up their streams, long lost ones are removed.';
