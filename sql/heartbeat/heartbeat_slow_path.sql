-- What a beat says that is out of the ordinary, before it is written down.
-- Locks     instance (when its status changes)
-- Writes    instance, settle_request, repair, heartbeat.attempts

create or replace function {{ private }}.heartbeat_slow_path(
    p_instance_id text, p_incarnation bigint, p_digest bigint, p_report {{ private }}.report,
    out in_step boolean, out is_explained boolean, out attempts smallint
)
    language plpgsql volatile
as $function$
declare
    v_instance {{ private }}.instance := {{ private }}.authorize_instance(p_instance_id, p_incarnation);
    v_seen record;
    v_counts boolean;
begin
    if {{ private }}.is_changed_by_a_beat(v_instance) or p_report.status = 'draining' then
        perform {{ private }}.apply_status_event(v_instance, p_report);
    end if;

    -- what it should run, and what its last beat said
    select l.digest, l.owned, l.outgoing, l.changed_at, h.beat_at as last_beat_at, h.digest as last_digest, h.attempts
    into v_seen
    from {{ private }}.instance_load as l
    join {{ private }}.heartbeat as h on h.instance_id = l.instance_id
    where l.instance_id = p_instance_id;
    attempts := v_seen.attempts;
    -- a stream may have to go before the worker has heard of it: no digest tells, and the next owner waits for its word
    v_counts := {{ private }}.is_count_of(p_report.current_streams, v_seen.owned, v_instance.metadata);
    in_step := p_digest is null or (p_digest = v_seen.digest and v_seen.outgoing = 0 and v_counts);
    is_explained := case when p_digest = v_seen.digest then v_counts else p_digest = {{ private }}.confirmed_digest(p_instance_id) end;
    if not in_step then
        if is_explained then
            attempts := 0;
        elsif not {{ private }}.is_under_way(
            p_instance_id, v_seen.changed_at, v_seen.last_beat_at, p_digest is distinct from v_seen.last_digest
        ) then
            attempts := {{ private }}.record_repair(
                p_instance_id, p_incarnation, 'heartbeat', 'commands',
                jsonb_build_object(
                    'digest', p_digest, 'expected_digest', v_seen.digest,
                    'reported_streams', p_report.current_streams, 'owned', v_seen.owned
                )
            );
        end if;
    elsif p_digest is not null then
        attempts := 0;
        if v_instance.lost_by_decision_id is not null then
            -- it has stopped what was given to others when it was lost
            update {{ private }}.instance as i
            set lost_by_decision_id = null
            where i.instance_id = p_instance_id and i.lost_by_decision_id = v_instance.lost_by_decision_id;
        end if;
    end if;
    if attempts < v_seen.attempts then
        perform {{ private }}.close_repairs(p_instance_id);
    end if;
end
$function$;
comment on function {{ private }}.heartbeat_slow_path(text, bigint, bigint, {{ private }}.report) is 'A beat that is not an ordinary one: hear the instance, compare digests, record what nothing explains. Whether it is in step, whether what differs is explained, and which attempt to get in step this is.';
