-- Clients that speak HTTP know a stream by its id in its source, as a number. Numbers that two streams have name neither of them.
-- Reads     stream, source

create or replace function {{ private }}.has_own_number(p_stream {{ private }}.stream)
    returns boolean
    language sql stable
as $function$
    select (p_stream).number is not null
        and exists (select from {{ private }}.source as o where o.source = (p_stream).source and o.serves_http)
        and not exists (
            select from {{ private }}.stream as other
            join {{ private }}.source as o on o.source = other.source and o.serves_http
            where other.number = (p_stream).number and other.stream_id <> (p_stream).stream_id
        )
$function$;
comment on function {{ private }}.has_own_number({{ private }}.stream) is 'Whether clients that speak HTTP can be given this stream: its id in its source is a number that no other has.';

create or replace function {{ private }}.numbers_of(p_stream_ids bigint[])
    returns bigint[]
    language sql stable
as $function$
    select coalesce(array_agg(s.number order by s.number), '{}')
    from {{ private }}.stream as s
    where s.stream_id = any(p_stream_ids) and s.number is not null
$function$;
comment on function {{ private }}.numbers_of(bigint[]) is 'The numbers by which clients know these streams, in order.';

create or replace function {{ private }}.streams_numbered(p_numbers bigint[])
    returns bigint[]
    language sql stable
as $function$
    select coalesce(array_agg(s.stream_id order by s.stream_id), '{}')
    from {{ private }}.stream as s
    where s.number = any(p_numbers) and {{ private }}.has_own_number(s)
$function$;
comment on function {{ private }}.streams_numbered(bigint[]) is 'The streams that clients know by these numbers; numbers that name none are left out.';
