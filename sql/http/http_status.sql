-- GET /status: the fleet at a glance, in the words of the server_id dialect.
-- Reads     instance, instance_load, heartbeat, assignment
create or replace function {{ api }}.http_status()
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    return query
    select 200, jsonb_build_object(
        'orchestrator_status', 'active',
        'instances', jsonb_build_object('total', f.total, 'active', f.active, 'total_capacity', f.capacity, 'current_load', f.streams),
        'streams', jsonb_build_object('assigned', t.assigned, 'available', t.waiting, 'total', t.total),
        'active_instances', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'server_id', coalesce(c.name, r.instance_id), 'max_streams', r.max_streams, 'current_streams', r.streams, 'status', r.status
            ) order by r.instance_id), '[]')
            from {{ private }}.http_instance_rows() as r
            left join {{ private }}.pull_client as c on c.instance_id = r.instance_id
            where r.status <> 'inactive'
        ),
        'load_percentage', f.load
    )
    from {{ private }}.http_fleet_row() as f
    cross join {{ private }}.http_stream_counts() as t;
end
$function$;
comment on function {{ api }}.http_status() is
'Answer GET /status: the fleet at a glance, in the words of the server_id dialect.
status: the HTTP status.
body: the JSON answer.
Example: select * from {{ api }}.http_status();';
revoke all on function {{ api }}.http_status() from public;
grant execute on function {{ api }}.http_status() to {{ reader }}, {{ admin }};
