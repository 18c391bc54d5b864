-- POST /rebalance: rebalance now, and say what moved or why nothing did.
-- Locks     decision; stream and assignment rows (by id)
-- Writes    what rebalance writes
-- Notifies  each affected instance
-- Raises    OR101 bad argument · OR401 balancing is paused · 55P03
create or replace function {{ api }}.http_rebalance(p_request jsonb default '{}')
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_reason text := {{ private }}.http_text(p_request, 'reason');
    v_decision record;
    v_moves jsonb;
begin
    select r.* into v_decision from {{ api }}.rebalance(coalesce(v_reason, 'asked for over HTTP')) as r;
    select coalesce(jsonb_agg(jsonb_build_object('stream_id', m.stream_id, 'from', m.from_id, 'to', m.to_id) order by m.stream_id), '[]')
    into v_moves
    from (
        select a.stream_id, a.instance_id as from_id, a.next_instance_id as to_id
        from {{ private }}.assignment as a
        where a.decision_id = v_decision.decision_id and a.releasing_since is not null
        union all
        select w.stream_id, w.from_instance_id, w.to_instance_id
        from {{ private }}.movement as w
        where w.decision_id = v_decision.decision_id
        order by 1
        limit 1000
    ) as m;
    return query
    select 200, jsonb_build_object(
        'status', case when v_decision.moves > 0 then 'rebalanced' else 'balanced' end,
        'message', case
            when v_decision.moves > 0 then v_decision.moves || ' streams were moved or asked to move'
            when v_decision.still_waiting > 0 then 'nothing can move: no instance has room for what waits'
            else 'nothing had to move: every instance has its share'
        end,
        'moved_streams', v_decision.moves,
        'least_moves', v_decision.least_moves,
        'still_waiting', v_decision.still_waiting,
        'moves', v_moves,
        'event_id', v_decision.event_id
    );
end
$function$;
comment on function {{ api }}.http_rebalance(jsonb) is
'Answer POST /rebalance: rebalance now, and say what moved or why nothing did.
p_request: reason, optional.
status: the HTTP status.
body: status, message, moved_streams, least_moves, still_waiting, event_id, and at most 1000 moves by name.
Raises: OR101, OR401, 55P03.
Example: select * from {{ api }}.http_rebalance(''{"reason": "after the upgrade"}'');';
revoke all on function {{ api }}.http_rebalance(jsonb) from public;
grant execute on function {{ api }}.http_rebalance(jsonb) to {{ admin }};
