-- An instance is alive. One round trip, one HOT update, never a notification; the decision lock only in the first moment after a start of the server.
-- Nearly every beat is an ordinary one: in step, with nothing to be told. It is one statement, which also finds out whether
-- it is one; only what it leaves goes the long way (heartbeat_slow_path), and then the same statement again.
-- Locks     decision (only when this may be another database than it was at the last look); instance (only when its status
--           changes), then its heartbeat row; stream (key share) and stall rows when it
--           names streams that are silent, but for those that are held
-- Writes    heartbeat; instance and settle_request when the status changes, or a lost instance is in step again; repair when
--           the digest differs and nothing under way explains it, or no longer does; stall when it names streams that are silent;
--           alert and alert_delivery when no driver runs
-- Raises    OR101 bad report · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.heartbeat(
    p_instance_id text, p_incarnation bigint, p_digest bigint default null, p_report jsonb default '{}'
)
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_report {{ private }}.report := {{ private }}.read_report(p_report);
    v_is_heard boolean := false;
    v_in_step boolean := true;
    v_is_explained boolean;
    v_attempts smallint := 0;
    v_said record;
    v_notice jsonb;
begin
    loop
        update {{ private }}.heartbeat as h
        set
            beat_at = {{ private }}.now(),
            beats = h.beats + 1,
            missed = h.missed + {{ private }}.missed_beats(h.beat_at, v_report.heartbeat_interval),
            round_trip = v_report.round_trip,
            sent_at = v_report."timestamp",
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
            progress_at = case
                when {{ private }}.is_progress(v_report.progressing, v_report.processed_count, h.processed_count) then {{ private }}.now()
                else h.progress_at
            end,
            stalled = coalesce(jsonb_array_length(v_report.stalled), 0),
            breaker = v_report.breaker,
            breaker_opened = v_report.breaker_opened,
            standbys_silent = v_report.standbys_silent
        from {{ private }}.instance as i
        join {{ private }}.instance_load as l on l.instance_id = i.instance_id
        cross join lateral {{ private }}.wanted_interval(i.lease, l.has_standbys) as w
        -- no collation of the caller's own making
        where i.instance_id = p_instance_id collate "default"
            and h.instance_id = i.instance_id
            and h.incarnation = p_incarnation
            and (
                v_is_heard
                or (
                    -- its status is what a beat makes it, and it may speak for the instance
                    i.status in ('active', 'draining')
                    and i.incarnation = p_incarnation
                    and {{ private }}.may_act_for(session_user, i.owner_role, i.owner_oid)
                    and i.suspended_until is null
                    and v_report.status is distinct from 'draining'
                    -- it is in step, and was
                    and (p_digest is null or (
                        p_digest = l.digest and l.outgoing = 0 and {{ private }}.is_count_of(v_report.current_streams, l.owned, i.metadata)
                    ))
                    and h.attempts = 0
                    and i.lost_by_decision_id is null
                    -- it is told of epochs
                    and (l.incoming = 0 or {{ private }}.is_same_database())
                )
            )
        returning
            l.incoming, w.seconds as wanted_interval,
            -- one that does not speak of standbys has none
            coalesce(v_report.standbys, 0) = l.standby_digest as standbys_in_step,
            not v_is_heard
            and v_report.stalled is null
            and l.incoming = 0
            and coalesce(v_report.standbys, 0) = l.standby_digest
            and v_report.standby_window is null
            and (v_report.heartbeat_interval is null or abs(v_report.heartbeat_interval - w.seconds) < 0.001)
            and not exists (select from {{ private }}.jobs_waiting()) as is_all
        into v_said;
        exit when found;
        if v_is_heard then
            -- another process took the name over meanwhile: it must not hear of streams under the new epochs
            perform {{ private }}.authorize_instance(p_instance_id, p_incarnation);
            exit;
        end if;
        perform {{ private }}.be_sure_of_database();
        select b.* into v_in_step, v_is_explained, v_attempts
        from {{ private }}.heartbeat_slow_path(p_instance_id, p_incarnation, p_digest, v_report) as b;
        v_is_heard := true;
    end loop;
    if v_said.is_all then
        return;
    end if;

    if jsonb_array_length(v_report.stalled) > 0 then
        return query select c.* from {{ private }}.record_stalls(p_instance_id, v_report.stalled) as c;
    end if;

    if v_said.incoming > 0 then
        return query select c.* from {{ private }}.prepare_commands(p_instance_id) as c;
    end if;

    if not v_in_step then
        return query select c.* from {{ private }}.commands_for(p_instance_id, v_is_explained) as c;
        if not found and not v_is_explained then
            -- It has what is not known here, and owns nothing that could be said: an answer without a row would say that all is well. What
            -- it has not cannot be stopped, so it reports all that it has.
            return query select 'remove', 0::bigint, 0::bigint, null::text, null::text, null::jsonb;
        end if;
    end if;

    if not v_said.standbys_in_step then
        return query select c.* from {{ private }}.standby_commands(p_instance_id, coalesce(v_report.standbys, 0)) as c;
    end if;

    -- what it should know
    v_notice := {{ private }}.notice_for(v_said.wanted_interval, v_said.incoming, v_report.heartbeat_interval, v_report.standby_window);
    if v_notice is not null then
        return query select 'notice', null::bigint, null::bigint, null::text, null::text, v_notice;
    end if;
end
$function$;
comment on function {{ api }}.heartbeat(text, bigint, bigint, jsonb) is
'Say that an instance is alive, and what it runs. The answer is what repairs the difference to what it should run; no rows: there is none.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_digest: the digest of what it runs, a signed 64-bit integer; null says nothing about it.
p_report: what else it knows, all keys optional: status ("draining" asks to be emptied), current_streams, processed_count, error_count, cpu_usage and memory_usage (percent), last_activity, timestamp, heartbeat_interval (seconds), progressing (streams), stalled ([{"stream_id", "epoch", "silent_for" (seconds)}]), breaker ("closed", "half-open", "open"), breaker_opened (times), round_trip (seconds that the beat before took), standbys (the digest of what it hears as a standby, over the numbers of these), standby_window (seconds that its standbys keep), standbys_silent ([{"stream_id", "epoch" (the number), "silent_for"}]).
action: add, remove (of stream 0, which nobody has: what is reported is not known here, and report_streams is to tell it in full), restart (a silent stream), prepare (hear the stream without being its owner yet, acknowledge a start when it is heard, and stop preparing what is not named any more), standby (hear the stream without being its owner, and acknowledge a start when it is heard), standby_end (hear it no more; of stream 0: end every standby that this answer does not name; what the answer adds is promoted and not ended) or notice.
stream_id: the stream; null for a notice.
epoch: the epoch under which to start or stop it; for prepare the one that it is going to have; of a standby its number, which is below zero.
name: the name of the station; only for add, prepare and standby.
url: its address; only for add, prepare and standby.
metadata: what the source knows about it; for a notice heartbeat_interval (seconds, to beat so often from now on), next_beat_in (seconds, when a stream is on its way), standby_window (seconds that standbys are to keep from now on) and no_driver_for (seconds).
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from {{ api }}.heartbeat(''fingerv7-001'', 1, 0, ''{"current_streams": 0, "cpu_usage": 12.5}'');';
revoke all on function {{ api }}.heartbeat(text, bigint, bigint, jsonb) from public;
grant execute on function {{ api }}.heartbeat(text, bigint, bigint, jsonb) to {{ worker }}, {{ admin }};
