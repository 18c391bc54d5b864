-- Remember that a witness could not be read, and why. Nothing else follows: it counts as no failure of the fleet.
-- Writes    witness
-- Raises    OR101 the error is not an object
create or replace function {{ api }}.record_witness_failure(p_source text, p_witness text, p_error jsonb)
    returns table (consecutive_failures integer)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
#variable_conflict use_column
begin
    perform {{ private }}.require_argument(
        'p_error', jsonb_typeof(p_error) = 'object', p_error, 'an object with code, message, detail and hint'
    );
    return query
    update {{ private }}.witness as w
    set
        last_attempt_at = {{ private }}.now(), last_error = {{ private }}.redact_json(p_error),
        consecutive_failures = least(w.consecutive_failures, 1000000) + 1
    where w.source = p_source and w.witness = p_witness
    returning w.consecutive_failures;
end
$function$;
comment on function {{ api }}.record_witness_failure(text, text, jsonb) is
'Record that a witness of a source could not be read, and why. No instance is lost for it, and no alert opened. No row: there is no such witness any more.
p_source: the source.
p_witness: heartbeats or music_log.
p_error: {"code", "message", "detail", "hint"}, without a password.
consecutive_failures: failures of this witness in a row.
Raises: OR101.
Example: select * from {{ api }}.record_witness_failure(''production'', ''heartbeats'', ''{"code": "08001", "message": "could not connect"}'');';
revoke all on function {{ api }}.record_witness_failure(text, text, jsonb) from public;
grant execute on function {{ api }}.record_witness_failure(text, text, jsonb) to {{ admin }};
