-- Recovery mode (R4.3): when too much fails, nothing is moved that could stay. Balancing is frozen, beats are spread out;
-- failover, the placement of what waits, drains and hand-overs go on.
--   on    more than recovery_failures_per_minute within the last minute
--   off   on for recovery_quiet_time at least, and in no minute of that time more than half of the threshold
-- Two levels and a least time: it cannot flap. What an administrator ended begins anew with the failures after that.
-- Reads     failure_count
-- Locks     controller
-- Writes    controller, settle_request

create or replace function {{ private }}.failures_per_minute(p_from timestamptz)
    returns integer
    language sql volatile
as $function$
    -- whole steps of ten seconds, the present one included; a minute is six of them
    select least(coalesce(max(w.failures), 0), 2147483647)::integer
    from (
        select sum(b.failures) over (order by b.bucket range between interval '50 seconds' preceding and current row) as failures
        from (
            select c.bucket, sum(c.failures) as failures
            from {{ private }}.failure_count as c
            where c.bucket > p_from and c.bucket <= {{ private }}.now()
            group by c.bucket
        ) as b
    ) as w
$function$;
comment on function {{ private }}.failures_per_minute(timestamptz) is 'The most failures of any minute since then.';

create or replace function {{ private }}.failing_reporters(p_from timestamptz)
    returns jsonb
    language sql volatile
as $function$
    select coalesce(jsonb_object_agg(r.reporter, r.failures), '{}')
    from (
        select c.reporter, sum(c.failures) as failures
        from {{ private }}.failure_count as c
        where c.bucket > p_from
        group by c.reporter
        order by 2 desc, 1
        limit 5
    ) as r
$function$;
comment on function {{ private }}.failing_reporters(timestamptz) is 'Whom the most failures happened to since then: the first five, with their failures.';

create or replace function {{ private }}.balancing_is_frozen()
    returns boolean
    language sql volatile
as $function$
    select c.paused_at is not null or c.recovery_since is not null from {{ private }}.controller as c
$function$;
comment on function {{ private }}.balancing_is_frozen() is 'Whether nothing may be moved for balance by itself: balancing is paused, or recovery mode is on.';

create or replace function {{ private }}.note_recovery()
    returns jsonb
    language sql volatile
as $function$
    select jsonb_strip_nulls(jsonb_build_object('recovery_since', c.recovery_since)) from {{ private }}.controller as c
$function$;
comment on function {{ private }}.note_recovery() is 'For the record of a decision: since when recovery mode is on, an empty object when it is off.';

create or replace function {{ private }}.leave_recovery(p_now timestamptz, p_why jsonb)
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_controller {{ private }}.controller;
begin
    select * into v_controller from {{ private }}.controller for no key update;
    if v_controller.recovery_since is null then
        return null;
    end if;
    update {{ private }}.controller as c
    set recovery_since = null, recovery_ended_at = p_now, recovery_detail = c.recovery_detail || p_why;
    -- what should have been levelled meanwhile
    perform {{ private }}.request_settle('resumed');
    return jsonb_build_object('recovery_mode', 'off', 'since', v_controller.recovery_since) || p_why;
end
$function$;
comment on function {{ private }}.leave_recovery(timestamptz, jsonb) is 'End recovery mode, and let what has become unfair meanwhile be levelled; null when it was off.';
