-- The only caller of pg_notify. A notification is a hint: the tables are the truth, and who gets none looks at its next beat.
-- Any database of the server can fill the queue of notifications, and a transaction that notifies then fails. So hints are left out
-- while it is more than half full. (To ask how full it is also clears what every listener has read.)
-- Notifies  the channel

create or replace function {{ private }}.hint(p_channel text, p_payload text)
    returns void
    language plpgsql volatile
as $function$
begin
    if pg_notification_queue_usage() <= 0.5 then
        perform pg_notify('{{ api }}.' || p_channel, p_payload);
    end if;
end
$function$;
comment on function {{ private }}.hint(text, text) is 'Notify a channel of this fleet, unless the queue is more than half full.';

create or replace function {{ private }}.notify_watchers()
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.hint('changes', '');
end
$function$;
comment on function {{ private }}.notify_watchers() is 'A hint to those who look on to look again. It has no content; equal ones in a transaction are one.';
