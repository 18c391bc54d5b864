-- Streams by their id, the number of it in their source, or by a part of their name or address, in any case: the best matches first.
-- Reads     stream, assignment, instance
-- Raises    OR101 no text, or no sensible limit
create or replace function {{ api }}.find_streams(p_text text, p_limit integer default 20)
    returns table (stream_id bigint, name text, url text, state text, instance_id text, found_by text)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_text text := lower(trim(p_text));
begin
    perform {{ private }}.require_argument(
        'p_text', length(v_text) between 1 and 200, to_jsonb(left(p_text, 200)), 'an id, or 1 to 200 characters of a name or an address'
    );
    perform {{ private }}.require_argument('p_limit', p_limit between 1 and 1000, to_jsonb(p_limit), 'from 1 to 1000 streams');
    return query
    with found as (
        select s.stream_id, 0 as place
        from {{ private }}.stream as s
        where s.stream_id = case when v_text ~ '^#?[0-9]{1,18}$' then ltrim(v_text, '#')::bigint end
        union all
        (
            select s.stream_id, 1
            from {{ private }}.stream as s
            where s.number = case when v_text ~ '^[0-9]{1,18}$' then v_text::bigint end
            order by s.stream_id
            limit p_limit
        )
        union all
        select l.stream_id, l.place + 1 from {{ private }}.streams_like(v_text, p_limit) as l
    )
    select s.stream_id, s.name, s.url, s.state, s.instance_id, (array['id', 'number', 'name', 'name', 'url'])[1 + f.place]
    from (select a.stream_id, min(a.place) as place from found as a group by a.stream_id) as f
    join {{ api }}.streams as s on s.stream_id = f.stream_id
    order by f.place, s.stream_id
    limit p_limit;
end
$function$;
comment on function {{ api }}.find_streams(text, integer) is
'Find streams by their id, by their id in their source where that is a number, or by a part of their name or address in any case, the best matches first.
p_text: an id, or 1 to 200 characters.
p_limit: the most rows, 1 to 1000.
stream_id: the stream.
name: its name.
url: its address, without login and query.
state: idle, waiting, assigned, running or releasing.
instance_id: the instance that has it.
found_by: what matched: id, number (the id in the source), name or url.
Raises: OR101.
Example: select * from {{ api }}.find_streams(''radio'', 5);';
revoke all on function {{ api }}.find_streams(text, integer) from public;
grant execute on function {{ api }}.find_streams(text, integer) to {{ reader }}, {{ admin }};
