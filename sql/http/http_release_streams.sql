-- POST /streams/release: an instance gives streams back, or says that it has stopped what was taken from it.
-- Locks     decision; assignment rows (by id); at last http_stream
-- Writes    http_stream; what release_streams writes
-- Notifies  the new owners
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.http_release_streams(p_request jsonb)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_session {{ private }}.http_session := {{ private }}.http_speaker(p_request, 'server');
    v_asked bigint[] := {{ private }}.http_ids(p_request, 'stream_ids', true);
    v_had bigint[] := array(
        select r.stream_id from {{ private }}.http_stream as r
        where r.instance_id = v_session.instance_id and r.stream_id = any(v_asked)
    );
    v_released bigint[];
begin
    v_released := array(
        select r.stream_id
        from {{ api }}.release_streams(v_session.instance_id, v_session.incarnation, v_asked, 'released over HTTP') as r
        union
        select u.stream_id from unnest(v_had) as u(stream_id)
        order by 1
    );
    delete from {{ private }}.http_stream as r
    where r.instance_id = v_session.instance_id and r.stream_id = any(v_asked);
    return query select 200, case
        when cardinality(v_released) > 0 then jsonb_build_object('status', 'released', 'released_streams', to_jsonb(v_released))
        else jsonb_build_object('status', 'no_streams_to_release', 'released_streams', '[]'::jsonb)
    end;
end
$function$;
comment on function {{ api }}.http_release_streams(jsonb) is
'Answer POST /streams/release: an instance gives streams back, or says that it has stopped what was taken from it. What is given back goes to others and does not return at once.
p_request: server_id and stream_ids.
status: the HTTP status.
body: the JSON answer.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from {{ api }}.http_release_streams(''{"server_id": "server-1", "stream_ids": [1]}'');';
revoke all on function {{ api }}.http_release_streams(jsonb) from public;
grant execute on function {{ api }}.http_release_streams(jsonb) to {{ worker }}, {{ admin }};
