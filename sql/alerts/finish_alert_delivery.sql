-- What was claimed for a target has been sent, or could not be.
-- After an error it is sent again: later each time (from 10 s, doubling, up to 10 minutes), for a day.
-- Locks     the target's row, alert_delivery of the target, incident_pattern
-- Writes    alert_target, alert_delivery, incident_pattern
-- Raises    OR101 the error is not an object · OR107 unknown target
create or replace function {{ api }}.finish_alert_delivery(p_target text, p_driver text default null, p_error jsonb default null, p_unknown boolean default false)
    returns table (events integer, state text, consecutive_failures integer, retry_at timestamptz)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_error jsonb := {{ private }}.redact_in(p_error);
    v_state text := case when p_error is null then 'sent' when p_unknown then 'unknown' else 'pending' end;
    v_target {{ private }}.alert_target;
    v_events integer;
begin
    perform {{ private }}.require_argument('p_error', p_error is null or jsonb_typeof(p_error) = 'object', p_error, 'an object with message');
    v_target := {{ private }}.lock_alert_target(p_target);
    update {{ private }}.alert_delivery as d
    set state = v_state, changed_at = v_now, error = v_error
    where d.target = p_target and d.state = 'sending' and d.sent_by = coalesce(p_driver, {{ private }}.actor());
    get diagnostics v_events = row_count;
    if v_events > 0 then
        update {{ private }}.alert_target as t
        set
            last_sent_at = case when p_error is null then v_now else t.last_sent_at end,
            consecutive_failures = case when p_error is null then 0 else t.consecutive_failures + 1 end,
            last_error = v_error,
            -- with jitter: several targets that failed together do not come back together
            retry_at = case
                when p_error is not null
                    then v_now + least(10 * 2 ^ least(t.consecutive_failures, 10), 600) * (0.75 + random() / 4) * interval '1 second'
            end
        where t.target = p_target
        returning * into v_target;
        if p_error is not null then
            perform {{ private }}.note_patterns('alerts:' || p_target, jsonb_build_array(
                jsonb_build_object('function', 'deliver_alerts', 'message', coalesce(p_error ->> 'message', p_error::text))
            ));
        end if;
    end if;
    return query select v_events, v_state, v_target.consecutive_failures, v_target.retry_at;
end
$function$;
comment on function {{ api }}.finish_alert_delivery(text, text, jsonb, boolean) is
'End a claim: the message was sent, or failed and is tried again (after 10 s, doubling up to 10 minutes, for a day), or went out without an answer and is not sent twice.
p_target: the target of the claim.
p_driver: the name under which it was claimed.
p_error: null when it was sent; else {"message": …}, kept without what looks like a secret.
p_unknown: true when it went out and no answer came.
events: events that the claim held; 0 when it took so long that it was given up as unknown.
state: sent, pending (to be tried again) or unknown.
consecutive_failures: failures of this target in a row.
retry_at: not before this moment is it tried again.
Raises: OR101, OR107.
Example: select * from {{ api }}.finish_alert_delivery(''ops'', ''driver:host:4711'');';
revoke all on function {{ api }}.finish_alert_delivery(text, text, jsonb, boolean) from public;
grant execute on function {{ api }}.finish_alert_delivery(text, text, jsonb, boolean) to {{ admin }};
