-- Job: open alerts whose condition holds, close those whose condition is over. An alert is one row from opening to closing.
-- Reads     instance, heartbeat, source, assignment
-- Writes    alert

create or replace function {{ private }}.alert_conditions()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    -- somebody was there once, and nobody has been for no_instance_alert
    select 'no_active_instance', '', 'critical', 'no instance has been active for ' || {{ private }}.setting_text('no_instance_alert'),
        jsonb_build_object('last_active_at', max(i.was_there_at), 'waiting', {{ private }}.count_waiting(1000))
    from (
        -- that a lost instance is removed in the end says nothing new
        select n.status, case when n.status_event = 'forgotten' then h.beat_at else n.status_changed_at end as was_there_at
        from {{ private }}.instance as n
        join {{ private }}.heartbeat as h on h.instance_id = n.instance_id
    ) as i
    having count(*) > 0
        and count(*) filter (where i.status in ('registered', 'active', 'warning', 'recovering', 'draining')) = 0
        and max(i.was_there_at) <= {{ private }}.now() - {{ private }}.setting_interval('no_instance_alert')
    union all
    select 'source_lost', s.source, 'critical', 'the source could not be synchronised ' || s.consecutive_failures || ' times in a row',
        jsonb_build_object('last_success_at', s.last_success_at, 'last_error', s.last_error)
    from {{ private }}.source as s
    where s.enabled and s.consecutive_failures >= 3
    union all
    select 'streams_waiting', '', 'warning', 'streams wait for an instance with room and ability',
        jsonb_build_object('waiting', w.streams, 'oldest', w.oldest)
    from (
        select count(*) as streams, min(a.waiting_since) as oldest
        from (
            select a.waiting_since
            from {{ private }}.assignment as a
            where a.waiting_since is not null
            order by a.requirement_id, a.waiting_since, a.stream_id -- as the index has them, so that it is read and not the table
            limit 1000
        ) as a
    ) as w
    where w.oldest <= {{ private }}.now() - interval '1 minute'
$function$;
comment on function {{ private }}.alert_conditions() is 'What is wrong now, one row per alert that should be open.';

create or replace function {{ private }}.evaluate_alerts()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_opened jsonb;
    v_closed jsonb;
begin
    with opened as (
        insert into {{ private }}.alert as a (code, subject, severity, message, detail, opened_at, updated_at)
        select c.code, c.subject, c.severity, c.message, c.detail, v_now, v_now
        from {{ private }}.alert_conditions() as c
        on conflict (code, subject) where resolved_at is null
        do update set message = excluded.message, detail = excluded.detail, severity = excluded.severity, updated_at = excluded.updated_at
        where (a.message, a.severity) is distinct from (excluded.message, excluded.severity)
        returning a.code, a.subject, a.opened_at = a.updated_at as is_new
    )
    select jsonb_agg(jsonb_build_object('code', o.code, 'subject', o.subject)) into v_opened from opened as o where o.is_new;

    with closed as (
        update {{ private }}.alert as a
        set resolved_at = v_now, updated_at = v_now
        where a.resolved_at is null
            and a.code in ('no_active_instance', 'source_lost', 'streams_waiting')
            and not exists (select from {{ private }}.alert_conditions() as c where c.code = a.code and c.subject = a.subject)
        returning a.code, a.subject
    )
    select jsonb_agg(jsonb_build_object('code', c.code, 'subject', c.subject)) into v_closed from closed as c;
    return nullif(jsonb_strip_nulls(jsonb_build_object('opened', v_opened, 'closed', v_closed)), '{}');
end
$function$;
comment on function {{ private }}.evaluate_alerts() is 'Job evaluate_alerts: opens and closes alerts.';
