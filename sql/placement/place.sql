-- Where streams go. Counting decides (instance_load, requirement_load), so the cost follows the instances and what moves.
--   spread            which instances take how many, each as near its fair share as can be without moving anybody
--   distribute        give or hand over a list of streams that way
--   fail_over         everything of lost instances, now, as far as somebody can take it
--   place_waiting     what waits, as far as there is room
--   evacuate          what draining or overfull instances hold, stream by stream, while they go on listening
-- Every caller holds the decision lock.
-- Locks     stream and assignment rows (by id)
-- Writes    assignment, movement

create or replace function {{ private }}.fill(
    p_count bigint, p_capabilities text[], p_in_region text, p_not_in_region text, p_on_probation boolean default false
)
    returns text[]
    language sql volatile
as $function$
    with candidate as (
        select p.*
        -- looked for before anything is asked of them that the planner would take for rare
        from (select a.* from {{ private }}.placeable_instances(p_on_probation) as a offset 0) as p
        where (cardinality(p_capabilities) = 0 or p.capabilities @> p_capabilities)
            and p.planned < p.ceiling
            and (p_in_region is null or p.location = p_in_region)
            and (p_not_in_region is null or p.location is distinct from p_not_in_region)
        -- given one by one, each to whoever is then furthest below its share (Webster), they would reach nobody else
        order by (p.planned + 0.5::double precision) / p.weight, p.instance_id
        limit p_count
    ),
    fleet as (
        select
            sum(c.planned) + p_count as total, array_agg(c.instance_id) as instance_ids, array_agg(c.weight) as weights,
            array_agg(c.planned) as planned, array_agg(c.ceiling) as ceilings
        from candidate as c
    )
    select coalesce(array_agg(t.instance_id), '{}')
    from fleet as f
    cross join lateral {{ private }}.fair_targets(f.total::bigint, f.instance_ids, f.weights, f.planned, f.ceilings, f.planned) as t
    cross join lateral generate_series(1, t.target - t.held)
$function$;
comment on function {{ private }}.fill(bigint, text[], text, text, boolean) is 'One instance id per stream that can be taken, up to a count, levelling the loads of those that have the capabilities.';

create or replace function {{ private }}.spread(p_requirement_id integer, p_count bigint, p_last_resort boolean)
    returns text[]
    language plpgsql volatile
as $function$
declare
    v_requirement {{ private }}.requirement;
    v_to text[] := array[]::text[];
    v_region text;
begin
    select * into v_requirement from {{ private }}.requirement as r where r.requirement_id = p_requirement_id;
    if {{ private }}.setting_text('strategy') = 'location' then
        v_region := v_requirement.region;
    end if;
    if v_region is not null then
        v_to := {{ private }}.fill(p_count, v_requirement.capabilities, v_region, null);
    end if;
    if cardinality(v_to) < p_count then
        -- the region is full, or there is no wish for one
        v_to := v_to || {{ private }}.fill(p_count - cardinality(v_to), v_requirement.capabilities, null, v_region);
    end if;
    if p_last_resort and cardinality(v_to) < p_count then
        v_to := v_to || {{ private }}.fill(p_count - cardinality(v_to), v_requirement.capabilities, null, null, true);
    end if;
    return v_to;
end
$function$;
comment on function {{ private }}.spread(integer, bigint, boolean) is 'One instance id per stream of a requirement that can be taken, up to a count: its region first under the strategy location, instances on probation last if at all.';

create or replace function {{ private }}.is_alone(p_instance_id text)
    returns boolean
    language sql volatile
begin atomic
    select not exists (
        select from {{ private }}.instance as i where i.instance_id = p_instance_id and i.is_living
    );
end;
comment on function {{ private }}.is_alone(text) is 'Whether a stream of this owner has nobody that lives: then an instance on probation is better than none.';

create or replace function {{ private }}.best_instance(p_stream_id bigint)
    returns text
    language sql volatile
