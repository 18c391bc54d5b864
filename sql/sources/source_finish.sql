-- Record a sync that succeeded, and clear the staging table of its batch and of what was forgotten there.
-- Writes    source, stream_staging
create or replace function {{ private }}.source_finish(
    p_source text, p_batch uuid, p_read_at timestamptz, p_change jsonb, p_reconnected integer
)
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_result jsonb := jsonb_build_object(
        'read_at', p_read_at,
        'inserted', p_change -> 'inserted',
        'updated', jsonb_array_length(p_change -> 'updated'),
        'activated', jsonb_array_length(p_change -> 'activated'),
        'deactivated', jsonb_array_length(p_change -> 'deactivated'),
        'removed', jsonb_array_length(p_change -> 'removed'),
        'unchanged', p_change -> 'unchanged',
        'skipped', p_change -> 'skipped',
        'reconnected', p_reconnected,
        'skipped_rows', p_change -> 'skipped_rows'
    );
    v_took double precision := {{ private }}.seconds_between(p_read_at, {{ private }}.now());
begin
    update {{ private }}.source as s
    set
        last_attempt_at = {{ private }}.now(), last_success_at = {{ private }}.now(), last_result = v_result,
        last_error = null, consecutive_failures = 0,
        sync_counts = {{ private }}.count_into(s.sync_counts, 'orchestrator_sync_duration_seconds', array[v_took]),
        sync_sum = s.sync_sum + v_took
    -- a newer reading may have been merged since this one was found to change nothing
    where s.source = p_source and coalesce((s.last_result ->> 'read_at')::timestamptz <= p_read_at, true);

    delete from {{ api }}.stream_staging as s
    where s.batch = p_batch or s.staged_at < {{ private }}.now() - interval '1 hour';
    return v_result;
end
$function$;
comment on function {{ private }}.source_finish(text, uuid, timestamptz, jsonb, integer) is 'Records a sync that succeeded and clears the staging table.';
