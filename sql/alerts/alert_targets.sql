-- Where alerts go, and which target may be told now.
-- Writes    alert_delivery

create or replace function {{ private }}.lock_alert_target(p_target text)
    returns {{ private }}.alert_target
    language plpgsql volatile
as $function$
declare
    v_target {{ private }}.alert_target;
begin
    -- not so strong that it would keep alerts from being told to this target
    select * into v_target from {{ private }}.alert_target as t where t.target = p_target for no key update;
    if not found then
        raise exception using
            errcode = 'OR107',
            message = 'unknown target',
            detail = jsonb_build_object('target', p_target)::text,
            hint = 'select target from {{ api }}.alert_targets lists them; set_alert_target adds one';
    end if;
    return v_target;
end
$function$;
comment on function {{ private }}.lock_alert_target(text) is 'The target, locked; or OR107.';

create or replace function {{ private }}.hold_alert_target(p_target text)
    returns boolean
    language plpgsql volatile
as $function$
begin
    perform from {{ private }}.alert_target as t where t.target = p_target for no key update skip locked;
    return found;
end
$function$;
comment on function {{ private }}.hold_alert_target(text) is 'Lock the target, unless another session does.';

create or replace function {{ private }}.targets_to_tell(p_targets text[])
    returns table (target text)
    language sql volatile
as $function$
    select t.target
    from {{ private }}.alert_target as t
    join {{ private }}.alert_delivery as d on d.target = t.target and d.state in ('pending', 'sending')
    where t.target = any(p_targets)
        and t.enabled
        and (t.retry_at is null or t.retry_at <= {{ private }}.now())
        and (t.target = 'log' or t.last_sent_at is null or t.last_sent_at <= {{ private }}.now() - {{ private }}.setting_interval('alert_message_interval'))
    group by t.target
    having bool_and(d.state = 'pending')
    order by min(d.happened_at), t.target
$function$;
comment on function {{ private }}.targets_to_tell(text[]) is 'Which of these targets may be told something now, the one that has waited for longest first.';

create or replace function {{ private }}.abandon_deliveries()
    returns void
    language sql volatile
as $function$
    with late as (
        select d.alert_id, d.event, d.event_number, d.target, d.state
        from {{ private }}.alert_delivery as d
        where d.state = 'sending' and d.changed_at < {{ private }}.now() - interval '2 minutes'
            or d.state = 'pending' and d.happened_at < {{ private }}.now() - interval '1 day'
        for update skip locked
    )
    update {{ private }}.alert_delivery as d
    set
        state = case l.state when 'sending' then 'unknown' else 'failed' end,
        error = case when l.state = 'pending' and d.attempts = 0 then '{"message": "no driver could reach this target"}' else d.error end,
        changed_at = {{ private }}.now()
    from late as l
    where (d.alert_id, d.event, d.event_number, d.target) = (l.alert_id, l.event, l.event_number, l.target)
$function$;
comment on function {{ private }}.abandon_deliveries() is 'What has been "sending" for two minutes was lost with its driver: it is unknown whether it went out, and it is not sent twice. What could not be sent for a day has failed.';
