-- GET /metrics as JSON: the fleet in its named figures, and all that metrics() has beside them, under the names that Prometheus
-- knows, so that both faces say the same.
-- Reads     what metrics() reads; decision
create or replace function {{ api }}.http_metrics()
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_series jsonb := {{ private }}.http_series();
begin
    return query
    select 200, jsonb_build_object(
        'system_metrics', jsonb_build_object(
            'uptime_seconds', {{ private }}.http_uptime(), 'open_alerts', s.open_alerts, 'jobs_failing', s.jobs_failing,
            'jobs_overdue', s.jobs_overdue, 'drivers', s.drivers, 'recovery_mode', s.is_recovering, 'series', v_series -> 'system'
        ),
        'stream_metrics', jsonb_build_object(
            'total', t.total, 'active', t.active, 'inactive', t.inactive, 'assigned', t.assigned, 'running', t.running,
            'releasing', t.releasing, 'waiting', t.waiting, 'series', v_series -> 'stream'
        ),
        'instance_metrics', jsonb_build_object(
            'total', f.total, 'active', f.active, 'inactive', f.inactive, 'warning', f.warning,
            'capacity', f.capacity, 'load_percentage', f.load, 'imbalance_percentage', f.imbalance,
            'by_instance', (
                select coalesce(jsonb_agg(jsonb_build_object(
                    'instance_id', i.instance_id, 'streams', i.streams, 'max_streams', i.max_streams,
                    'load_percentage', i.load_percentage, 'processed_total', i.processed, 'errors_total', i.errors,
                    'cpu_usage', i.cpu_usage, 'memory_usage', i.memory_usage, 'beats_total', i.beats, 'beats_missed_total', i.missed,
                    'clock_difference_seconds', round(extract(epoch from i.last_heartbeat - i.last_sent), 3),
                    'seconds_since_heartbeat', round(extract(epoch from {{ private }}.now() - i.last_heartbeat), 1)
                ) order by i.instance_id), '[]')
                from {{ private }}.http_instance_rows() as i
            ),
            'series', v_series -> 'instance'
        ),
        'rebalancing_metrics', (
            select jsonb_build_object(
                'paused', s.is_paused,
                'last_balanced_at', s.last_balanced_at,
                'decisions_last_hour', count(*),
                'moves_last_hour', coalesce(sum(d.moves), 0),
                'least_moves_last_hour', coalesce(sum(d.least_moves), 0),
                'mean_decision_seconds', coalesce(round(extract(epoch from avg(d.duration)), 6), 0),
                'longest_decision_seconds', coalesce(round(extract(epoch from max(d.duration)), 6), 0),
                'series', v_series -> 'rebalancing'
            )
            from {{ private }}.decision as d
            where d.decided_at > (select {{ private }}.now() - interval '1 hour') -- asked once, so that the index is of use
        )
    )
    from {{ private }}.http_fleet_row() as f
    cross join {{ private }}.http_stream_counts() as t
    cross join {{ private }}.http_system_row() as s;
end
$function$;
comment on function {{ api }}.http_metrics() is
'Answer GET /metrics as JSON.
status: the HTTP status.
body: the named figures of the fleet (decisions are those of the last hour); in series all that is measured and does not belong to one instance, by the names that Prometheus knows.
Example: select * from {{ api }}.http_metrics();';
revoke all on function {{ api }}.http_metrics() from public;
grant execute on function {{ api }}.http_metrics() to {{ reader }}, {{ admin }};
