-- The rows of a batch read as streams: trimmed, completed, and what is wrong with each that cannot be used.
-- Its settings keep it from being inlined: the staging table has no statistics, and a plan that took it for small would
-- read it once for each stream.
-- requirement_id is null when no stream ever required the same; source_requirements makes what is missing.
create or replace function {{ private }}.source_rows(p_batch uuid)
    returns table (
        line integer, external_id text, name text, url text, active boolean, region text,
        capabilities text [], requirement_id integer, metadata jsonb, problem text
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
                    then {{ private }}.source_capabilities(s.metadata -> 'required_capabilities')
                else '{}'
            end as capabilities,
            case
                when jsonb_typeof(s.metadata) = 'object' then s.metadata - 'required_capabilities' else '{}'
            end as metadata,
            case
                when coalesce(btrim(s.url), '') = '' then 'no url'
                when btrim(s.url) !~* '^https?://[^[:space:]/?#]+[^[:space:]]*$' then 'the url is not http or https'
                when jsonb_typeof(coalesce(s.metadata, '{}')) <> 'object' then 'metadata is not an object'
                when jsonb_typeof(s.metadata -> 'required_capabilities') not in ('array', 'string', 'null')
                    then 'required_capabilities is not a list of names'
            end as problem
        from {{ api }}.stream_staging as s
        where s.batch = p_batch
    )
    select
        s.line, s.external_id, s.name, s.url, s.active, s.region, s.capabilities, r.requirement_id, s.metadata, s.problem
    from staged as s
    left join {{ private }}.requirement as r
        on s.capabilities = r.capabilities and s.region is not distinct from r.region;
end;
comment on function {{ private }}.source_rows(uuid) is 'The rows of a staged batch as streams; problem says why a row cannot be used.';
