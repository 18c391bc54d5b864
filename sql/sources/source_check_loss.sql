-- Refuse what a broken source would do to the fleet: an empty batch, one without a usable row, and one that would
-- lose more of the source's streams, or of those that are being listened to, than max_removed_part.
-- p_change is the row of source_changes as JSON.
-- Raises    OR109 no row can be used · OR406 too much would be lost
create or replace function {{ private }}.source_check_loss(p_source {{ private }}.source, p_change jsonb, p_force boolean)
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
comment on function {{ private }}.source_check_loss({{ private }}.source, jsonb, boolean) is 'Refuses a batch that would lose too many of its source''s streams (OR406) or has no usable row (OR109).';
