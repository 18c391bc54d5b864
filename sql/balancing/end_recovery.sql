-- End recovery mode by hand. It begins again only with failures that happen from now on.
-- Locks     controller
-- Writes    controller, settle_request
create or replace function {{ api }}.end_recovery()
    returns table (recovery_since timestamptz, failures_in_last_minute integer)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_left jsonb := {{ private }}.leave_recovery(v_now, jsonb_build_object('ended_by', {{ private }}.actor()));
begin
    return query select (v_left ->> 'since')::timestamptz, {{ private }}.failures_per_minute(v_now - interval '1 minute');
end
$function$;
comment on function {{ api }}.end_recovery() is
'End recovery mode by hand. What fails from now on can switch it on again.
recovery_since: since when it was on; null when it was off.
failures_in_last_minute: how much failed in the last minute.
Example: select * from {{ api }}.end_recovery();';
revoke all on function {{ api }}.end_recovery() from public;
grant execute on function {{ api }}.end_recovery() to {{ admin }};
