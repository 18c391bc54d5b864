-- How long a source is left alone after an attempt.
create or replace function {{ private }}.source_pause(p_sync_interval interval, p_consecutive_failures integer)
    returns interval
    language sql immutable
as $function$
    select case
        when p_consecutive_failures = 0 then p_sync_interval
        else least(p_sync_interval * 2 ^ least(p_consecutive_failures, 10), interval '10 minutes')
    end
$function$;
comment on function {{ private }}.source_pause(interval, integer) is 'Its interval; after failures twice as long with each, up to ten minutes.';
