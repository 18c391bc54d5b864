-- What rebalance() would do now, without doing it: it is done and taken back, so that the plan cannot differ from the deed.
-- Locks     decision; stream and assignment rows (until taken back)
-- Writes    plan, plan_move
-- Raises    55P03
create or replace function {{ api }}.plan_rebalance()
    returns table (plan_id bigint, stream_id bigint, from_instance_id text, to_instance_id text, why text)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_fingerprint text;
    v_decision_id bigint;
    v_plan_id bigint;
    v_stream_ids bigint[];
    v_from text[];
    v_to text[];
begin
    perform {{ private }}.lock_decisions();
    v_fingerprint := {{ private }}.fleet_fingerprint();
    begin
        v_decision_id := {{ private }}.open_decision('plan', 'plan_rebalance');
        perform {{ private }}.place_fleet(v_decision_id);
        perform {{ private }}.rebalance_fleet(v_decision_id);
        select array_agg(m.stream_id order by m.stream_id), array_agg(m.from_id order by m.stream_id), array_agg(m.to_id order by m.stream_id)
        into v_stream_ids, v_from, v_to
        from (
            select v.stream_id, v.from_instance_id as from_id, v.to_instance_id as to_id
            from {{ private }}.movement as v where v.decision_id = v_decision_id
            union all
            select a.stream_id, a.instance_id, a.next_instance_id
            from {{ private }}.assignment as a where a.decision_id = v_decision_id and a.releasing_since is not null
        ) as m;
        raise exception using errcode = 'OR001', message = 'planned';
    exception
        when sqlstate 'OR001' then
            null; -- everything since begin is taken back; the variables are not
    end;
    insert into {{ private }}.plan (planned_at, planned_by, fingerprint)
    values ({{ private }}.now(), {{ private }}.actor(), v_fingerprint)
    returning plan.plan_id into v_plan_id;
    insert into {{ private }}.plan_move (plan_id, stream_id, from_instance_id, to_instance_id)
    select v_plan_id, u.stream_id, u.from_id, u.to_id from unnest(v_stream_ids, v_from, v_to) as u(stream_id, from_id, to_id);
    return query
    select
        m.plan_id, m.stream_id, m.from_instance_id, m.to_instance_id,
        case
            when m.from_instance_id is null then 'it waits'
            when a.pinned_to = m.to_instance_id then 'it is pinned there'
            when i.status = 'draining' then 'its owner is being drained'
            when l.owned - l.outgoing > i.max_streams then 'its owner has more than max_streams'
            else 'its owner has more than its share'
        end
    from {{ private }}.plan_move as m
    join {{ private }}.assignment as a on a.stream_id = m.stream_id
    left join {{ private }}.instance as i on i.instance_id = m.from_instance_id
    left join {{ private }}.instance_load as l on l.instance_id = m.from_instance_id
    where m.plan_id = v_plan_id
    order by m.stream_id;
end
$function$;
comment on function {{ api }}.plan_rebalance() is
'Plan a rebalance: each move that rebalance() would make now. No rows: there is nothing to do. It is done and taken back, so the plan cannot differ from the deed. plan_effect sums it up, apply_plan makes it.
plan_id: the plan; the same in each row.
stream_id: the stream.
from_instance_id: the instance that has the stream; null when it waits.
to_instance_id: the instance that would get it.
why: the reason of this move.
Raises: 55P03.
Example: select * from {{ api }}.plan_rebalance();';
revoke all on function {{ api }}.plan_rebalance() from public;
grant execute on function {{ api }}.plan_rebalance() to {{ admin }};
