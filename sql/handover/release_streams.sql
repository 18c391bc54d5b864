-- A worker gives streams back, having stopped them. They go to others at once, and not back to it for refusal_time; what no other
-- else can take waits.
-- Locks     decision; assignment rows (by id); metric_count
-- Writes    assignment, refusal, decision, movement, metric_count
-- Notifies  the new owners
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.release_streams(
    p_instance_id text, p_incarnation bigint, p_streams bigint[], p_reason text default 'released'
)
    returns table (stream_id bigint, to_instance_id text)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_held bigint[];
    v_stream_ids bigint[];
    v_requirement record;
    v_decision_id bigint;
begin
    perform {{ private }}.require_argument('p_streams', p_streams is not null, null, 'the ids of the streams to give back');
    perform {{ private }}.require_few('p_streams', cardinality(p_streams));
    perform {{ private }}.require_argument(
        'p_reason', p_reason is null or length(p_reason) <= 1000, to_jsonb(left(p_reason, 100)), 'at most 1000 characters'
    );
    perform {{ private }}.lock_decisions();
    perform {{ private }}.authorize_instance(p_instance_id, p_incarnation);
    v_held := array(
        select a.stream_id from {{ private }}.assignment as a where a.stream_id = any(p_streams) and a.instance_id = p_instance_id
    );
    -- what it was asked to let go anyway goes where it was meant to
    perform {{ private }}.confirm_stops(p_instance_id, p_streams);
    v_stream_ids := array(
        select a.stream_id from {{ private }}.assignment as a
        where a.stream_id = any(v_held) and a.instance_id = p_instance_id
        order by a.stream_id
    );
    if cardinality(v_stream_ids) > 0 then
        perform {{ private }}.remember_refusals(p_instance_id, v_stream_ids, coalesce(p_reason, 'released'), 1, false);
        v_decision_id := {{ private }}.open_decision(
            'released', 'release_streams', p_reason, jsonb_build_object('instance_id', p_instance_id)
        );
        -- what asks most of its instance goes first, before its few places are taken
        for v_requirement in
            select r.requirement_id, array_agg(a.stream_id order by a.stream_id) as stream_ids
            from {{ private }}.assignment as a
            join {{ private }}.requirement as r on r.requirement_id = a.requirement_id
            where a.stream_id = any(v_stream_ids)
            group by r.requirement_id
            order by cardinality(r.capabilities) desc, r.requirement_id
        loop
            perform {{ private }}.distribute(
                v_decision_id, v_requirement.requirement_id, v_requirement.stream_ids,
                array_fill(p_instance_id, array[cardinality(v_requirement.stream_ids)]), false, false, 'released'
            );
        end loop;
        perform {{ private }}.close_decision(v_decision_id);
        perform {{ private }}.count_up('orchestrator_refusals_total', 'released', cardinality(v_stream_ids));
    end if;
    return query
    select a.stream_id, a.instance_id from {{ private }}.assignment as a where a.stream_id = any(v_held) order by a.stream_id;
end
$function$;
comment on function {{ api }}.release_streams(text, bigint, bigint[], text) is
'Give streams back, having stopped them. They go to others at once and do not return for refusal_time; what no other can take waits.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_streams: ids of the streams, at most 10000.
p_reason: why, for the record.
stream_id: the stream.
to_instance_id: the instance that has it now; null when it waits.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from {{ api }}.release_streams(''fingerv7-001'', 1, ''{1, 2}'', ''disk full'');';
revoke all on function {{ api }}.release_streams(text, bigint, bigint[], text) from public;
grant execute on function {{ api }}.release_streams(text, bigint, bigint[], text) to {{ worker }}, {{ admin }};
