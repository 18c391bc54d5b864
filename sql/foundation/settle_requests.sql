-- Asking for a rebalance, and waking a driver for what cannot wait for the next second.
-- Writes    settle_request
-- Notifies  wake

create or replace function {{ private }}.request_settle(p_reason text, p_subject text default null)
    returns void
    language plpgsql volatile
as $function$
begin
    insert into {{ private }}.settle_request (requested_at, reason, subject)
    values ({{ private }}.now(), p_reason, p_subject);
end
$function$;
comment on function {{ private }}.request_settle(text, text) is 'Something happened that a rebalance should answer; the job settle does, once the requests have stopped coming.';

create or replace function {{ private }}.wake(p_job text)
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.hint('wake', p_job);
end
$function$;
comment on function {{ private }}.wake(text) is 'Tell sleeping drivers that a job became due.';
