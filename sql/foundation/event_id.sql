-- Event ids: what happens in one transaction has one id, by which a log line, a decision, a job's run and an alert find each
-- other. It is derived from the transaction, so there is nothing to keep, to lose in a subtransaction or to forge.
-- A job that needs the outside world takes several transactions: they continue the event that its claim began.
-- Beats have none.
-- Reads     decision, job_run, alert, and where each kind of alert finds its cause

create or replace function {{ private }}.event_id()
    returns uuid
    language sql volatile
as $function$
    select case
        when e.continued ~ ('^' || e.xid || ' [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') then split_part(e.continued, ' ', 2)::uuid
        -- a restored server counts its transactions anew: their times differ. The form is that of a UUID of version 8
        else overlay(overlay(
            md5(e.xid || ' ' || extract(epoch from {{ private }}.transaction_started_at())) placing '8' from 13
        ) placing 'a' from 17)::uuid
    end
    from (
        select pg_current_xact_id()::text as xid, current_setting('{{ api }}.event_id', true) as continued
    ) as e
$function$;
comment on function {{ private }}.event_id() is 'The id of what happens in this transaction.';

create or replace function {{ private }}.continue_event(p_event_id uuid)
    returns void
    language sql volatile
as $function$
    -- for this transaction only: a pooler gives the session to another client afterwards
    select set_config('{{ api }}.event_id', pg_current_xact_id() || ' ' || p_event_id, true) where p_event_id is not null
$function$;
comment on function {{ private }}.continue_event(uuid) is 'What happens in this transaction belongs to an event that began in another one; null: to its own.';