as $function$
    select p.instance_id
    from {{ private }}.assignment as a
    join {{ private }}.requirement as r on r.requirement_id = a.requirement_id
    cross join lateral (
        select n.*, false as is_on_probation from {{ private }}.placeable_instances() as n
        union all
        select n.*, true from {{ private }}.placeable_instances(true) as n where {{ private }}.is_alone(a.instance_id)
    ) as p
    left join {{ private }}.refusal as o
        on o.stream_id = a.stream_id and o.instance_id = p.instance_id and o.for_failing
            and o.until > o.refused_at and o.refused_at > {{ private }}.now() - interval '1 day'
    where a.stream_id = p_stream_id
        and p.capabilities @> r.capabilities
        and p.planned < p.ceiling
        and p.instance_id is distinct from a.instance_id
        and not exists (
            select from {{ private }}.refusal as f
            where f.stream_id = a.stream_id and f.instance_id = p.instance_id and f.until > {{ private }}.now()
        )
    -- where it has not failed lately it may be heard
    order by p.is_on_probation, o.stream_id is not null, (p.planned + 1) / p.weight, p.instance_id
    limit 1
$function$;
comment on function {{ private }}.best_instance(bigint) is 'The other instance that would be least loaded with this one stream more, has what it takes and has not refused it.';

create or replace function {{ private }}.refused_streams(p_stream_ids bigint[])
    returns bigint[]
    language sql volatile
as $function$
    select coalesce(array_agg(distinct f.stream_id order by f.stream_id), '{}')
    from {{ private }}.refusal as f
    where f.stream_id = any(p_stream_ids) and f.until > {{ private }}.now()
$function$;
comment on function {{ private }}.refused_streams(bigint[]) is 'Those of these streams that some instance has refused lately: they are placed one by one.';

create or replace function {{ private }}.distribute(
    p_decision_id bigint, p_requirement_id integer, p_stream_ids bigint[], p_from text[], p_live boolean, p_stay boolean, p_reason text
)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_to text[];
    v_refused bigint[] := {{ private }}.refused_streams(p_stream_ids);
    v_one record;
    v_moved integer := 0;
begin
    if cardinality(v_refused) > 0 then
        for v_one in
            select u.stream_id, u.from_id
            from unnest(p_stream_ids, p_from) as u(stream_id, from_id)
            where u.stream_id = any(v_refused)
        loop
            v_moved := v_moved + {{ private }}.move_one(p_decision_id, v_one.stream_id, v_one.from_id, p_live, p_reason, p_stay);
        end loop;
        select array_agg(u.stream_id), array_agg(u.from_id)
        into p_stream_ids, p_from
        from unnest(p_stream_ids, p_from) as u(stream_id, from_id)
        where u.stream_id <> all(v_refused);
        if p_stream_ids is null then
            return v_moved;
        end if;
    end if;
    v_to := {{ private }}.spread(
        p_requirement_id, cardinality(p_stream_ids),
        not p_live and not exists (
            select from {{ private }}.instance as i where i.instance_id = any(p_from) and i.is_living
        )
    );
    if p_live then
        return v_moved + {{ private }}.hand_over(p_decision_id, p_stream_ids, v_to);
    elsif p_stay then
        p_stream_ids := p_stream_ids[1:cardinality(v_to)];
        p_from := p_from[1:cardinality(v_to)];
    end if;
    return v_moved + {{ private }}.give_streams(p_decision_id, p_stream_ids, p_from, v_to, p_reason);
end
$function$;
comment on function {{ private }}.distribute(bigint, integer, bigint[], text[], boolean, boolean, text) is 'Give these streams of one requirement to the instances that should have them; live: by hand-over, and what finds no room stays; otherwise now, and what finds no room stays with whoever had it, or waits.';

create or replace function {{ private }}.move_one(
    p_decision_id bigint, p_stream_id bigint, p_from text, p_live boolean, p_reason text, p_stay boolean default false
)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_to text := {{ private }}.best_instance(p_stream_id);
begin
    if p_live then
        return {{ private }}.hand_over(p_decision_id, array[p_stream_id], array[v_to]);
    elsif v_to is null and p_stay then
        return 0;
    end if;
    return {{ private }}.give_streams(p_decision_id, array[p_stream_id], array[p_from], array[v_to], p_reason);
