-- Job: switch recovery mode on and off (R4.3; balancing/recovery.sql says when).
-- Locks     controller
-- Writes    controller, settle_request

create or replace function {{ private }}.watch_recovery()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_most integer := {{ private }}.setting_number('recovery_failures_per_minute');
    v_quiet interval := {{ private }}.setting_interval('recovery_quiet_time');
    v_controller {{ private }}.controller;
    v_failures integer;
    v_detail jsonb;
begin
    select * into v_controller from {{ private }}.controller;
    if v_controller.recovery_since is null then
        v_failures := {{ private }}.failures_per_minute(greatest(
            v_now - interval '1 minute',
            case when v_controller.recovery_detail ? 'ended_by' then v_controller.recovery_ended_at end
        ));
        if v_failures <= v_most then
            return null;
        end if;
        v_detail := jsonb_build_object(
            'failures', v_failures, 'threshold', v_most, 'reporters', {{ private }}.failing_reporters(v_now - interval '1 minute')
        );
        update {{ private }}.controller as c
        set recovery_since = v_now, recovery_ended_at = null, recovery_detail = v_detail, recovery_event_id = {{ private }}.event_id()
        where c.recovery_since is null;
        return v_detail || jsonb_build_object('recovery_mode', 'on');
    end if;

    if v_controller.recovery_since > v_now - v_quiet
        -- the ten seconds before are looked at as well: what was counted there may be younger
        or {{ private }}.failures_per_minute(v_now - v_quiet - interval '10 seconds') > v_most / 2
    then
        return null;
    end if;
    return {{ private }}.leave_recovery(v_now, jsonb_build_object('quiet_for', v_quiet));
end
$function$;
comment on function {{ private }}.watch_recovery() is 'Job watch_recovery: recovery mode on when too much fails, off when it has been quiet.';
