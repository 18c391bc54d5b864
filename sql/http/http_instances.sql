-- GET /instances: every instance that was not removed, and a summary.
-- Reads     instance, instance_load, heartbeat
create or replace function {{ api }}.http_instances()
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    return query
    select 200, jsonb_build_object(
        'instances', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', i.instance_id,
                'server_id', coalesce(c.name, i.instance_id),
                'ip', {{ private }}.http_ip_of(c.address),
                'port', {{ private }}.http_port_of(c.address),
                'status', i.status,
                'registered_at', i.registered_at,
                'last_heartbeat', i.last_heartbeat,
                'max_streams', i.max_streams,
                'current_streams', i.streams,
                'load_percentage', i.load_percentage,
                'processed_total', i.processed,
                'errors_total', i.errors,
                'performance_score', i.performance,
                'location', i.location,
                'version', i.version
            ) order by i.instance_id), '[]')
            from {{ private }}.http_instance_rows() as i
            left join {{ private }}.pull_client as c on c.instance_id = i.instance_id
        ),
        'summary', jsonb_build_object(
            'total_instances', f.total,
            'total_capacity', f.capacity,
            'total_assigned', f.streams,
            'average_load', f.load,
            'system_imbalance', f.imbalance
        )
    )
    from {{ private }}.http_fleet_row() as f;
end
$function$;
comment on function {{ api }}.http_instances() is
'Answer GET /instances: every instance that was not removed, and a summary.
status: the HTTP status.
body: loads as percentages of capacity; system_imbalance, the difference of the highest and the lowest load; performance_score, the part of the work that succeeds (0 to 1).
Example: select * from {{ api }}.http_instances();';
revoke all on function {{ api }}.http_instances() from public;
grant execute on function {{ api }}.http_instances() to {{ reader }}, {{ admin }};