end
$function$;
comment on function {{ private }}.move_one(bigint, bigint, text, boolean, text, boolean) is 'Move one stream to the best instance for it; without one it stays (live, or asked to), or waits.';

create or replace function {{ private }}.fail_over(p_decision_id bigint, p_instance_ids text[], p_reason text)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_requirement_id integer;
    v_stream_ids bigint[];
    v_from text[];
    v_to text[];
    v_moved integer := 0;
    v_is_heir boolean;
    v_has_heirs boolean;
    -- a slow owner is better than none; one that is gone for good is none
    v_stay boolean := not exists (
        select from {{ private }}.instance as i where i.instance_id = any(p_instance_ids) and i.status = 'removed'
    );
begin
    select sum(l.incoming) > 0, sum(l.outgoing) > 0
    into v_is_heir, v_has_heirs
    from {{ private }}.instance_load as l
    where l.instance_id = any(p_instance_ids);
    if v_is_heir then
        perform {{ private }}.cancel_handovers_to(p_instance_ids);
    end if;
    if v_has_heirs then
        -- what was on its way to somebody arrives there now
        select array_agg(h.stream_id), array_agg(h.from_id), array_agg(h.to_id)
        into v_stream_ids, v_from, v_to
        from {{ private }}.heirs(array(
            select a.stream_id from {{ private }}.assignment as a
            where a.instance_id = any(p_instance_ids) and a.state = 'releasing'
        )) as h
        where h.to_id is not null;
        if v_stream_ids is not null then
            v_moved := {{ private }}.give_streams(p_decision_id, v_stream_ids, v_from, v_to, p_reason);
        end if;
    end if;

    -- whatever asks most of its instance goes first, before its few places are taken
    for v_requirement_id in
        select r.requirement_id
        from {{ private }}.requirement as r
        where r.requirement_id in (
            select a.requirement_id from {{ private }}.assignment as a where a.instance_id = any(p_instance_ids)
        )
        order by cardinality(r.capabilities) desc, r.requirement_id
    loop
        select array_agg(a.stream_id order by a.stream_id), array_agg(a.instance_id order by a.stream_id)
        into v_stream_ids, v_from
        from {{ private }}.assignment as a
        where a.instance_id = any(p_instance_ids) and a.requirement_id = v_requirement_id;
        v_moved := v_moved + {{ private }}.distribute(p_decision_id, v_requirement_id, v_stream_ids, v_from, false, v_stay, p_reason);
    end loop;
    if v_has_heirs then
        update {{ private }}.assignment as a
        set state = 'running', next_instance_id = null, releasing_since = null
        where a.instance_id = any(p_instance_ids) and a.state = 'releasing';
    end if;
    return v_moved;
end
$function$;
comment on function {{ private }}.fail_over(bigint, text[], text) is 'Give the streams of these instances to others, now. What nobody else can take stays with an owner that may return, and waits when its owner was removed. Nothing else moves.';

create or replace function {{ private }}.waiting_with_room()
    returns table (requirement_id integer, room bigint)
    language sql stable
as $function$
    select r.requirement_id, sum(p.ceiling - p.planned)
    from {{ private }}.requirement as r
    join (
        select n.* from {{ private }}.placeable_instances() as n
        union all
        select n.* from {{ private }}.placeable_instances(true) as n
    ) as p on p.capabilities @> r.capabilities and p.planned < p.ceiling
    -- with a limit it stays a look into the index for each requirement, whatever the planner knows about the table
    where (
        select true from {{ private }}.assignment as a where a.requirement_id = r.requirement_id and a.waiting_since is not null limit 1
    )
    group by r.requirement_id
    -- whoever is hardest to place goes first
    order by count(*), r.requirement_id
$function$;
comment on function {{ private }}.waiting_with_room() is 'The requirements of waiting streams that some instance could take, hardest to place first.';

