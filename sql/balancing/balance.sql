-- Moving streams between living instances: only from those above their fair target to those below it.
--   imbalance            how far the fleet is from fair
--   shift                level one group of instances by moving streams of some requirements
--   bring_into_region    streams whose region has room for them
--   rebalance_fleet      the whole fleet: requirements that only some instances meet first, then all others
--   bring_pinned_home    pinned streams whose instance is back, or has room again, or refuses them no longer
--   make_room            where only some instances are able, move away what others could have
--   place_fleet          everything that is not levelling
-- Every caller holds the decision lock.
-- Locks     stream and assignment rows (by id)
-- Writes    assignment

create or replace function {{ private }}.imbalance()
    returns table (load_difference double precision, stream_difference double precision)
    language sql stable
as $function$
    with fleet as materialized (
        select p.planned::double precision as planned, p.max_streams::double precision as max_streams, p.weight
        from {{ private }}.placeable_instances() as p
    ),
    total as (
        select sum(f.planned) as planned, sum(f.weight) as weight from fleet as f
    )
    select
        coalesce(max(f.planned / f.max_streams) - min(f.planned / f.max_streams), 0),
        coalesce(max(abs(f.planned - least(t.planned * f.weight / t.weight, f.max_streams))), 0)
    from fleet as f cross join total as t
$function$;
comment on function {{ private }}.imbalance() is 'The greatest difference of load between two instances (0 to 1, of their capacities), and the greatest distance of one from its fair share, in streams.';

create or replace function {{ private }}.level_loads(
    p_decision_id bigint, p_requirement_ids integer[], p_instance_ids text[], p_most integer
)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_stream_ids bigint[];
    v_to text[];
begin
    if p_most <= 0 then
        return 0;
    end if;
    with given as (
        select m.to_instance_id as instance_id from {{ private }}.movement as m where m.decision_id = p_decision_id
        union
        select a.next_instance_id
        from {{ private }}.assignment as a where a.decision_id = p_decision_id and a.releasing_since is not null
    ),
    keeping as (
        select i.instance_id from {{ private }}.instance as i where i.instance_id = any(p_instance_ids) and i.keeps_streams
    ),
    candidate as (
        select
            p.instance_id, p.weight, p.planned, p.ceiling,
            -- an instance that received streams in this decision donates none, nor does one that would hear on
            case
                when p.instance_id in (select g.instance_id from given as g union all select k.instance_id from keeping as k) then 0
                else coalesce(m.movable, 0)
            end as movable
        from {{ private }}.placeable_instances() as p
        left join (
            select r.instance_id, sum(r.movable)::integer as movable
            from {{ private }}.requirement_load as r
            where r.requirement_id = any(p_requirement_ids)
            group by r.instance_id
        ) as m on m.instance_id = p.instance_id
        where p.instance_id = any(p_instance_ids)
    ),
    fleet as (
        select
            sum(c.planned) as total, array_agg(c.instance_id) as instance_ids, array_agg(c.weight) as weights,
            array_agg(least(c.planned - c.movable, c.ceiling)) as lower, array_agg(c.ceiling) as upper, array_agg(c.planned) as held
        from candidate as c
    ),
    target as (
        select t.instance_id, t.target - t.held as change
        from fleet as f
        cross join lateral {{ private }}.fair_targets(f.total, f.instance_ids, f.weights, f.lower, f.upper, f.held) as t
        where t.target <> t.held
    ),
    donated as (
        select s.stream_id, row_number() over (order by t.instance_id, s.stream_id) as place
        from target as t
        cross join lateral (
            select a.stream_id
            from {{ private }}.assignment as a
            where a.instance_id = t.instance_id
                and a.requirement_id = any(p_requirement_ids)
                and a.state <> 'releasing'
                and a.pinned_to is null
                -- not back to where it was just refused
                and not exists (
                    select from {{ private }}.refusal as f where f.stream_id = a.stream_id and f.until > {{ private }}.now()
                )
            order by a.requirement_id, a.stream_id -- as the index has them: no more are read than are taken
            limit -t.change
        ) as s
        where t.change < 0
    ),
    taken as (
        select t.instance_id, row_number() over (order by t.instance_id) as place
        from target as t cross join lateral generate_series(1, t.change)
        where t.change > 0
    )
    select array_agg(d.stream_id), array_agg(k.instance_id)
    into v_stream_ids, v_to
    from donated as d join taken as k using (place)
    where d.place <= p_most;
    if v_stream_ids is null then
        return 0;
    end if;
    return {{ private }}.hand_over(p_decision_id, v_stream_ids, v_to);
end
$function$;
comment on function {{ private }}.level_loads(bigint, integer[], text[], integer) is 'Level the loads of these instances by handing over streams of these requirements, at most so many.';

create or replace function {{ private }}.requirement_reach()
    returns table (requirement_id integer, instance_ids text[], reaches_all boolean)
    language sql stable
