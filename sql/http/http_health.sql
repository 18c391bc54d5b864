-- GET /health: is all well, and how many instances and streams there are.
-- The answer is 200 even when something is unhealthy: a client that looks here before it registers must not be kept away by the
-- want of clients. Probes that go by the status ask /readyz.
-- Reads     instance, instance_load, heartbeat, assignment; what health() reads
create or replace function {{ api }}.http_health(p_version text default null)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    return query
    with service as (
        select h.component, h.status, round(1000 * extract(epoch from h.response_time), 3)::double precision as response_time, h.finding
        from {{ api }}.health() as h
    )
    select 200, jsonb_build_object(
        'status', (
            -- while others are heard, streams that wait are a limit to those who go by this word, and no reason to go away
            select case
                when bool_or(s.status = 'unhealthy' and (s.component <> 'streams' or t.assigned = 0)) then 'unhealthy'
                when bool_or(s.status <> 'healthy') then 'limited'
                else 'healthy'
            end
            from service as s
        ),
        'timestamp', {{ private }}.now(),
        'uptime', {{ private }}.http_uptime(),
        'version', p_version,
        'services', jsonb_build_object(
            'database', jsonb_build_object('status', 'healthy', 'response_time', (select round(sum(s.response_time)::numeric, 3) from service as s))
        ) || (
            select jsonb_object_agg(
                s.component, jsonb_build_object('status', s.status, 'response_time', s.response_time, 'finding', s.finding)
            )
            from service as s
        ),
        'instances', jsonb_build_object('total', f.total, 'active', f.active, 'inactive', f.inactive, 'warning', f.warning),
        'streams', jsonb_build_object('total', t.total, 'assigned', t.assigned, 'unassigned', t.waiting, 'processing', t.running)
    )
    from {{ private }}.http_fleet_row() as f
    cross join {{ private }}.http_stream_counts() as t;
end
$function$;
comment on function {{ api }}.http_health(text) is
'Answer GET /health. The status is 200 even when something is unhealthy; probes that go by the status ask /readyz.
p_version: the version of the program that answers.
status: the HTTP status.
body: status (healthy; limited when a service is degraded, or streams wait while others are heard; or unhealthy), uptime (seconds), services with their response times (ms), instances and streams by state.
Example: select * from {{ api }}.http_health(''0.1.0'');';
revoke all on function {{ api }}.http_health(text) from public;
grant execute on function {{ api }}.http_health(text) to {{ reader }}, {{ admin }};
