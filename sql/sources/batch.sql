-- A batch of rows, read as streams: what each row says, what it would change, and which batches are refused.

-- The names in a required_capabilities value, in the form that requirement keeps them: sorted, each once, without
-- audio_fingerprinting. The value is a JSON list, or one text with commas; anything else names none.
create or replace function {{ private }}.named_capabilities(p_required jsonb)
    returns text []
    language sql immutable
begin atomic
    select array(
        select distinct btrim(part) as capability
        from (
            select jsonb_array_elements_text(case when jsonb_typeof(p_required) = 'array' then p_required else '[]' end) as part
            union all
            select string_to_table(case when jsonb_typeof(p_required) = 'string' then p_required #>> '{}' end, ',')
        ) as named
        where btrim(part) not in ('', 'audio_fingerprinting')
        order by capability
    );
end;
comment on function {{ private }}.named_capabilities(jsonb) is 'The names in a required_capabilities value (a JSON list, or one text with commas), as requirement keeps them.';

-- The rows of a batch read as streams: trimmed, completed, and what is wrong with each that cannot be used.
-- Its settings keep it from being inlined: the staging table has no statistics, and a plan that took it for small would
-- read it once for each stream.
-- requirement_id is null when no stream ever required the same; make_requirements makes what is missing.
create or replace function {{ private }}.batch_rows(p_batch uuid)
    returns table (
        line integer, external_id text, name text, url text, active boolean, region text,
        capabilities text [], requirement_id integer, metadata jsonb, problem text, standby boolean
    )
    language sql stable rows 10000
    set search_path = pg_catalog, pg_temp
begin atomic
    with staged as materialized (
        select
            s.line,
            nullif(btrim(s.external_id), '') as external_id,
            coalesce(nullif(btrim(s.name), ''), nullif(btrim(s.url), '')) as name,
            btrim(s.url) as url,
            coalesce(s.active, true) as active,
            nullif(btrim(s.region), '') as region,
            case
                when s.metadata ? 'required_capabilities'
                    then {{ private }}.named_capabilities(s.metadata -> 'required_capabilities')
                else '{}'
            end as capabilities,
            case
                when jsonb_typeof(s.metadata) = 'object' then s.metadata - 'required_capabilities' else '{}'
            end as metadata,
            s.metadata as given_metadata,
            s.standby
        from {{ api }}.stream_staging as s
        where s.batch = p_batch
    )
    select
        s.line, s.external_id, s.name, s.url, s.active, s.region, s.capabilities, r.requirement_id, s.metadata,
        {{ private }}.station_problem(s.url, s.external_id, s.name, s.region, s.capabilities, s.given_metadata) as problem,
        s.standby
    from staged as s
    left join {{ private }}.requirement as r
        on s.capabilities = r.capabilities and s.region is not distinct from r.region;
end;
comment on function {{ private }}.batch_rows(uuid) is 'The rows of a staged batch as streams; problem says why a row cannot be used.';

-- What a batch would change in the streams of its source, as one row of stream ids and counts.
-- A row that cannot be used changes nothing for the stream it names: a typing error must not silence a station.
create or replace function {{ private }}.batch_changes(p_source text, p_batch uuid, p_keep_vanished boolean)
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
        select * from {{ private }}.batch_rows(p_batch)
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
                or (f.standby is not null and s.standby is distinct from f.standby)
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
                    jsonb_build_object('line', line, 'external_id', left(external_id, 100), 'problem', problem) order by line
                ) filter (where problem is not null),
                '$[0 to 19]'
            ),
            '[]'
        )
    from compared;
end;
comment on function {{ private }}.batch_changes(text, uuid, boolean) is 'What a staged batch would change: counts, stream ids by kind of change, the first twenty rows that cannot be used.';

-- Refuse a batch in which a row has no id, or two rows have the same: it would be unclear which stream is meant.
-- Raises    OR109 with the line numbers
create or replace function {{ private }}.check_batch(p_source text, p_batch uuid)
    returns void
    language plpgsql stable
as $function$
declare
    v_without_id integer [];
    v_duplicates jsonb;
