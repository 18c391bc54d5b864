-- GET /streams: how many stations there are, and ten of them.
-- Reads     stream, assignment
create or replace function {{ api }}.http_streams()
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    return query
    select 200, jsonb_build_object(
        'status', 'success',
        'total', (select count(*) from {{ private }}.stream),
        'streams', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'id', coalesce(s.number, s.stream_id), 'index', s.number, 'name', s.name, 'url', {{ private }}.redact(s.url), 'active', s.active,
                'region', s.region, 'assigned_to', a.instance_id
            ) order by s.stream_id), '[]')
            from (select t.* from {{ private }}.stream as t order by t.stream_id limit 10) as s
            join {{ private }}.assignment as a on a.stream_id = s.stream_id
        ),
        'timestamp', {{ private }}.now()
    );
end
$function$;
comment on function {{ api }}.http_streams() is
'Answer GET /streams: how many stations there are, and the first ten.
status: the HTTP status.
body: total, and streams by their ids in their source.
Example: select * from {{ api }}.http_streams();';
revoke all on function {{ api }}.http_streams() from public;
grant execute on function {{ api }}.http_streams() to {{ reader }}, {{ admin }};
