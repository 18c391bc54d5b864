-- A worker tells, when it can, which of its calls failed; also those that failed because the database could not be reached.
-- Locks     its own failure_count and failure_streak; incident_pattern (by pattern); its own alert; at last metric_count (by label)
-- Writes    failure_count, failure_streak, incident_pattern, alert, alert_delivery, metric_count
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation
create or replace function {{ api }}.report_failures(p_instance_id text, p_incarnation bigint, p_failures jsonb)
    returns table (recorded integer, recovery boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    perform {{ private }}.authorize_instance(p_instance_id, p_incarnation);
    return query select r.recorded, r.recovery from {{ private }}.report_failures_of(p_instance_id, p_failures) as r;
end
$function$;
comment on function {{ api }}.report_failures(text, bigint, jsonb) is
'Report which calls of a worker failed since the last report, also those that failed because the database could not be reached.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_failures: at most 100 of {"function", "sqlstate", "message", "detail", "count", "first_ago" and "last_ago" (seconds ago), "consecutive" (the longest run of failed rounds), "over" (whether it works again)}. One failure is one failed round, not each of its tries. Refusals (OR1xx, OR4xx) are answers and not counted.
recorded: failures that were counted.
recovery: whether recovery mode is on.
Raises: OR101, OR103, OR106, OR301.
Example: select * from {{ api }}.report_failures(''fingerv7-001'', 1, ''[{"function": "heartbeat", "sqlstate": "08006", "message": "server closed the connection", "count": 2, "last_ago": 3.5}]'');';
revoke all on function {{ api }}.report_failures(text, bigint, jsonb) from public;
grant execute on function {{ api }}.report_failures(text, bigint, jsonb) to {{ worker }}, {{ admin }};