as $function$
    with placeable as (
        select p.instance_id, p.capabilities, p.location from {{ private }}.placeable_instances() as p
    ),
    strategy as materialized (
        select {{ private }}.setting_text('strategy') = 'location' as is_location
    ),
    used as (
        select r.*
        from {{ private }}.requirement as r
        where exists (select from {{ private }}.requirement_load as l where l.requirement_id = r.requirement_id and l.movable > 0)
            -- with a limit it stays a look into the index for each requirement, also without statistics of the table
            or (
                select true from {{ private }}.assignment as a
                where a.requirement_id = r.requirement_id and a.waiting_since is not null
                limit 1
            )
    ),
    reach as (
        select u.requirement_id,
            array_agg(p.instance_id) as able,
            array_agg(p.instance_id) filter (where p.location = u.region and s.is_location) as preferred
        from used as u
        join placeable as p on p.capabilities @> u.capabilities
        cross join strategy as s
        group by u.requirement_id
    )
    select r.requirement_id, coalesce(r.preferred, r.able), cardinality(coalesce(r.preferred, r.able)) = (select count(*) from placeable)
    from reach as r
    order by cardinality(coalesce(r.preferred, r.able)), r.requirement_id
$function$;
comment on function {{ private }}.requirement_reach() is 'Which instances may have the streams of each requirement in use (under the strategy location: those of its region, where there are any).';

create or replace function {{ private }}.make_room(p_decision_id bigint)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_reach record;
    v_stream_ids bigint[];
    v_to text[];
    v_needed integer;
    v_common text[];
    v_moved integer := 0;
begin
    if {{ private }}.count_waiting(1) = 0 then
        return 0;
    end if;
    -- what all are able to do
    select coalesce(array_agg(c.capability), '{}') into v_common
    from (
        select u.capability
        from {{ private }}.placeable_instances() as p cross join unnest(p.capabilities) as u(capability)
        group by u.capability
        having count(distinct p.instance_id) = (select count(*) from {{ private }}.placeable_instances())
    ) as c;
    for v_reach in select r.requirement_id, r.instance_ids from {{ private }}.requirement_reach() as r where not r.reaches_all loop
        select count(*) into v_needed
        from (
            select from {{ private }}.assignment as a
            where a.requirement_id = v_reach.requirement_id and a.waiting_since is not null
            union all
            select from {{ private }}.owners_of_orphans() as h
            join {{ private }}.assignment as a on a.instance_id = h.instance_id and a.requirement_id = v_reach.requirement_id
            limit 1000
        ) as w;
        -- there is room that they were refused, and hand-overs already on their way out will make more
        select v_needed - coalesce(sum(p.max_streams - p.planned), 0) into v_needed
        from {{ private }}.placeable_instances() as p where p.instance_id = any(v_reach.instance_ids) and p.planned < p.max_streams;
        continue when v_needed <= 0;

        select array_agg(p.instance_id) into v_to
        from {{ private }}.placeable_instances() as p
        cross join lateral generate_series(1, least(p.ceiling - p.planned, v_needed))
        where p.instance_id <> all(v_reach.instance_ids);
        continue when v_to is null;

        select array_agg(s.stream_id) into v_stream_ids
        from (
            select a.stream_id
            from {{ private }}.assignment as a
            join {{ private }}.requirement as r on r.requirement_id = a.requirement_id
            where a.instance_id = any(v_reach.instance_ids)
                -- wherever it would rather be: to be heard counts more
                and r.capabilities <@ v_common
                and a.state <> 'releasing'
                and a.pinned_to is null
                -- not what this decision has just put there
                and a.decision_id is distinct from p_decision_id
            order by a.stream_id
            limit least(v_needed, cardinality(v_to))
        ) as s;
        continue when v_stream_ids is null;
        v_moved := v_moved + {{ private }}.hand_over(p_decision_id, v_stream_ids, v_to[1:cardinality(v_stream_ids)]);
    end loop;
    return v_moved;
end
$function$;
comment on function {{ private }}.make_room(bigint) is 'Where waiting streams need one of a few able instances and those are full, move streams that anybody can take away from them.';

create or replace function {{ private }}.bring_into_region(p_decision_id bigint, p_most integer)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_requirement {{ private }}.requirement;
    v_stream_ids bigint[];
    v_moved integer := 0;
