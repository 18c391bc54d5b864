-- What happens to an alert, and who is to be told of it: a row per event and target, which is what makes it go out once.
-- Locks     alert, then alert_delivery (and its target's key)
-- Writes    alert, alert_delivery

create or replace function {{ private }}.cause_of_waiting()
    returns uuid
    language sql stable
as $function$
    select d.event_id
    from (
        (
            select a.decision_id, a.waiting_since as since
            from {{ private }}.assignment as a
            where a.waiting_since is not null
            order by a.requirement_id, a.waiting_since, a.stream_id -- as the index has them, so that it is read and not the table
            limit 1000
        )
        union all
        select i.lost_by_decision_id, i.status_changed_at
        from {{ private }}.instance as i
        join {{ private }}.instance_load as l on l.instance_id = i.instance_id
        where i.status = 'inactive' and l.owned > 0
    ) as w
    left join {{ private }}.decision as d on d.decision_id = w.decision_id
    order by w.since
    limit 1
$function$;
comment on function {{ private }}.cause_of_waiting() is 'The event that left the stream that has waited for longest without an owner, or with a lost one.';

create or replace function {{ private }}.cause_of_alert(p_code text, p_subject text)
    returns uuid
    language sql stable
as $function$
    select case p_code
        when 'no_active_instance' then (
            select d.event_id
            from {{ private }}.decision as d
            where d.decision_id = (select max(i.lost_by_decision_id) from {{ private }}.instance as i)
                -- else they are silent, and no decision says that they are lost
                and not exists (
                    select from {{ private }}.instance as i
                    where i.is_living
                )
        )
        when 'streams_waiting' then {{ private }}.cause_of_waiting()
        when 'instance_on_probation' then (
            select i.probation_event_id from {{ private }}.instance as i where i.instance_id = p_subject
        )
        when 'station_failing' then (
            select f.event_id from {{ private }}.station_fault as f where f.stream_id = p_subject::bigint
        )
        when 'source_lost' then (select s.failure_event_id from {{ private }}.source as s where s.source = p_subject)
        when 'recovery_mode' then (select c.recovery_event_id from {{ private }}.controller as c)
        when 'job_failing' then (
            select r.event_id
            from {{ private }}.job_run as r
            where r.job = p_subject and r.outcome = 'failed'
            order by r.job_run_id desc
            limit 1
        )
    end
$function$;
comment on function {{ private }}.cause_of_alert(text, text) is 'The event of the decision or job run that an alert is about; null when it is about none.';

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
            -- a target that heard of it hears that it is over, and no other
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
