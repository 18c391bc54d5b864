-- Claim everything that one target is yet to be told, to send it as one message. It is marked as being sent, which must be
-- committed before anything is sent: a driver that dies meanwhile leaves it unknown, and it is not sent again.
-- At most one target a call, and only one that is not being told already, may be tried (again) and was not told within
-- alert_message_interval; the target log is always free.
-- Locks     the target's row (skipping what others hold), alert_delivery of the target
-- Writes    alert_delivery
create or replace function {{ api }}.claim_alert_deliveries(p_targets text[], p_driver text default null)
    returns table (
        target text, alert_id bigint, code text, subject text, severity text, message text, detail jsonb, event text,
        event_number integer, attempts integer, opened_at timestamptz, happened_at timestamptz, acknowledged_by text, resolved_at timestamptz,
        event_id uuid
    )
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_by text := coalesce(p_driver, {{ private }}.actor());
    v_target text;
begin
    perform {{ private }}.abandon_deliveries();
    for v_target in select t.target from {{ private }}.targets_to_tell(p_targets) as t loop
        -- a session that holds the target is telling it; and what was to be told may be told since the look
        continue when not {{ private }}.hold_alert_target(v_target);
        return query
        with claimed as (
            update {{ private }}.alert_delivery as d
            set state = 'sending', attempts = d.attempts + 1, sent_by = v_by, changed_at = {{ private }}.now()
            where d.target = v_target
                and d.state = 'pending'
                and exists (select from {{ private }}.targets_to_tell(array[v_target]))
            returning d.*
        )
        select
            c.target, a.alert_id, a.code, a.subject, a.severity, a.message, a.detail, c.event,
            c.event_number, c.attempts, a.opened_at, c.happened_at, a.acknowledged_by, a.resolved_at, a.event_id
        from claimed as c
        join {{ private }}.alert as a on a.alert_id = c.alert_id
        order by c.happened_at, c.alert_id, c.event;
        exit when found;
    end loop;
end
$function$;
comment on function {{ api }}.claim_alert_deliveries(text[], text) is
'Claim all that one of these targets is yet to be told, to be sent as one message. No rows: there is nothing to send now. Commit the claim before sending, and end it with finish_alert_delivery.
p_targets: names of the targets that the caller can reach.
p_driver: the name of the caller; else its login.
target: the target of all rows of this claim.
alert_id: the alert.
code: the code of the alert.
subject: what the alert is about.
severity: info, warning or critical.
message: the alert in a sentence.
detail: its figures, as JSON.
event: opened, escalated, reminded or resolved.
event_number: how many events of this alert came before, of its kind.
attempts: how often this event was tried, with this time.
opened_at: when the alert was opened.
happened_at: when this event happened.
acknowledged_by: the login that acknowledged the alert, if one has.
resolved_at: when it was resolved, if it was.
event_id: the id of the event, for explain_event.
Example: select * from {{ api }}.claim_alert_deliveries(''{log}'', ''driver:host:4711'');';
revoke all on function {{ api }}.claim_alert_deliveries(text[], text) from public;
grant execute on function {{ api }}.claim_alert_deliveries(text[], text) to {{ admin }};
