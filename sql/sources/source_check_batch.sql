-- Refuse a batch in which a row has no id, or two rows have the same: it would be unclear which stream is meant.
-- Raises    OR109 with the line numbers
create or replace function {{ private }}.source_check_batch(p_source text, p_batch uuid)
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

    select jsonb_agg(jsonb_build_object('external_id', d.external_id, 'lines', d.lines) order by d.lines) into v_duplicates
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
comment on function {{ private }}.source_check_batch(text, uuid) is 'Refuses a staged batch whose ids are missing or doubled (OR109).';
