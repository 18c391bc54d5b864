-- The hint that there is something new to see. It has no content; equal ones in a transaction are one.
-- Notifies  changes

create or replace function {{ private }}.notify_watchers()
    returns void
    language plpgsql volatile
as $function$
begin
    perform pg_notify('{{ api }}.changes', '');
end
$function$;
comment on function {{ private }}.notify_watchers() is 'A hint to those who look on to look again.';
