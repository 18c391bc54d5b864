-- A driver, or another program of an administrator, tells which of its calls failed; see report_failures for p_failures.
-- Locks     the reporter's own failure_count and failure_streak; incident_pattern (by pattern); its own alert; at last metric_count (by label)
-- Writes    failure_count, failure_streak, incident_pattern, alert, alert_delivery, metric_count
-- Raises    OR101 bad argument
create or replace function {{ api }}.record_failures(p_reporter text, p_failures jsonb)
    returns table (recorded integer, recovery boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    perform {{ private }}.require_argument(
        'p_reporter', p_reporter ~ '^[a-z][a-z_]*:[[:print:]]{1,120}$', to_jsonb(p_reporter), 'a kind and a name, such as driver:host:4711'
    );
    return query select r.recorded, r.recovery from {{ private }}.report_failures_of(p_reporter, p_failures) as r;
end
$function$;
comment on function {{ api }}.record_failures(text, jsonb) is
'Record which calls of a driver, or of another program of an administrator, failed.
p_reporter: kind and name, such as driver:host:4711. Instances report for themselves, by report_failures.
p_failures: as in report_failures.
recorded: failures that were counted.
recovery: whether recovery mode is on.
Raises: OR101.
Example: select * from {{ api }}.record_failures(''driver:host:4711'', ''[{"function": "run_next_job", "sqlstate": "08006", "message": "server closed the connection"}]'');';
revoke all on function {{ api }}.record_failures(text, jsonb) from public;
grant execute on function {{ api }}.record_failures(text, jsonb) to {{ admin }};
