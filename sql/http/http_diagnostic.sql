-- POST /diagnostic: an instance compares what it has with what it should have.
-- Its list is the truth about what it runs: what it was asked to stop and does not name is handed over, and what it runs without
-- having been given it is told back to it.
-- Locks     decision; assignment rows (by id); at last http_stream
-- Writes    http_stream; what report_streams writes
-- Notifies  the next owners
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.http_diagnostic(p_request jsonb)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_session {{ private }}.http_session := {{ private }}.http_speaker(p_request, 'server');
    v_local bigint[] := {{ private }}.http_ids(p_request, 'local_streams', true);
    v_missing bigint[];
    v_surplus bigint[];
    v_epochs bigint[];
begin
    perform {{ private }}.http_integer(p_request, 'local_stream_count', 0, 1000000);
    perform {{ private }}.authorize_instance(v_session.instance_id, v_session.incarnation);
    perform {{ private }}.http_adopt(v_session, v_local);
    select
        coalesce(array_agg(d.stream_id order by d.stream_id) filter (where d.action = 'add'), '{}'),
        coalesce(array_agg(d.stream_id order by d.stream_id) filter (where d.action = 'remove'), '{}'),
        coalesce(array_agg(d.epoch order by d.stream_id) filter (where d.action = 'remove'), '{}')
    into v_missing, v_surplus, v_epochs
    from {{ private }}.http_difference(v_session.instance_id) as d;
    perform {{ private }}.http_note_removed(v_session.instance_id, v_surplus, v_epochs);
    return query
    select 200, jsonb_build_object(
        'is_synchronized', v_missing || v_surplus = '{}',
        'synchronization_status', case when v_missing || v_surplus = '{}' then 'synchronized' else 'out_of_sync' end,
        'inconsistencies', jsonb_build_object(
            'streams_only_in_local', to_jsonb(v_surplus), 'streams_only_in_orchestrator', to_jsonb(v_missing)
        ),
        'recommendations', to_jsonb(array_remove(array[
            case when v_surplus <> '{}' then format('stop %s: not this instance''s', array_to_string(v_surplus, ', ')) end,
            case when v_missing <> '{}' then format('start %s, or ask for them with POST /streams/assign', array_to_string(v_missing, ', ')) end
        ], null))
    );
end
$function$;
comment on function {{ api }}.http_diagnostic(jsonb) is
'Answer POST /diagnostic: what the instance has and should not have, and what it should have and has not. Its list is taken as the truth about what it runs.
p_request: server_id, local_streams (ids) and local_stream_count.
status: the HTTP status.
body: the JSON answer.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from {{ api }}.http_diagnostic(''{"server_id": "server-1", "local_streams": [], "local_stream_count": 0}'');';
revoke all on function {{ api }}.http_diagnostic(jsonb) from public;
grant execute on function {{ api }}.http_diagnostic(jsonb) to {{ worker }}, {{ admin }};
