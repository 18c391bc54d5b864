-- What keeps rows of a list from being stations, before any of them is staged.
-- Reads     no table
-- Raises    OR101 bad argument
create or replace function {{ api }}.station_problems(p_stations jsonb)
    returns table (place integer, problem text)
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp
    set jit = off
as $function$
begin
    perform {{ private }}.require_argument(
        'p_stations', jsonb_typeof(p_stations) = 'array' and not jsonb_path_exists(p_stations, '$[*] ? (@.type() != "object")'), null,
        'a JSON array of objects'
    );
    return query
    select e.place::integer, w.problem
    from jsonb_array_elements(p_stations) with ordinality as e (station, place)
    cross join lateral (
        select {{ private }}.station_problem(
            btrim(e.station ->> 'url'), btrim(e.station ->> 'external_id'), btrim(e.station ->> 'name'), btrim(e.station ->> 'region'),
            {{ private }}.named_capabilities(e.station #> '{metadata,required_capabilities}'), e.station -> 'metadata'
        ) as problem
    ) as w
    where w.problem is not null
    order by e.place;
end
$function$;
comment on function {{ api }}.station_problems(jsonb) is
'Say which rows of a list cannot be stations, and why. sync_streams skips such rows, and add_stream refuses them. Nothing is added.
p_stations: a JSON array of objects with the keys url, external_id, name, region and metadata, all but the first optional.
place: the place of the row in the array; the first is 1.
problem: what is wrong with it.
Raises: OR101.
Example: select * from {{ api }}.station_problems(''[{"url": "http://radio.example.org/8"}, {"url": "http://radio.example.org:99999"}]'');';
revoke all on function {{ api }}.station_problems(jsonb) from public;
grant execute on function {{ api }}.station_problems(jsonb) to {{ admin }};
