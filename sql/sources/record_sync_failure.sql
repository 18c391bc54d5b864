-- Remember that a source could not be synchronised, and why. Its streams stay as they are.
-- Writes    source, failure_count, incident_pattern, metric_count
-- Raises    OR107 unknown source · OR101 the error is not an object
create or replace function {{ api }}.record_sync_failure(p_source text, p_error jsonb, p_event_id uuid default null)
    returns table (consecutive_failures integer)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
#variable_conflict use_column
declare
    v_failures jsonb;
begin
    perform {{ private }}.require_argument(
        'p_error', jsonb_typeof(p_error) = 'object', p_error, 'an object with code, message, detail and hint'
    );
    perform {{ private }}.known_source(p_source);
    perform {{ private }}.continue_event(p_event_id);
    v_failures := jsonb_build_array(jsonb_build_object(
        'function', 'sync_source', 'sqlstate', p_error ->> 'code', 'message', p_error ->> 'message', 'detail', p_error ->> 'detail'
    ));
    perform {{ private }}.record_call_failures('source:' || p_source, v_failures);
    return query
    update {{ private }}.source as s
    set
        last_attempt_at = {{ private }}.now(), last_error = {{ private }}.redact_json(p_error), consecutive_failures = s.consecutive_failures + 1,
        failure_event_id = {{ private }}.event_id()
    where s.source = p_source
    returning s.consecutive_failures;
    perform {{ private }}.count_retries(v_failures);
end
$function$;

comment on function {{ api }}.record_sync_failure(text, jsonb, uuid) is
'Record that a source could not be synchronised, and why. Its streams stay as they are.
p_source: the source.
p_error: {"code", "message", "detail", "hint"}, without a password.
p_event_id: the event id of the job run that this is a part of.
consecutive_failures: failures of this source in a row.
Raises: OR101, OR107.
Example: select * from {{ api }}.record_sync_failure(''production'', ''{"code": "08001", "message": "could not connect"}'');';
revoke all on function {{ api }}.record_sync_failure(text, jsonb, uuid) from public;
grant execute on function {{ api }}.record_sync_failure(text, jsonb, uuid) to {{ admin }};
