-- GET /metrics as JSON.
-- Reads     instance, instance_load, heartbeat, assignment, decision, job, alert, controller
create or replace function {{ api }}.http_metrics()
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
begin
    return query
    select 200, jsonb_build_object(
        'system_metrics', jsonb_build_object(
            'uptime_seconds', {{ private }}.http_uptime(),
            'open_alerts', (select count(*) from {{ private }}.alert as a where a.resolved_at is null),
            'jobs_failing', (select count(*) from {{ private }}.job as j where j.enabled and j.consecutive_failures > 0),
            'jobs_overdue', (
                select count(*) from {{ private }}.job as j where j.enabled and j.next_run_at < {{ private }}.now() - interval '30 seconds'
            )
        ),
        'stream_metrics', jsonb_build_object(
            'total', t.total, 'active', t.active, 'inactive', t.inactive, 'assigned', t.assigned, 'running', t.running,
            'releasing', t.releasing, 'waiting', t.waiting
        ),
        'instance_metrics', jsonb_build_object(
            'total', f.total, 'active', f.active, 'inactive', f.inactive, 'warning', f.warning,
            'capacity', f.capacity, 'load_percentage', f.load, 'imbalance_percentage', f.imbalance,
            'by_instance', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'instance_id', i.instance_id, 'streams', i.streams, 'max_streams', i.max_streams,
                    'load_percentage', i.load_percentage, 'processed_total', i.processed, 'errors_total', i.errors,
                    'cpu_usage', i.cpu_usage, 'memory_usage', i.memory_usage,
                    'seconds_since_heartbeat', round(extract(epoch from {{ private }}.now() - i.last_heartbeat), 1)
                ) order by i.instance_id), '[]')
                from {{ private }}.http_instance_rows() as i
            )
        ),
        'rebalancing_metrics', (
            select jsonb_build_object(
                'paused', (select c.paused_at is not null from {{ private }}.controller as c),
                'last_balanced_at', (select c.last_balanced_at from {{ private }}.controller as c),
                'decisions_last_hour', count(*),
                'moves_last_hour', coalesce(sum(d.moves), 0),
                'least_moves_last_hour', coalesce(sum(d.least_moves), 0),
                'mean_decision_seconds', coalesce(round(extract(epoch from avg(d.duration)), 6), 0),
                'longest_decision_seconds', coalesce(round(extract(epoch from max(d.duration)), 6), 0)
            )
            from {{ private }}.decision as d
            where d.decided_at > {{ private }}.now() - interval '1 hour'
        )
    )
    from {{ private }}.http_fleet_row() as f
    cross join {{ private }}.http_stream_counts() as t;
end
$function$;
comment on function {{ api }}.http_metrics() is 'GET /metrics as JSON: the HTTP status and the answer. Decisions are those of the last hour.';
revoke all on function {{ api }}.http_metrics() from public;
grant execute on function {{ api }}.http_metrics() to {{ reader }}, {{ admin }};
