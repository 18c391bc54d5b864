-- What a batch would change in the streams of its source, as one row of stream ids and counts.
-- A row that cannot be used changes nothing for the stream it names: a typing error must not silence a station.
create or replace function {{ private }}.source_changes(p_source text, p_batch uuid, p_keep_vanished boolean)
    returns table (
        -- streams and rows that differ; streams there are, active ones among them; rows
        changes integer, known integer, known_active integer, staged integer,
        inserted integer, unchanged integer, skipped integer,
        -- active streams that would go; streams whose requirement changes; rows whose requirement is not made yet
        lost_active integer, refitted integer, unmet integer,
        removed bigint [], deactivated bigint [], activated bigint [], updated bigint [],
        -- of those updated: with another url; with a requirement that their owner lacks
        rehosted bigint [], misfits bigint [],
        skipped_rows jsonb
    )
    language sql stable
begin atomic
    with found as materialized (
        select * from {{ private }}.source_rows(p_batch)
    ),
    -- Each stream of the source beside its row, each row beside its stream, and what differs.
    compared as (
        select
            s.stream_id,
            s.active as was_active,
            f.line,
            f.external_id,
            f.problem,
            f.requirement_id,
            s.stream_id is not null as is_known,
            f.line is not null as is_staged,
            u.is_pair and s.active and not f.active as is_deactivated,
            u.is_pair and not s.active and f.active as is_activated,
            -- one by one: what PostgreSQL makes of a comparison of rows reads differently after a restore (db check)
            u.is_pair and (
                s.name is distinct from f.name
                or s.url is distinct from f.url
                or s.metadata is distinct from f.metadata
                or s.requirement_id is distinct from f.requirement_id
                or s.region is distinct from f.region
            ) as is_updated,
            u.is_pair and s.url <> f.url as is_rehosted,
            u.is_pair and (s.requirement_id is distinct from f.requirement_id) as is_refitted,
            u.is_pair and s.requirement_id is distinct from f.requirement_id
            and not i.capabilities @> f.capabilities as is_misfit,
            s.stream_id is null and f.problem is null as is_new,
            f.line is null and not p_keep_vanished as is_removed
        from (select * from {{ private }}.stream where stream.source = p_source) as s
        full join found as f on s.external_id = f.external_id
        cross join lateral (
            select s.stream_id is not null and f.line is not null and f.problem is null as is_pair
        ) as u
        left join {{ private }}.assignment as a on s.stream_id = a.stream_id
        left join {{ private }}.instance as i on a.instance_id = i.instance_id
    )
    select
        count(*) filter (where is_new or is_removed or is_deactivated or is_activated or is_updated)::integer,
        count(*) filter (where is_known)::integer,
        count(*) filter (where was_active)::integer,
        count(*) filter (where is_staged)::integer,
        count(*) filter (where is_new)::integer,
        count(*) filter (
            where is_known and problem is null
            and (is_removed or is_deactivated or is_activated or is_updated) is not true
        )::integer,
        count(problem)::integer,
        count(*) filter (where is_deactivated or (is_removed and was_active))::integer,
        count(*) filter (where is_refitted)::integer,
        count(*) filter (where is_staged and problem is null and requirement_id is null)::integer,
        coalesce(array_agg(stream_id order by stream_id) filter (where is_removed), '{}'),
        coalesce(array_agg(stream_id order by stream_id) filter (where is_deactivated), '{}'),
        coalesce(array_agg(stream_id order by stream_id) filter (where is_activated), '{}'),
        coalesce(array_agg(stream_id order by stream_id) filter (where is_updated), '{}'),
        coalesce(array_agg(stream_id order by stream_id) filter (where is_rehosted and not is_deactivated), '{}'),
        coalesce(array_agg(stream_id order by stream_id) filter (where is_misfit and not is_deactivated), '{}'),
        coalesce(
            jsonb_path_query_array(
                jsonb_agg(
                    jsonb_build_object('line', line, 'external_id', external_id, 'problem', problem) order by line
                ) filter (where problem is not null),
                '$[0 to 19]'
            ),
            '[]'
        )
    from compared;
end;
comment on function {{ private }}.source_changes(text, uuid, boolean) is 'What a staged batch would change: counts, stream ids by kind of change, the first twenty rows that cannot be used.';
