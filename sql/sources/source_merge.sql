-- Write the rows of a batch into the streams: what changed, and what is new. Called after what is gone was taken
-- from its owners, with the decision lock held.
-- Writes    stream, assignment
create or replace function {{ private }}.source_merge(p_source text, p_batch uuid, p_changed bigint [])
    returns void
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_added bigint [];
begin
    with found as materialized (
        select * from {{ private }}.source_rows(p_batch)
    ),
    changed as (
        update {{ private }}.stream as s
        set
            name = f.name, url = f.url, active = f.active, region = f.region,
            requirement_id = f.requirement_id, metadata = f.metadata, updated_at = v_now
        from unnest(p_changed) as c (stream_id), found as f
        where s.stream_id = c.stream_id and s.source = p_source and s.external_id = f.external_id
        returning s.stream_id, s.requirement_id
    ),
    refitted as (
        update {{ private }}.assignment as a
        set requirement_id = c.requirement_id
        from changed as c
        where a.stream_id = c.stream_id and a.requirement_id <> c.requirement_id
    ),
    added as (
        insert into {{ private }}.stream (
            source, external_id, name, url, active, region, requirement_id, metadata, created_at, updated_at
        )
        select p_source, f.external_id, f.name, f.url, f.active, f.region, f.requirement_id, f.metadata, v_now, v_now
        from found as f
        where
            f.problem is null
            and not exists (
                select from {{ private }}.stream as s where s.source = p_source and s.external_id = f.external_id
            )
        order by f.line
        returning stream_id
    )
    select array_agg(n.stream_id) into v_added from added as n;
    perform {{ private }}.activate_streams(p_changed);
    perform {{ private }}.add_assignments(v_added);
end
$function$;
comment on function {{ private }}.source_merge(text, uuid, bigint []) is 'Writes the changed and new rows of a staged batch into stream and assignment.';
