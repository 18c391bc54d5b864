-- Parts of find_streams().
-- Reads     stream

create or replace function {{ private }}.streams_like(p_text text, p_limit integer)
    returns table (stream_id bigint, place integer)
    language sql volatile
as $function$
    -- compared as they are and not as patterns: what is looked for may hold any character
    select s.stream_id, case when starts_with(lower(s.name), p_text) then 1 when strpos(lower(s.name), p_text) > 0 then 2 else 3 end
    from {{ private }}.stream as s
    where strpos(lower(s.name), p_text) > 0 or strpos(lower(s.url), p_text) > 0
    order by 2, s.stream_id
    limit p_limit
$function$;
comment on function {{ private }}.streams_like(text, integer) is 'Streams whose name begins with or holds a text in lower case, or whose address holds it; in this order.';
