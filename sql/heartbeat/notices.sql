-- What a beat is told beside its commands, and what it sees while no driver is there to see it.
-- Reads     job, controller, setting, pg_stat_activity
-- Locks     session_watch and a job's row, unless another session does; alert
-- Writes    alert, alert_delivery, session_watch (when no driver runs)

create or replace function {{ private }}.jobs_waiting()
    returns setof {{ private }}.job
    language sql stable
as $function$
    -- a first look that costs next to nothing, on every beat: no_driver_alert cannot be shorter
    select j.*
    from {{ private }}.job as j
    where j.next_run_at <= {{ private }}.now() - interval '10 seconds'
        and (j.claimed_until is null or j.claimed_until <= {{ private }}.now() - interval '10 seconds')
        and j.enabled
        and j.runs_in = 'database'
$function$;
comment on function {{ private }}.jobs_waiting() is 'Jobs of the database that have waited so long that there might be no driver.';

create or replace function {{ private }}.driver_is_missing()
    returns boolean
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_last timestamptz := (select max(j.last_started_at) from {{ private }}.job as j);
    v_missed_at timestamptz;
begin
    if {{ private }}.drivers_connected() = 0 then
        return true;
    end if;
    -- it may hang; or the clock went forward just now, and it is about to say so
    select w.driver_missed_at into v_missed_at from {{ private }}.session_watch as w for no key update skip locked;
    if not found then
        return false;
    end if;
    if v_missed_at > v_last and v_missed_at <= v_now then
        return v_missed_at <= v_now - interval '5 seconds';
    end if;
    update {{ private }}.session_watch as w set driver_missed_at = v_now;
    return false;
end
$function$;
comment on function {{ private }}.driver_is_missing() is 'No driver is there to run jobs that are long due. Of one that is connected this is known at a second beat, at least 5 s later.';

create or replace function {{ private }}.wanted_interval(p_lease interval, p_has_standbys boolean)
    returns table (seconds double precision)
    language sql stable
as $function$
    -- spread out in recovery mode, with time for the next beat before anybody warns of it; a lease has room for two, always
    select
        date_part('epoch', least(
            case
                when c.recovery_since is null then s.value::interval
                else least(2 * s.value::interval, {{ private }}.setting_interval('heartbeat_warning') * 2 / 3)
            end,
            p_lease / 2,
            case when p_has_standbys then {{ private }}.setting_interval('standby_takeover') / 4 end
        ))
    from {{ private }}.controller as c
    cross join {{ private }}.setting as s
    where s.name = 'heartbeat_interval'
$function$;
comment on function {{ private }}.wanted_interval(interval, boolean) is 'How often an instance with this lease is to beat now; one whose streams have standbys so often that a lost beat moves nothing.';

create or replace function {{ private }}.notice_for(
    p_wanted double precision, p_incoming integer, p_interval double precision, p_window double precision
)
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_job text;
    v_overdue interval;
    v_told double precision := case when abs(p_interval - p_wanted) >= 0.001 then p_wanted end;
    v_window double precision := case when p_window is not null then extract(epoch from {{ private }}.setting_interval('standby_window')) end;
begin
    if exists (select from {{ private }}.jobs_waiting()) then
        select o.job, o.overdue into v_job, v_overdue from {{ private }}.overdue_job() as o;
        if v_job is not null and not {{ private }}.driver_is_missing() then
            v_job := null;
            v_overdue := null;
        end if;
        if v_job is not null and not {{ private }}.alert_is_open('no_driver', '') then
            -- a session that holds the job's row runs it after all, or is opening the alert: no beat waits for that
            perform from {{ private }}.job as j where j.job = v_job for no key update skip locked;
            if found then
                perform {{ private }}.open_alert(c.code, c.subject, c.severity, c.message, c.detail) from {{ private }}.no_driver() as c;
            end if;
        end if;
    end if;
    if p_interval is null then
        return null; -- it would not understand
    end if;
    if abs(v_window - p_window) < 0.001 then
        v_window := null;
    end if;
    if v_told is null and p_incoming = 0 and v_overdue is null and v_window is null then
        return null;
    end if;
    return jsonb_strip_nulls(jsonb_build_object(
        'heartbeat_interval', v_told,
        -- its owner may let go at any moment, and the notification of that may get lost
        'next_beat_in', case when p_incoming > 0 then 2 end,
        'standby_window', v_window,
        'no_driver_for', extract(epoch from date_trunc('second', v_overdue))
    ));
end
$function$;
comment on function {{ private }}.notice_for(double precision, integer, double precision, double precision) is 'What a worker that goes by p_interval (seconds; null: it would not understand) should know: another interval of beats, or another window of its standbys (p_window), than the one it goes by, that a stream is on its way to it, or that no driver runs (which opens an alert, whoever beats). Null: nothing.';