begin
    if {{ private }}.setting_text('strategy') <> 'location' then
        return 0;
    end if;
    for v_requirement in
        select r.*
        from {{ private }}.requirement as r
        where exists (
            select from {{ private }}.placeable_instances() as p
            where p.location = r.region and p.capabilities @> r.capabilities and p.planned < p.ceiling
        )
        order by r.requirement_id
    loop
        exit when v_moved >= p_most;
        select array_agg(s.stream_id) into v_stream_ids
        from (
            select a.stream_id
            from {{ private }}.requirement_load as l
            join {{ private }}.instance as i on
                i.instance_id = l.instance_id and i.location is distinct from v_requirement.region and i.status <> 'inactive'
                    and not i.keeps_streams
            join {{ private }}.assignment as a on a.instance_id = l.instance_id and a.requirement_id = l.requirement_id
            where l.requirement_id = v_requirement.requirement_id
                and l.movable > 0
                and a.state <> 'releasing'
                and a.pinned_to is null
                -- not what this decision has just put there
                and a.decision_id is distinct from p_decision_id
                and not exists (
                    select from {{ private }}.refusal as f where f.stream_id = a.stream_id and f.until > {{ private }}.now()
                )
            order by a.stream_id
            limit p_most - v_moved
        ) as s;
        continue when v_stream_ids is null;
        v_moved := v_moved + {{ private }}.hand_over(
            p_decision_id, v_stream_ids,
            {{ private }}.pick_instances(cardinality(v_stream_ids), v_requirement.capabilities, v_requirement.region, null)
        );
    end loop;
    return v_moved;
end
$function$;
comment on function {{ private }}.bring_into_region(bigint, integer) is 'Under the strategy location: hand streams that are heard elsewhere over to instances of their region, as far as those have room.';

create or replace function {{ private }}.rebalance_fleet(p_decision_id bigint)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_reach record;
    v_all integer[];
    v_able text[];
    v_most integer := coalesce(nullif({{ private }}.setting_number('max_moves_per_rebalance'), 0), 2147483647);
    v_moved integer := {{ private }}.bring_into_region(p_decision_id, v_most);
begin
    for v_reach in select r.* from {{ private }}.requirement_reach() as r loop
        if v_reach.reaches_all then
            v_all := v_all || v_reach.requirement_id;
            v_able := v_reach.instance_ids;
        else
            v_moved := v_moved
                + {{ private }}.level_loads(p_decision_id, array[v_reach.requirement_id], v_reach.instance_ids, v_most - v_moved);
        end if;
    end loop;
    if v_all is not null then
        v_moved := v_moved + {{ private }}.level_loads(p_decision_id, v_all, v_able, v_most - v_moved);
    end if;
    update {{ private }}.controller set last_balanced_at = {{ private }}.now();
    return v_moved;
end
$function$;
comment on function {{ private }}.rebalance_fleet(bigint) is 'Bring every instance to its fair target with the least possible moves, by hand-over.';

create or replace function {{ private }}.misplaced_pinned()
    returns table (stream_id bigint, instance_id text, state text, pinned_to text)
    language sql stable
as $function$
    select s.stream_id, s.instance_id, s.state, s.pinned_to
    from (
        select
            a.stream_id, a.instance_id, a.state, a.pinned_to, p.ceiling - p.planned as room,
            row_number() over (partition by a.pinned_to order by a.stream_id) as place
        from {{ private }}.assignment as a
        join {{ private }}.requirement as r on r.requirement_id = a.requirement_id
        join {{ private }}.placeable_instances() as p on p.instance_id = a.pinned_to and p.capabilities @> r.capabilities
        where a.pinned_to is not null
            and a.instance_id is distinct from a.pinned_to
            and (a.state in ('assigned', 'running') or a.waiting_since <= {{ private }}.now())
            and not exists (
                select from {{ private }}.instance as i
                where i.instance_id = a.instance_id and (i.status = 'inactive' or (i.keeps_streams and i.is_living))
            )
            and not exists (
                select from {{ private }}.refusal as f
                where f.stream_id = a.stream_id and f.instance_id = a.pinned_to and f.until > {{ private }}.now()
            )
    ) as s
    where s.place <= s.room
$function$;
comment on function {{ private }}.misplaced_pinned() is 'Pinned streams that are not with their instance and could be.';

create or replace function {{ private }}.bring_pinned_home(p_decision_id bigint)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_stray record;
    v_moved integer := 0;
begin
    for v_stray in select s.* from {{ private }}.misplaced_pinned() as s loop
        if v_stray.state = 'waiting' then
            v_moved := v_moved + {{ private }}.give_streams(
                p_decision_id, array[v_stray.stream_id], array[null::text], array[v_stray.pinned_to], 'pinned'
            );
        else
            v_moved := v_moved + {{ private }}.hand_over(p_decision_id, array[v_stray.stream_id], array[v_stray.pinned_to]);
        end if;
    end loop;
    return v_moved;
end
$function$;
comment on function {{ private }}.bring_pinned_home(bigint) is 'Give pinned streams back to the instance that they are pinned to, where it is there and has room.';

create or replace function {{ private }}.place_fleet(p_decision_id bigint)
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.bring_pinned_home(p_decision_id);
    perform {{ private }}.promote_for_waiting(p_decision_id);
    perform {{ private }}.place_waiting(p_decision_id, 'placed');
    perform {{ private }}.evacuate(p_decision_id);
    perform {{ private }}.make_room(p_decision_id);
end
$function$;
comment on function {{ private }}.place_fleet(bigint) is 'Put every stream where it can be heard, without levelling: pinned ones home, waiting ones into room, those of draining or overfull instances out.';
