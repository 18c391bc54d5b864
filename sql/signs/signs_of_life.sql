-- Each living instance in the words that the older programs exchange through Redis: who it is, when it was last heard, what it hears.
-- A stream that its owner has not confirmed is not heard yet; one that it was asked to stop still is.
-- Reads     instance, heartbeat, pull_client, witnessed_client, assignment, stream
create or replace function {{ api }}.signs_of_life()
    returns table (
        server_id text, last_ts bigint, ip_address text, processing_streams integer, processing_stream_names text[],
        cpu_percent double precision, memory_percent double precision
    )
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    return query
    select
        coalesce(c.name, i.instance_id),
        floor(extract(epoch from greatest(
            h.beat_at, c.asked_at, c.beat_at, c.registered_at,
            (select max(w.signed_at) from {{ private }}.witnessed_client as w where w.instance_id = i.instance_id)
        )))::bigint,
        coalesce(nullif(regexp_replace(c.address, ':[0-9]+$', ''), ''), c.peer),
        cardinality(o.names),
        o.names,
        -- as it was said: a real has few digits
        h.cpu_usage::text::double precision,
        h.memory_usage::text::double precision
    from {{ private }}.instance as i
    join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
    left join {{ private }}.pull_client as c on c.instance_id = i.instance_id and i.placement = 'pull'
    cross join lateral (
        select array(
            select s.name
            from {{ private }}.assignment as a
            join {{ private }}.stream as s on s.stream_id = a.stream_id
            where a.instance_id = i.instance_id and a.state in ('running', 'releasing')
            order by s.name, s.stream_id
        ) as names
    ) as o
    where i.is_living
    order by i.instance_id;
end
$function$;
comment on function {{ api }}.signs_of_life() is
'Return each living instance as older dashboards know it from Redis, workers too. A driver writes these there each minute, where REDIS_URL is set.
server_id: its name, as it says it itself.
last_ts: when it was last heard, in whole seconds since 1970.
ip_address: where it is, as far as that is known.
processing_streams: how many streams it hears by the books.
processing_stream_names: their names.
cpu_percent: how busy its host is, as it said last; null when it did not say.
memory_percent: how much memory is used there, the same.
Example: select server_id, processing_streams from {{ api }}.signs_of_life();';
revoke all on function {{ api }}.signs_of_life() from public;
grant execute on function {{ api }}.signs_of_life() to {{ reader }}, {{ admin }};
