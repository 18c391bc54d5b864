-- How a stream is to change hands while its owner lives.
-- Reads     instance, http_session

create or replace function {{ private }}.makes_before_break(p_from text, p_to text)
    returns boolean
    language sql volatile
as $function$
    -- an owner that stops by its own clock was promised that no other hears its streams before it has stopped
    select count(*) = 2 and bool_and(i.instance_id = p_to or i.stop_within is null)
    from {{ private }}.instance as i
    where i.instance_id in (p_from, p_to)
        and i.metadata -> 'make_before_break' = 'true'
        and not exists (
            select from {{ private }}.http_session as s where s.instance_id = i.instance_id and s.incarnation = i.incarnation
        )
$function$;
comment on function {{ private }}.makes_before_break(text, text) is 'Whether these two can hand over without a break: both have said so when they registered, and the owner does not count on being alone until its lease is over.';
