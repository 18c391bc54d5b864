-- What happens to an alert, and who is to be told of it: a row per event and target, which is what makes it go out once.
-- Locks     alert, then alert_delivery (and its target's key)
-- Writes    alert, alert_delivery

create or replace function {{ private }}.severity_rank(p_severity text)
    returns integer
    language sql immutable parallel safe
begin atomic
    select array_position(array['info', 'warning', 'critical'], p_severity);
end;
comment on function {{ private }}.severity_rank(text) is 'Severities in their order: info, warning, critical.';

create or replace function {{ private }}.tell_targets(p_alert_ids bigint[], p_event text, p_at timestamptz)
    returns void
    language sql volatile
as $function$
    insert into {{ private }}.alert_delivery (alert_id, event, event_number, target, happened_at, changed_at)
    select
        a.alert_id, p_event,
        case p_event when 'escalated' then {{ private }}.severity_rank(a.severity) when 'reminded' then a.reminders else 0 end,
        t.target, p_at, p_at
    from {{ private }}.alert as a
    cross join {{ private }}.alert_target as t
    where a.alert_id = any(p_alert_ids)
        and t.enabled
        and case
            -- whoever heard of it hears that it is over, and nobody else
            when p_event = 'resolved' then exists (
                select from {{ private }}.alert_delivery as d where d.alert_id = a.alert_id and d.target = t.target
            )
            else {{ private }}.severity_rank(a.severity) >= {{ private }}.severity_rank(t.minimum_severity)
        end
    order by a.alert_id, t.target
    on conflict do nothing
$function$;
comment on function {{ private }}.tell_targets(bigint[], text, timestamptz) is 'An event of these alerts is to be told to every target that wants alerts of their severity.';

create or replace function {{ private }}.open_alert(p_code text, p_subject text, p_severity text, p_message text, p_detail jsonb)
    returns void
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_alert_id bigint;
begin
    insert into {{ private }}.alert (code, subject, severity, message, detail, opened_at, updated_at, event_id)
    values (
        p_code, p_subject, p_severity, p_message, p_detail, v_now, v_now,
        coalesce({{ private }}.cause_of_alert(p_code, p_subject), {{ private }}.event_id())
    )
    on conflict (code, subject) where resolved_at is null do nothing
    returning alert_id into v_alert_id;
    if v_alert_id is not null then
        perform {{ private }}.tell_targets(array[v_alert_id], 'opened', v_now);
    end if;
end
$function$;
comment on function {{ private }}.open_alert(text, text, text, text, jsonb) is 'Open an alert now, unless it is open; the job evaluate_alerts keeps it and closes it.';
