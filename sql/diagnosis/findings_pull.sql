-- Findings of diagnose(): clients that ask for their streams.
--   cannot_be_moved       someone wants streams of such a client elsewhere, and it stops none because of an answer
--   number_of_two         two sources know different stations by one number, so neither is given to such clients
--   number_missing        the id of a station in its source is no number, so such clients cannot be given it
-- Reads     instance, instance_load, assignment, stream, source, pull_client

create or replace function {{ private }}.findings_pull()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with client as materialized (
        select i.instance_id, i.max_streams, i.status = 'draining' or i.standing_order is not null as is_draining, l.owned, i.keeps_streams
        from {{ private }}.instance as i
        join {{ private }}.instance_load as l on l.instance_id = i.instance_id
        where i.placement = 'pull' and i.is_living
    ),
    unmovable as (
        select c.instance_id, c.owned as streams, 'it is being drained' as why from client as c where c.keeps_streams and c.is_draining and c.owned > 0
        union all
        select c.instance_id, c.owned - c.max_streams, 'it has more than max_streams' from client as c where c.keeps_streams and c.owned > c.max_streams
        union all
        select a.instance_id, count(*), 'they are pinned to others'
        from {{ private }}.assignment as a join client as c on c.instance_id = a.instance_id and c.keeps_streams
        where a.pinned_to is not null and a.pinned_to <> a.instance_id
        group by a.instance_id
    ),
    twice as (
        select s.number, array_agg(s.source order by s.source) as sources
        from {{ private }}.stream as s
        join {{ private }}.source as o on o.source = s.source and o.serves_http
        where s.number is not null
        group by s.number
        having count(*) > 1
    ),
    numberless as (
        select count(*) as streams, (array_agg(s.stream_id order by s.stream_id))[1:10] as stream_ids
        from {{ private }}.stream as s
        join {{ private }}.source as o on o.source = s.source and o.serves_http
        where s.number is null and s.active
    )
    select 'warning', 'cannot_be_moved', 'instance ' || u.instance_id, format('%s of its streams cannot be moved: %s', u.streams, u.why),
        jsonb_build_object('streams', u.streams, 'why', u.why),
        'It is a client that asks for its streams, and goes on with what it has. Stop its process and recreate its container.', null
    from unmovable as u
    union all
    select 'critical', 'number_of_two', 'sources ' || array_to_string(s.sources, ', '), s.numbers || ' numbers name stations of several sources',
        jsonb_build_object('numbers', s.some, 'count', s.numbers),
        'Clients that ask for their streams know a station by its number alone, so they are given none of these. Say which source serves them: the repair excludes the last one.',
        format('select * from {{ api }}.serve_source(%L, false)', s.sources[cardinality(s.sources)])
    from (
        select t.sources, count(*) as numbers, (array_agg(t.number order by t.number))[1:10] as some from twice as t group by t.sources
    ) as s
    union all
    select 'warning', 'number_missing', 'fleet', n.streams || ' stations have an id in their source that is no number',
        jsonb_build_object('streams', n.streams, 'stream_ids', n.stream_ids),
        'Clients that ask for their streams know a station by a number, so they are given none of these; workers are.', null
    from numberless as n
    where n.streams > 0 and exists (select from client)
$function$;
comment on function {{ private }}.findings_pull() is 'Findings: what clients that ask for their streams cannot give up or be given.';
