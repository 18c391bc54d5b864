-- GET /api/workers: the instances in the words of the older programs.
-- Reads     instance, instance_load, heartbeat
create or replace function {{ api }}.http_workers()
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    return query
    select 200, jsonb_build_object(
        'workers', coalesce(jsonb_agg(jsonb_build_object(
            'instance_id', coalesce(c.name, r.instance_id),
            'worker_type', case when c.instance_id is null then 'worker_shim' else 'fingerv7' end,
            'status', case when r.may_have_streams then 'active' else r.status end,
            'capacity', r.max_streams,
            'current_load', r.streams,
            'available_capacity', greatest(r.max_streams - r.streams, 0),
            'last_heartbeat', r.last_heartbeat,
            'registered_at', r.registered_at
        ) order by r.instance_id), '[]'),
        'total', count(*)
    )
    from {{ private }}.http_instance_rows() as r
    left join {{ private }}.pull_client as c on c.instance_id = r.instance_id;
end
$function$;
comment on function {{ api }}.http_workers() is
'Answer GET /api/workers: every instance that was not removed.
status: the HTTP status.
body: workers, and their total.
Example: select * from {{ api }}.http_workers();';
revoke all on function {{ api }}.http_workers() from public;
grant execute on function {{ api }}.http_workers() to {{ reader }}, {{ admin }};
