-- What a plan would do to each instance, while the fleet is still as it was planned for.
-- Reads     plan, plan_move, instance, instance_load
-- Raises    OR107 unknown plan · OR403 stale plan
create or replace function {{ api }}.plan_effect(p_plan_id bigint)
    returns table (
        instance_id text, max_streams integer, streams_before integer, streams_after integer, gained integer, lost integer,
        moves integer, least_moves integer, immovable integer
    )
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
#variable_conflict use_column
declare
    v_plan {{ private }}.plan := {{ private }}.applicable_plan(p_plan_id);
begin
    return query
    with effect as (
        select e.* from (
            select array_agg(m.from_instance_id) as from_ids, array_agg(m.to_instance_id) as to_ids
            from {{ private }}.plan_move as m
            where m.plan_id = v_plan.plan_id
        ) as m
        cross join lateral {{ private }}.effects(m.from_ids, m.to_ids) as e
    ),
    sums as (
        select
            (select count(*)::integer from {{ private }}.plan_move as m where m.plan_id = v_plan.plan_id) as moves,
            coalesce(greatest(sum(greatest(e.gained - e.lost, 0)), sum(greatest(e.lost - e.gained, 0))), 0)::integer as least_moves
        from effect as e
    )
    select
        i.instance_id, i.max_streams, l.owned - l.outgoing + l.incoming,
        l.owned - l.outgoing + l.incoming + coalesce(e.gained, 0) - coalesce(e.lost, 0), coalesce(e.gained, 0), coalesce(e.lost, 0),
        s.moves, s.least_moves, case when i.keeps_streams and i.is_living then l.owned else 0 end
    from {{ private }}.instance as i
    join {{ private }}.instance_load as l on l.instance_id = i.instance_id
    left join effect as e on e.instance_id = i.instance_id
    cross join sums as s
    where i.status <> 'removed'
    order by i.instance_id;
end
$function$;
comment on function {{ api }}.plan_effect(bigint) is
'Say what a plan would do to each instance, while the fleet is still as it was planned for.
p_plan_id: the plan, as plan_rebalance returned it.
instance_id: the instance.
max_streams: the capacity of the instance.
streams_before: streams that it has now.
streams_after: streams that it would have.
gained: streams that would come to it.
lost: streams that would leave it.
moves: moves of the whole plan.
least_moves: the least number of moves that reaches the same loads.
immovable: streams that nothing can move while the instance lives: it would hear on.
Raises: OR107, OR403.
Example: select * from {{ api }}.plan_effect(1);';
revoke all on function {{ api }}.plan_effect(bigint) from public;
grant execute on function {{ api }}.plan_effect(bigint) to {{ admin }};
