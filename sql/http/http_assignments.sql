-- GET /streams/assignments: who has which stream, in the words of the older programs.
-- Reads     assignment, stream, pull_client
create or replace function {{ api }}.http_assignments()
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    return query
    select 200, jsonb_build_object('assignments', coalesce(jsonb_agg(jsonb_build_object(
        'stream_id', coalesce(s.number, s.stream_id),
        'server_id', coalesce(c.name, a.instance_id),
        'assigned_at', a.assigned_at,
        'status', 'active',
        'ip', {{ private }}.http_ip_of(c.address),
        'port', {{ private }}.http_port_of(c.address)
    ) order by s.number, s.stream_id), '[]'))
    from {{ private }}.assignment as a
    join {{ private }}.stream as s on s.stream_id = a.stream_id
    left join {{ private }}.pull_client as c on c.instance_id = a.instance_id
    where a.instance_id is not null;
end
$function$;
comment on function {{ api }}.http_assignments() is
'Answer GET /streams/assignments: which instance has which stream, by the ids of the source.
status: the HTTP status.
body: assignments.
Example: select * from {{ api }}.http_assignments();';
revoke all on function {{ api }}.http_assignments() from public;
grant execute on function {{ api }}.http_assignments() to {{ reader }}, {{ admin }};
