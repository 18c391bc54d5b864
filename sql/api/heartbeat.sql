-- An instance is alive. One round trip, one HOT update; never the decision lock, never a notification.
-- Locks     instance (only when its status changes), then its heartbeat row; stream (key share) and stall rows when it
--           names streams that are silent, but for those that somebody holds
-- Writes    heartbeat; instance and settle_request when the status changes, or a lost instance is in step again; repair when
--           the digest differs and nothing under way explains it, or no longer does; stall when it names streams that are silent;
--           alert and alert_delivery when no driver runs
-- Raises    OR101 bad report · OR103 unknown instance · OR106 another login's · OR301 stale incarnation
create or replace function {{ api }}.heartbeat(
    p_instance_id text, p_incarnation bigint, p_digest bigint default null, p_report jsonb default '{}'
)
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_instance {{ private }}.instance := {{ private }}.speak_for(p_instance_id, p_incarnation);
    v_report {{ private }}.heartbeat := {{ private }}.read_report(p_report);
    v_seen record;
    v_in_step boolean;
    v_is_explained boolean;
    v_attempts smallint;
    v_notice jsonb;
begin
    if v_instance.status not in ('active', 'draining') or v_instance.suspended_until is not null or v_report.status = 'draining' then
        perform {{ private }}.hear_instance(v_instance, v_report);
    end if;

    -- what it should run, and what its last beat said
    select l.digest, l.owned, l.incoming, l.outgoing, l.changed_at, h.beat_at as last_beat_at, h.digest as last_digest, h.attempts
    into v_seen
    from {{ private }}.instance_load as l
    join {{ private }}.heartbeat as h on h.instance_id = l.instance_id
    where l.instance_id = p_instance_id;
    v_attempts := v_seen.attempts;
    -- a stream may have to go before the worker has heard of it: no digest tells, and the next owner waits for its word
    v_in_step := p_digest is null or (p_digest = v_seen.digest and v_seen.outgoing = 0);
    if not v_in_step then
        v_is_explained := p_digest in (v_seen.digest, {{ private }}.confirmed_digest(p_instance_id));
        if v_is_explained then
            v_attempts := 0;
        elsif not {{ private }}.is_under_way(
            p_instance_id, v_seen.changed_at, v_seen.last_beat_at, p_digest is distinct from v_seen.last_digest
        ) then
            v_attempts := {{ private }}.record_repair(
                p_instance_id, p_incarnation, 'heartbeat', 'commands',
                jsonb_build_object(
                    'digest', p_digest, 'expected_digest', v_seen.digest,
                    'reported_streams', v_report.current_streams, 'owned', v_seen.owned
                )
            );
        end if;
    elsif p_digest is not null then
        v_attempts := 0;
        if v_instance.lost_by_decision_id is not null then
            -- it has stopped what was given to others when it was lost
            update {{ private }}.instance as i
            set lost_by_decision_id = null
            where i.instance_id = p_instance_id and i.lost_by_decision_id = v_instance.lost_by_decision_id;
        end if;
    end if;
    if v_attempts < v_seen.attempts then
        perform {{ private }}.close_repairs(p_instance_id);
    end if;

    update {{ private }}.heartbeat as h
    set
        beat_at = {{ private }}.now(),
        beats = h.beats + 1,
        missed = h.missed + {{ private }}.missed_beats(h.beat_at, p_report),
        round_trip = v_report.round_trip,
        sent_at = v_report.sent_at,
        last_activity = coalesce(v_report.last_activity, h.last_activity),
        digest = coalesce(p_digest, h.digest),
        in_step = v_in_step,
        attempts = v_attempts,
        status = v_report.status,
        current_streams = v_report.current_streams,
        processed_count = coalesce(v_report.processed_count, h.processed_count),
        error_count = coalesce(v_report.error_count, h.error_count),
        cpu_usage = v_report.cpu_usage,
        memory_usage = v_report.memory_usage,
        progressing = v_report.progressing,
        progress_at = case when {{ private }}.is_progress(h, v_report) then {{ private }}.now() else h.progress_at end,
        stalled = v_report.stalled,
        breaker = v_report.breaker,
        breaker_opened = v_report.breaker_opened
    where h.instance_id = p_instance_id and h.incarnation = p_incarnation;
    if not found then
        -- another process took the name over meanwhile: it must not hear of streams under the new epochs
        perform {{ private }}.speak_for(p_instance_id, p_incarnation);
    end if;

    if v_report.stalled > 0 then
        return query select c.* from {{ private }}.hear_stalls(p_instance_id, p_report -> 'stalled') as c;
    end if;

    if not v_in_step then
        return query select c.* from {{ private }}.commands_for(p_instance_id, v_is_explained) as c;
    end if;

    -- what it should know
    v_notice := {{ private }}.notice_for(v_instance, v_seen.incoming, p_report);
    if v_notice is not null then
        return query select 'notice', null::bigint, null::bigint, null::text, null::text, v_notice;
    end if;
end
$function$;
comment on function {{ api }}.heartbeat(text, bigint, bigint, jsonb) is 'A beat. p_digest, a signed 64-bit integer, is the digest of what the instance runs; it is compared with what it should run; the answer is what repairs the difference, no rows when there is none. A row notice (for who reports its heartbeat_interval) says in metadata what the worker should know: heartbeat_interval, to beat so often from now on; next_beat_in, seconds, when a stream is on its way to it; no_driver_for, seconds. p_report: status ("draining" asks to be emptied), current_streams, processed_count, error_count, cpu_usage, memory_usage, last_activity, timestamp, heartbeat_interval (seconds), progressing (streams), stalled ([{"stream_id", "epoch", "silent_for"}]), breaker ("closed", "half-open", "open"), breaker_opened (times), round_trip (seconds that the beat before took).';
revoke all on function {{ api }}.heartbeat(text, bigint, bigint, jsonb) from public;
grant execute on function {{ api }}.heartbeat(text, bigint, bigint, jsonb) to {{ worker }}, {{ admin }};
