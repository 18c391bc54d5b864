-- What would become of the streams without these instances, with those, with other capacities. Nothing is changed: it is
-- done and taken back, so that the answer cannot differ from the deed.
-- Locks     decision; instance, stream and assignment rows (until taken back)
-- Writes    nothing that stays
-- Raises    OR101 bad argument · OR103 unknown instance · 55P03
create or replace function {{ api }}.what_if(p_without text[] default '{}', p_with jsonb default '{}', p_capacity jsonb default '{}')
    returns table (
        instance_id text, change text, capacity_before integer, capacity_after integer, streams_before integer, streams_after integer,
        gained integer, lost integer, moves integer, least_moves integer
    )
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_before jsonb;
    v_after jsonb;
    v_waiting integer[];
    v_decision_id bigint;
    v_moved record;
begin
    perform {{ private }}.lock_decisions();
    perform {{ private }}.check_what_if(p_without, p_with, p_capacity);
    v_before := {{ private }}.planned_loads();
    v_waiting := array[{{ private }}.count_waiting(1000000)];
    begin
        v_decision_id := {{ private }}.open_decision('what if', 'what_if');
        perform {{ private }}.apply_what_if_changes(p_without, p_with, p_capacity);
        perform {{ private }}.place_fleet(v_decision_id);
        perform {{ private }}.rebalance_fleet(v_decision_id);
        select m.* into v_moved from {{ private }}.moves_since(v_decision_id) as m;
        v_after := {{ private }}.planned_loads();
        v_waiting := v_waiting || {{ private }}.count_waiting(1000000);
        raise exception using errcode = 'OR001', message = 'planned';
    exception
        when sqlstate 'OR001' then
            null; -- everything since begin is taken back; the variables are not
    end;
    return query
    with before as (
        select b.key as id, b.value as load from jsonb_each(v_before) as b
    ),
    after as (
        select a.key as id, a.value as load from jsonb_each(v_after) as a
    ),
    effect as (
        select e.* from {{ private }}.effects(v_moved.from_ids, v_moved.to_ids) as e
    ),
    sums as (
        select greatest(sum(greatest(e.gained - e.lost, 0)), sum(greatest(e.lost - e.gained, 0)))::integer as least_moves from effect as e
    )
    select
        id.id,
        case when b.id is null then 'new' when a.id is null then 'without' when b.load -> 'max_streams' <> a.load -> 'max_streams' then 'capacity' end,
        (b.load ->> 'max_streams')::integer, (a.load ->> 'max_streams')::integer,
        coalesce((b.load ->> 'streams')::integer, 0), coalesce((a.load ->> 'streams')::integer, 0),
        coalesce(e.gained, 0), coalesce(e.lost, 0), coalesce(cardinality(v_moved.stream_ids), 0), coalesce(s.least_moves, 0)
    from (select x.id from before as x union select y.id from after as y) as id
    left join before as b on b.id = id.id
    left join after as a on a.id = id.id
    left join effect as e on e.instance_id = id.id
    cross join sums as s
    union all
    -- waiting streams, as those of no instance
    select null, null, null, null, v_waiting[1], v_waiting[2], 0, 0, coalesce(cardinality(v_moved.stream_ids), 0), coalesce(s.least_moves, 0)
    from sums as s
    order by 1 nulls last;
end
$function$;
comment on function {{ api }}.what_if(text[], jsonb, jsonb) is
'Say what would become of the streams without some instances, with new ones, or with other capacities. Nothing is changed: it is done and taken back.
p_without: instances that would be gone for good.
p_with: instances that would come: {"new": 100}, or {"new": {"max_streams": 100, "location": "south", "capabilities": […]}}.
p_capacity: other capacities: {"fingerv7-001": 80}.
instance_id: the instance; null in the row that counts the streams that wait.
change: new, without or capacity; null for an instance that stays as it is.
capacity_before: its capacity now.
capacity_after: its capacity then.
streams_before: its streams now.
streams_after: its streams then.
gained: streams that would come to it.
lost: streams that would leave it.
moves: moves in all.
least_moves: the least number of moves that reaches the same loads.
Raises: OR101, OR103, 55P03.
Example: select instance_id, change, streams_before, streams_after from {{ api }}.what_if(p_without => ''{fingerv7-002}'');';
revoke all on function {{ api }}.what_if(text[], jsonb, jsonb) from public;
grant execute on function {{ api }}.what_if(text[], jsonb, jsonb) to {{ admin }};
