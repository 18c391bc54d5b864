-- How many beats an instance has left out.

create or replace function {{ private }}.missed_beats(p_since timestamptz, p_interval double precision)
    returns integer
    language sql volatile
as $function$
    -- by the interval that the worker goes by; one that comes a little late is not missed
    select least(greatest(
        floor({{ private }}.seconds_between(p_since, {{ private }}.now()) / coalesce(
            p_interval, date_part('epoch', {{ private }}.setting_interval('heartbeat_interval'))
        )) - 1, 0
    ), 1000000)::integer
$function$;
comment on function {{ private }}.missed_beats(timestamptz, double precision) is 'How many beats should have come between the last one and this, by the interval in seconds that the worker goes by (null: it does not say).';
