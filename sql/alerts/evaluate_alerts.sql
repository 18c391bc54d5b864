-- Job: open alerts whose condition holds, close those whose condition is over; tell those who are to hear of it. An alert is one
-- row from opening to closing. Its severity may rise while it is open, and never falls.
-- Reads     what alerts/alert_conditions.sql reads
-- Writes    alert, alert_delivery, activity_sample, failure_count, metric_count

create or replace function {{ private }}.sample_activity(p_now timestamptz)
    returns void
    language sql volatile
as $function$
    delete from {{ private }}.activity_sample as s where s.sampled_at < p_now - interval '1 hour';
    -- a report that is being counted reaches back an hour
    delete from {{ private }}.failure_count as c where c.bucket < p_now - interval '70 minutes';
    insert into {{ private }}.activity_sample (instance_id, sampled_at, processed_count, error_count)
    select h.instance_id, p_now, coalesce(h.processed_count, 0), coalesce(h.error_count, 0)
    from {{ private }}.heartbeat as h
    join {{ private }}.instance as i on i.instance_id = h.instance_id
    where i.is_living
    on conflict do nothing
$function$;
comment on function {{ private }}.sample_activity(timestamptz) is 'Remember for an hour what the counters of the beats stand at; failures are forgotten as well.';

create or replace function {{ private }}.evaluate_alerts()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    -- before the look at what is wrong: what others open meanwhile is not closed for not having been seen
    v_open bigint[] := array(select a.alert_id from {{ private }}.alert as a where a.resolved_at is null);
    v_wrong jsonb;
    v_opened bigint[];
    v_escalated bigint[];
    v_reminded bigint[];
    v_closed bigint[];
begin
    if not exists (select from {{ private }}.activity_sample as s where s.sampled_at > v_now - interval '1 minute') then
        perform {{ private }}.sample_activity(v_now);
    end if;
    select coalesce(jsonb_agg(to_jsonb(c)), '[]') into v_wrong from {{ private }}.alert_conditions() as c;

    with closed as (
        update {{ private }}.alert as a
        set resolved_at = v_now, updated_at = v_now
        where a.alert_id = any(v_open)
            and not exists (
                select from jsonb_to_recordset(v_wrong) as c(code text, subject text) where c.code = a.code and c.subject = a.subject
            )
        returning a.alert_id
    )
    select array_agg(c.alert_id) into v_closed from closed as c;

    with changed as (
        update {{ private }}.alert as a
        set
            message = c.message, detail = coalesce(c.detail, '{}'), updated_at = v_now,
            severity = case when {{ private }}.severity_rank(c.severity) > {{ private }}.severity_rank(a.severity) then c.severity else a.severity end
        from jsonb_to_recordset(v_wrong) as c(code text, subject text, severity text, message text, detail jsonb)
        join {{ private }}.alert as before on before.code = c.code and before.subject = c.subject and before.resolved_at is null
        where a.alert_id = before.alert_id
            and (c.message <> a.message or {{ private }}.severity_rank(c.severity) > {{ private }}.severity_rank(a.severity))
        returning a.alert_id, a.severity <> before.severity as is_worse
    )
    select array_agg(c.alert_id) into v_escalated from changed as c where c.is_worse;

    with opened as (
        insert into {{ private }}.alert (code, subject, severity, message, detail, opened_at, updated_at, event_id)
        select
            c.code, c.subject, c.severity, c.message, coalesce(c.detail, '{}'), v_now, v_now,
            coalesce({{ private }}.cause_of_alert(c.code, c.subject), {{ private }}.event_id())
        from jsonb_to_recordset(v_wrong) as c(code text, subject text, severity text, message text, detail jsonb)
        where not {{ private }}.alert_is_open(c.code, c.subject)
        on conflict (code, subject) where resolved_at is null do nothing
        returning alert_id
    )
    select array_agg(o.alert_id) into v_opened from opened as o;

    with reminded as (
        update {{ private }}.alert as a
        set reminded_at = v_now, reminders = a.reminders + 1
        where a.resolved_at is null
            and a.acknowledged_at is null
            and a.severity <> 'info'
            and coalesce(a.reminded_at, a.opened_at) <= v_now - {{ private }}.setting_interval('alert_reminder')
        returning a.alert_id
    )
    select array_agg(r.alert_id) into v_reminded from reminded as r;

    perform {{ private }}.tell_targets(v_opened, 'opened', v_now);
    perform {{ private }}.tell_targets(v_escalated, 'escalated', v_now);
    perform {{ private }}.tell_targets(v_reminded, 'reminded', v_now);
    perform {{ private }}.tell_targets(v_closed, 'resolved', v_now);
    -- no decision goes by it, and no other job looks at every beat so often
    perform {{ private }}.count_round_trips(v_now);
    return nullif(jsonb_strip_nulls(jsonb_build_object(
        'opened', {{ private }}.alerts_named(v_opened), 'escalated', {{ private }}.alerts_named(v_escalated),
        'reminded', {{ private }}.alerts_named(v_reminded), 'closed', {{ private }}.alerts_named(v_closed)
    )), '{}');
end
$function$;
comment on function {{ private }}.evaluate_alerts() is 'Job evaluate_alerts: opens and closes alerts; adds up the round trips of the beats.';

create or replace function {{ private }}.alerts_named(p_alert_ids bigint[])
    returns jsonb
    language sql stable
begin atomic
    select jsonb_agg(jsonb_build_object('code', a.code, 'subject', a.subject) order by a.alert_id)
    from {{ private }}.alert as a
    where a.alert_id = any(p_alert_ids);
end;
comment on function {{ private }}.alerts_named(bigint[]) is 'Alerts by their codes and subjects; null for none.';