begin
    select array_agg(s.line order by s.line) into v_without_id
    from {{ api }}.stream_staging as s
    where s.batch = p_batch and coalesce(btrim(s.external_id), '') = '';

    select jsonb_agg(jsonb_build_object('external_id', left(d.external_id, 100), 'lines', to_jsonb(d.lines[:20])) order by d.lines) into v_duplicates
    from (
        select btrim(s.external_id) as external_id, array_agg(s.line order by s.line) as lines
        from {{ api }}.stream_staging as s
        where s.batch = p_batch and btrim(s.external_id) <> ''
        group by btrim(s.external_id)
        having count(*) > 1
    ) as d;

    if v_without_id is not null or v_duplicates is not null then
        raise exception using
            errcode = 'OR109',
            message = 'rows of the source have no id, or share one',
            detail = jsonb_build_object(
                'source', p_source,
                'rows_without_id', coalesce(cardinality(v_without_id), 0),
                'lines_without_id', to_jsonb(coalesce(v_without_id[:20], '{}')),
                'duplicate_ids', coalesce(jsonb_array_length(v_duplicates), 0),
                'duplicates', coalesce(jsonb_path_query_array(v_duplicates, '$[0 to 19]'), '[]')
            )::text,
            hint = 'Map external_id to a column that is unique and never null, or repair those rows. Nothing was changed.';
    end if;
end
$function$;
comment on function {{ private }}.check_batch(text, uuid) is 'Refuses a staged batch whose ids are missing or doubled (OR109).';

-- Refuse what a broken source would do to the fleet: an empty batch, one without a usable row, and one that would
-- lose more of the source's streams, or of those that are being listened to, than max_removed_part.
-- p_change is the row of batch_changes as JSON.
-- Raises    OR109 no row can be used · OR406 too much would be lost
create or replace function {{ private }}.check_loss(p_source {{ private }}.source, p_change jsonb, p_force boolean)
    returns void
    language plpgsql volatile
as $function$
declare
    v_known integer := (p_change -> 'known')::integer;
    v_known_active integer := (p_change -> 'known_active')::integer;
    v_staged integer := (p_change -> 'staged')::integer;
    v_lost integer := jsonb_array_length(p_change -> 'removed') + jsonb_array_length(p_change -> 'deactivated');
    v_lost_active integer := (p_change -> 'lost_active')::integer;
    v_lost_part numeric := greatest(
        v_lost::numeric / nullif(v_known, 0), v_lost_active::numeric / nullif(v_known_active, 0), 0
    );
    v_detail jsonb := jsonb_build_object(
        'source', p_source.source, 'streams', v_known, 'active_streams', v_known_active, 'rows', v_staged,
        'would_remove', jsonb_array_length(p_change -> 'removed'),
        'would_deactivate', jsonb_array_length(p_change -> 'deactivated'),
        'part', round(v_lost_part, 3), 'max_removed_part', p_source.max_removed_part
    );
begin
    if v_staged > 0 and v_staged = (p_change -> 'skipped')::integer then
        raise exception using
            errcode = 'OR109',
            message = 'no row of the source can be used',
            detail = (v_detail || jsonb_build_object('skipped_rows', p_change -> 'skipped_rows'))::text,
            hint = 'Check which column url is mapped to. Nothing was changed.';
    end if;
    if v_staged = 0 and v_lost > 0 then
        raise exception using
            errcode = 'OR406',
            message = 'the source is empty, and its streams stay',
            detail = v_detail::text,
            hint = 'Repair the source. If its streams are to go, remove the source: {{ api }}.remove_source(…, p_remove_streams => true).';
    end if;
    if v_lost_part > p_source.max_removed_part and p_force is not true then
        raise exception using
            errcode = 'OR406',
            message = 'the sync would remove too many streams',
            detail = v_detail::text,
            hint = 'Check the source. If it is right, synchronise once with force, or raise max_removed_part.';
    end if;
end
$function$;
comment on function {{ private }}.check_loss({{ private }}.source, jsonb, boolean) is 'Refuses a batch that would lose too many of its source''s streams (OR406) or has no usable row (OR109).';
