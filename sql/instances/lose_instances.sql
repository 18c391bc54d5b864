-- How an instance loses its streams: by silence, by its goodbye, by an administrator.
-- Locks     instance; stream and assignment rows (by id); callers that lose instances hold the decision lock
-- Writes    instance, assignment, withdrawal, decision, movement, metric_count

create or replace function {{ private }}.unassign_from_pull_clients(p_decision_id bigint, p_instance_ids text[], p_reason text)
    returns void
    language plpgsql volatile
as $function$
declare
    v_stream_ids bigint[];
    v_from text[];
begin
    select array_agg(a.stream_id order by a.stream_id), array_agg(a.instance_id order by a.stream_id)
    into v_stream_ids, v_from
    from {{ private }}.assignment as a
    join {{ private }}.instance as i on i.instance_id = a.instance_id and i.placement = 'pull'
    where a.instance_id = any(p_instance_ids);
    if v_stream_ids is not null then
        perform {{ private }}.give_streams(
            p_decision_id, v_stream_ids, v_from, array_fill(null::text, array[cardinality(v_stream_ids)]), p_reason
        );
    end if;
end
$function$;
comment on function {{ private }}.unassign_from_pull_clients(bigint, text[], text) is 'What no worker could take of lost clients that ask for their streams waits for the next ask: their own lists remember it for them.';

create or replace function {{ private }}.await_promises(p_decision_id bigint, p_instance_ids text[], p_reason text)
    returns void
    language plpgsql volatile
as $function$
declare
    v_stream_ids bigint[];
begin
    select array_agg(a.stream_id order by a.stream_id) into v_stream_ids
    from {{ private }}.assignment as a
    where a.instance_id in (
        select u.instance_id from unnest(p_instance_ids) as u(instance_id)
        where {{ private }}.promise_over_at(u.instance_id) > {{ private }}.now()
    );
    if v_stream_ids is not null then
        perform {{ private }}.withdraw_streams(p_decision_id, v_stream_ids, p_reason);
        perform {{ private }}.activate_streams(v_stream_ids);
    end if;
end
$function$;
comment on function {{ private }}.await_promises(bigint, text[], text) is 'Those of these instances, which are gone by order or by word, that may still run their streams: these are taken from them, and wait until they have stopped.';

create or replace function {{ private }}.lose_instances(
    p_instance_ids text[], p_event text, p_rule text, p_trigger text, p_reason text, p_detail jsonb default '{}'
)
    returns {{ private }}.decision
    language plpgsql volatile
    -- the plans serve one stream as well as a thousand; planning anew for every array would cost as much as the work
    set plan_cache_mode = 'force_generic_plan'
as $function$
declare
    v_decision_id bigint := {{ private }}.open_decision(p_rule, p_trigger, p_reason, p_detail || jsonb_build_object('instances', to_jsonb(p_instance_ids)));
    v_counts_as_loss boolean;
    v_earlier record;
    v_kept integer;
    v_decision {{ private }}.decision;
begin
    perform i.instance_id from {{ private }}.instance as i where i.instance_id = any(p_instance_ids) order by i.instance_id for no key update;
    perform {{ private }}.step_instance(u.instance_id, p_event) from unnest(p_instance_ids) as u(instance_id);
    for v_earlier in
        select i.instance_id, i.lost_by_decision_id
        from {{ private }}.instance as i where i.instance_id = any(p_instance_ids) and i.lost_by_decision_id is not null
    loop
        -- what an earlier loss took, and it has not stopped yet by its word, is not forgotten for this one
        insert into {{ private }}.withdrawal as w (instance_id, stream_id, epoch, withdrawn_at)
        select m.from_instance_id, m.stream_id, m.from_epoch, m.moved_at
        from {{ private }}.movement as m
        where m.decision_id = v_earlier.lost_by_decision_id and m.from_instance_id = v_earlier.instance_id
        on conflict (instance_id, stream_id) do update set epoch = greatest(w.epoch, excluded.epoch);
    end loop;
    -- no rule loses one before its lease is over, but orders do
    perform {{ private }}.await_promises(v_decision_id, p_instance_ids, p_rule);
    perform {{ private }}.free_what_waits_for(p_instance_ids);
    v_counts_as_loss := p_event = 'lost' and {{ private }}.others_are_alive(p_instance_ids);
    update {{ private }}.instance as i
    set
        lost_by_decision_id = v_decision_id, suspended_until = null, session_key = null, session_lost_at = null,
        losses = case
            when not v_counts_as_loss then i.losses
            when i.last_lost_at > {{ private }}.now() - interval '1 hour' then i.losses + 1
            else 1
        end,
        last_lost_at = case when v_counts_as_loss then {{ private }}.now() else i.last_lost_at end
    where i.instance_id = any(p_instance_ids);
    perform {{ private }}.fail_over(v_decision_id, p_instance_ids, p_rule);
    perform {{ private }}.unassign_from_pull_clients(v_decision_id, p_instance_ids, p_rule);
    perform {{ private }}.forget_standbys(p_instance_ids);
    select sum(l.owned) into v_kept from {{ private }}.instance_load as l where l.instance_id = any(p_instance_ids);
    if v_kept > 0 then
        update {{ private }}.decision as d
        set detail = d.detail || jsonb_build_object(
            'kept', v_kept,
            'why', case when {{ private }}.any_instance_is_placeable() then 'no other has room for them' else 'none is left to take them' end
        )
        where d.decision_id = v_decision_id;
    end if;
    -- whether the fleet is level now is looked at then: nothing waits for it here
    perform {{ private }}.request_settle('lost', p_instance_ids[1]);
    v_decision := {{ private }}.close_decision(v_decision_id);
    if p_event = 'lost' then
        perform {{ private }}.count_failover(v_decision);
    end if;
    return v_decision;
end
$function$;
comment on function {{ private }}.lose_instances(text[], text, text, text, text, jsonb) is 'These instances are gone: step their state machines and give their streams to others, in one decision. What no other can take stays with those that may return.';

create or replace function {{ private }}.count_moved(p_decision_id bigint)
    returns integer
    language sql volatile
begin atomic
    select count(*)::integer from {{ private }}.movement as m where m.decision_id = p_decision_id and m.to_instance_id is not null;
end;
comment on function {{ private }}.count_moved(bigint) is 'How many streams a decision gave to an instance; the others that it moved wait.';
