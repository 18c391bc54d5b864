-- POST /streams/assign and GET /api/streams/assign: hand out streams that were given to an instance and that it was not told yet.
-- Nothing is decided here: what an instance gets was decided when it was balanced, and this tells it.
-- Locks     http_stream
-- Writes    http_stream
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation
create or replace function {{ api }}.http_assign_streams(p_request jsonb, p_dialect text default null)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_dialect text := coalesce(p_dialect, 'server');
    v_session {{ private }}.http_session := {{ private }}.http_speaker(p_request, v_dialect);
    v_asked bigint := {{ private }}.http_integer(
        p_request, case v_dialect when 'worker' then 'capacity' else 'requested_count' end, 0, 1000000, true
    );
    v_stream_ids bigint[];
    v_is_full boolean;
    v_answer jsonb;
begin
    perform {{ private }}.authorize_instance(v_session.instance_id, v_session.incarnation);
    v_stream_ids := array(
        select d.stream_id
        from {{ private }}.http_difference(v_session.instance_id) as d
        where d.action = 'add'
            and not exists (
                select from {{ private }}.http_stream as r
                where r.instance_id = v_session.instance_id and r.stream_id = d.stream_id and r.epoch = d.epoch and r.state = 'told'
            )
        order by d.stream_id
        limit v_asked
    );
    select count(r.stream_id) >= i.max_streams into v_is_full
    from {{ private }}.instance as i
    left join {{ private }}.http_stream as r on r.instance_id = i.instance_id and r.state in ('told', 'running')
    where i.instance_id = v_session.instance_id
    group by i.max_streams;
    if cardinality(v_stream_ids) > 0 then
        perform {{ private }}.http_note_added(v_session.instance_id, v_stream_ids);
        v_answer := jsonb_build_object('status', 'assigned', 'assigned_streams', to_jsonb(v_stream_ids), 'count', cardinality(v_stream_ids));
    elsif v_is_full then
        v_answer := jsonb_build_object(
            'status', 'no_capacity', 'assigned_streams', '[]'::jsonb, 'message', 'the instance has as many streams as it can hold'
        );
    else
        v_answer := jsonb_build_object(
            'status', 'no_streams', 'assigned_streams', '[]'::jsonb, 'message', 'the instance has its share; ask again later'
        );
    end if;
    if v_dialect = 'worker' then
        v_answer := v_answer || jsonb_build_object(
            'streams', (
                select coalesce(jsonb_agg(jsonb_build_object('stream_id', s.stream_id, 'name', s.name, 'url', s.url) order by s.stream_id), '[]')
                from {{ private }}.stream as s
                where s.stream_id = any(v_stream_ids)
            )
        );
    end if;
    return query select 200, v_answer;
end
$function$;
comment on function {{ api }}.http_assign_streams(jsonb, text) is
'Answer POST /streams/assign and GET /api/streams/assign: streams that are the instance''s by now and that it was not told before, at most as many as it asks for.
p_request: the keys of the request: server_id and requested_count, or worker_id and capacity.
p_dialect: server (default) or worker, by the path of the request.
status: the HTTP status.
body: the JSON answer.
Raises: OR101, OR103, OR106, OR301.
Example: select * from {{ api }}.http_assign_streams(''{"server_id": "server-1", "requested_count": 5}'');';
revoke all on function {{ api }}.http_assign_streams(jsonb, text) from public;
grant execute on function {{ api }}.http_assign_streams(jsonb, text) to {{ worker }}, {{ admin }};