create or replace function {{ private }}.place_waiting(p_decision_id bigint, p_reason text)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_waiting record;
    v_room bigint;
    v_stream_ids bigint[];
    v_from text[];
    v_moved integer := 0;
    v_stream_id bigint;
begin
    -- what somebody has refused has the least choice
    for v_stream_id in
        select distinct a.stream_id
        from {{ private }}.refusal as f
        join {{ private }}.assignment as a on a.stream_id = f.stream_id
        where a.waiting_since <= v_now and f.until > v_now
        order by a.stream_id
    loop
        v_moved := v_moved + {{ private }}.move_one(p_decision_id, v_stream_id, null, false, p_reason);
    end loop;

    for v_waiting in select w.requirement_id from {{ private }}.waiting_with_room() as w loop
        select w.room into v_room from {{ private }}.waiting_with_room() as w where w.requirement_id = v_waiting.requirement_id;
        continue when v_room is null;
        select array_agg(w.stream_id), array_agg(null::text)
        into v_stream_ids, v_from
        from (
            select a.stream_id
            from {{ private }}.assignment as a
            where a.requirement_id = v_waiting.requirement_id
                and a.waiting_since <= v_now
                and not exists (
                    select from {{ private }}.refusal as f where f.stream_id = a.stream_id and f.until > {{ private }}.now()
                )
            order by a.waiting_since, a.stream_id
            limit v_room
        ) as w;
        if v_stream_ids is not null then
            v_moved := v_moved
                + {{ private }}.distribute(p_decision_id, v_waiting.requirement_id, v_stream_ids, v_from, false, false, p_reason);
        end if;
    end loop;

    return v_moved;
end
$function$;
comment on function {{ private }}.place_waiting(bigint, text) is 'Give waiting streams to instances that have room, longest waiting first.';

create or replace function {{ private }}.leaving()
    returns table (instance_id text, streams integer)
    language sql stable
as $function$
    select i.instance_id, l.owned - l.outgoing - case when d.is_draining then 0 else i.max_streams end
    from {{ private }}.instance as i
    join {{ private }}.instance_load as l on l.instance_id = i.instance_id
    -- one that was lost during its drain may have come back with streams
    cross join lateral (select i.status = 'draining' or i.standing_order is not null) as d(is_draining)
    -- what a lost instance still holds cannot be asked for (heirless)
    where i.is_living
        and l.owned - l.outgoing > case when d.is_draining then 0 else i.max_streams end
    order by i.instance_id
$function$;
comment on function {{ private }}.leaving() is 'How many streams draining and overfull instances have still to be asked for.';

create or replace function {{ private }}.evacuate(p_decision_id bigint)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_leaving record;
    v_requirement_id integer;
    v_stream_ids bigint[];
    v_from text[];
    v_left integer;
    v_moved integer := 0;
    v_moved_now integer;
begin
    for v_leaving in select l.instance_id, l.streams from {{ private }}.leaving() as l loop
        v_left := v_leaving.streams;
        for v_requirement_id in
            select distinct a.requirement_id from {{ private }}.assignment as a where a.instance_id = v_leaving.instance_id
        loop
            select array_agg(s.stream_id), array_agg(v_leaving.instance_id)
            into v_stream_ids, v_from
            from (
                select a.stream_id
                from {{ private }}.assignment as a
                where a.instance_id = v_leaving.instance_id and a.requirement_id = v_requirement_id and a.state <> 'releasing'
                order by a.pinned_to is not null, a.stream_id
                limit v_left
            ) as s;
            continue when v_stream_ids is null;
            v_moved_now := {{ private }}.distribute(p_decision_id, v_requirement_id, v_stream_ids, v_from, true, true, 'evacuated');
            v_moved := v_moved + v_moved_now;
            v_left := v_left - v_moved_now;
            exit when v_left <= 0;
        end loop;
    end loop;
    return v_moved;
end
$function$;
comment on function {{ private }}.evacuate(bigint) is 'Begin the hand-over of what draining and overfull instances hold, as far as others have room; the rest they keep listening to.';
