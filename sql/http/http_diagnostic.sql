-- POST /diagnostic: a client compares what it has with what the books say. Nothing changes: it stops nothing because of an answer.
-- Reads     pull_client, assignment
-- Raises    OR101 bad argument · OR106 another login's
create or replace function {{ api }}.http_diagnostic(p_request jsonb)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_name text := {{ private }}.http_client_name(p_request, array['server_id', 'worker_instance_id', 'instance_id']);
    v_instance_id text := {{ private }}.pull_instance_id(v_name);
    v_own bigint[] := {{ private }}.numbers_of({{ private }}.own_streams(v_instance_id));
    v_local bigint[] := {{ private }}.http_loose_ids(p_request -> 'local_streams');
    v_count bigint := coalesce(
        {{ private }}.http_loose_number(p_request -> 'local_stream_count')::bigint,
        case when jsonb_typeof(p_request -> 'local_streams') = 'array' then jsonb_array_length(p_request -> 'local_streams') end
    );
    v_both bigint[];
    v_surplus bigint[];
    v_missing bigint[];
    v_is_known boolean := exists (select from {{ private }}.instance as i where i.instance_id = v_instance_id);
    v_is_in_step boolean;
begin
    perform {{ private }}.authorize_name(v_instance_id);
    select
        coalesce(array_agg(n.number order by n.number) filter (where n.number = any(v_own) and n.number = any(v_local)), '{}'),
        coalesce(array_agg(n.number order by n.number) filter (where n.number <> all(v_own)), '{}'),
        coalesce(array_agg(n.number order by n.number) filter (where n.number <> all(v_local)), '{}')
    into v_both, v_surplus, v_missing
    from (select distinct u.number from unnest(v_own || v_local) as u(number)) as n;
    v_is_in_step := v_surplus || v_missing = '{}' and coalesce(v_count, 0) = cardinality(v_own);
    return query
    select 200, jsonb_build_object(
        'success', true,
        'server_id', v_name,
        'is_synchronized', v_is_in_step,
        'synchronization_status', case when v_is_in_step then 'OK' else 'INCONSISTENT' end,
        'inconsistencies', jsonb_build_object(
            'streams_only_in_local', to_jsonb(v_surplus),
            'streams_only_in_orchestrator', to_jsonb(v_missing),
            'count_mismatch', coalesce(v_count, 0) <> cardinality(v_own)
        ),
        'streams_in_sync', to_jsonb(v_both),
        'local_state', jsonb_build_object('stream_count', v_count, 'streams', to_jsonb(v_local)),
        'orchestrator_state', jsonb_build_object('stream_count', cardinality(v_own), 'streams', to_jsonb(v_own)),
        'instance_info', (
            select jsonb_build_object('server_id', v_name, 'status', i.status, 'max_streams', i.max_streams, 'registered_at', i.registered_at)
            from {{ private }}.instance as i where i.instance_id = v_instance_id
        ),
        'recommendations', to_jsonb(array_remove(array[
            case when not v_is_known then 'register: this instance is not known' end,
            case when v_surplus <> '{}' then format('restart this instance: it has %s, and they are not its own', array_to_string(v_surplus, ', ')) end,
            case when v_missing <> '{}' then format('restart this instance: it has not %s, and they are its own', array_to_string(v_missing, ', ')) end
        ], null))
    );
end
$function$;
comment on function {{ api }}.http_diagnostic(jsonb) is
'Answer POST /diagnostic: what the instance has and should not have, and what it should have and has not. Nothing changes.
p_request: server_id, local_streams (ids) and local_stream_count.
status: the HTTP status.
body: the JSON answer; its ids are those of the source.
Raises: OR101, OR106.
Example: select * from {{ api }}.http_diagnostic(''{"server_id": "server-1", "local_streams": [], "local_stream_count": 0}'');';
revoke all on function {{ api }}.http_diagnostic(jsonb) from public;
grant execute on function {{ api }}.http_diagnostic(jsonb) to {{ worker }}, {{ admin }};
