-- GET /api/metrics: the fleet at a glance in the words of the older programs.
-- Reads     instance, instance_load, heartbeat, assignment, metric_count
create or replace function {{ api }}.http_worker_metrics()
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    return query
    select 200, jsonb_build_object(
        'orchestrator', jsonb_build_object('status', 'active', 'uptime', {{ private }}.http_uptime(), 'timestamp', {{ private }}.now()),
        'workers', jsonb_build_object(
            'total', f.total, 'active', f.active, 'total_capacity', f.capacity, 'current_load', f.streams, 'utilization_percent', f.load
        ),
        'streams', jsonb_build_object(
            'total_assignments', t.assigned, 'completed', w.processed, 'failed', w.errors, 'processing', t.assigned,
            'success_rate', round(coalesce(100.0 * w.processed / nullif(w.processed + w.errors, 0), 100), 1)
        )
    )
    from {{ private }}.http_fleet_row() as f
    cross join {{ private }}.http_stream_counts() as t
    cross join (
        select coalesce(sum(r.processed), 0) as processed, coalesce(sum(r.errors), 0) as errors
        from {{ private }}.http_instance_rows() as r
    ) as w;
end
$function$;
comment on function {{ api }}.http_worker_metrics() is
'Answer GET /api/metrics: the fleet at a glance. Rates are percentages.
status: the HTTP status.
body: orchestrator, workers, streams.
Example: select * from {{ api }}.http_worker_metrics();';
revoke all on function {{ api }}.http_worker_metrics() from public;
grant execute on function {{ api }}.http_worker_metrics() to {{ reader }}, {{ admin }};
