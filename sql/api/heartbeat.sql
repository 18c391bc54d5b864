-- An instance is alive. One round trip, one HOT update; never the decision lock, never a notification.
-- Locks     instance (only when its status changes), then its heartbeat row
-- Writes    heartbeat; instance and settle_request when the status changes, or a lost instance is in step again
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
    v_in_step boolean;
begin
    if v_instance.status not in ('active', 'draining') or v_instance.suspended_until is not null or v_report.status = 'draining' then
        perform {{ private }}.hear_instance(v_instance, v_report.status = 'draining');
    end if;

    -- a stream may have to go before the worker has heard of it: no digest tells, and the next owner waits for its word
    select p_digest is null or (l.digest = p_digest and l.outgoing = 0) into v_in_step
    from {{ private }}.instance_load as l
    where l.instance_id = p_instance_id;
    if v_in_step and p_digest is not null and v_instance.lost_by_decision_id is not null then
        -- it has stopped what was given to others when it was lost
        update {{ private }}.instance as i
        set lost_by_decision_id = null
        where i.instance_id = p_instance_id and i.lost_by_decision_id = v_instance.lost_by_decision_id;
    end if;
    update {{ private }}.heartbeat as h
    set
        beat_at = {{ private }}.now(),
        sent_at = v_report.sent_at,
        last_activity = coalesce(v_report.last_activity, h.last_activity),
        digest = coalesce(p_digest, h.digest),
        in_step = v_in_step,
        status = v_report.status,
        current_streams = v_report.current_streams,
        processed_count = coalesce(v_report.processed_count, h.processed_count),
        error_count = coalesce(v_report.error_count, h.error_count),
        cpu_usage = v_report.cpu_usage,
        memory_usage = v_report.memory_usage
    where h.instance_id = p_instance_id and h.incarnation = p_incarnation;
    if not found then
        -- another process took the name over meanwhile: it must not hear of streams under the new epochs
        perform {{ private }}.speak_for(p_instance_id, p_incarnation);
    end if;

    if not v_in_step then
        return query select c.* from {{ private }}.commands_for(p_instance_id, p_digest) as c;
    end if;
end
$function$;
comment on function {{ api }}.heartbeat(text, bigint, bigint, jsonb) is 'A beat. The digest of what the instance runs is compared with what it should; the answer is what repairs the difference, no rows when there is none. p_report: status ("draining" asks to be emptied), current_streams, processed_count, error_count, cpu_usage, memory_usage, last_activity, timestamp.';
revoke all on function {{ api }}.heartbeat(text, bigint, bigint, jsonb) from public;
grant execute on function {{ api }}.heartbeat(text, bigint, bigint, jsonb) to {{ worker }}, {{ admin }};
