-- Which instances hear which streams as their standbys, and which of those own them next. Owners are placed as if there were no
-- standbys; what they leave is shared so that the fleet is level when any one owner is gone, and then by total places.
-- Every caller that writes holds the decision lock.
-- Locks     stream and assignment rows (by id); standby rows
-- Reads     instance, instance_load, heartbeat, requirement, refusal
-- Writes    standby, assignment, movement, withdrawal, decision, metric_count

create or replace function {{ private }}.standby_candidates(p_owner_id text)
    returns table (instance_id text, weight double precision, planned integer, standbys integer, own integer, room integer, capabilities text[])
    language sql volatile
as $function$
    select
        p.instance_id, p.weight, p.planned, l.standbys,
        (
            select count(*)::integer
            from {{ private }}.standby as s
            join {{ private }}.assignment as a on a.stream_id = s.stream_id
            where s.instance_id = p.instance_id and s.ended_at is null and a.instance_id = p_owner_id
        ),
        p.max_streams - l.owned - l.incoming - l.standbys,
        p.capabilities
    from {{ private }}.placeable_instances() as p
    join {{ private }}.instance_load as l on l.instance_id = p.instance_id
    join {{ private }}.instance as i on i.instance_id = p.instance_id
    join {{ private }}.instance as o on o.instance_id = p_owner_id
    where {{ private }}.may_stand_by(i, o)
$function$;
comment on function {{ private }}.standby_candidates(text) is 'Instances that may stand by for this owner: their streams when all hand-overs are done, their standbys, those of them for this owner, and what room is left.';

create or replace function {{ private }}.pick_standbys(p_owner_id text, p_capabilities text[], p_count bigint, p_without text[])
    returns text[]
    language sql volatile
as $function$
    select coalesce(array_agg(t.instance_id), '{}')
    from (
        select c.instance_id
        from {{ private }}.standby_candidates(p_owner_id) as c
        cross join lateral generate_series(1, least(c.room, p_count)) as n(place)
        where c.capabilities @> p_capabilities and c.instance_id <> all(p_without)
        -- first what it would have after a promotion, then what it has in all
        order by (c.planned + c.own + n.place - 0.5::double precision) / c.weight, (c.planned + c.standbys + n.place) / c.weight, c.instance_id
        limit p_count
    ) as t
$function$;
comment on function {{ private }}.pick_standbys(text, text[], bigint, text[]) is 'One instance id per stream of this owner that can get a standby, up to a count.';

create or replace function {{ private }}.standbys_over()
    returns setof bigint
    language sql volatile
as $function$
    select s.number
    from {{ private }}.standby as s
    join {{ private }}.stream as t on t.stream_id = s.stream_id
    join {{ private }}.assignment as a on a.stream_id = s.stream_id
    join {{ private }}.requirement as r on r.requirement_id = a.requirement_id
    join {{ private }}.instance as i on i.instance_id = s.instance_id
    left join {{ private }}.instance as o on o.instance_id = a.instance_id
    cross join (select {{ private }}.setting_number('standbys') = 1 as are_on) as d
    where s.ended_at is null
        and (
            not coalesce(t.standby, d.are_on)
            or a.state = 'idle'
            or not i.is_living
            or i.status = 'draining'
            or i.standing_order is not null
            or i.suspended_until is not null
            or not i.capabilities @> r.capabilities
            or o.instance_id is not null and not {{ private }}.may_stand_by(i, o)
        )
    order by s.number
$function$;
comment on function {{ private }}.standbys_over() is 'Standbys that are to end: of streams that shall have none, or on instances that may not hear them any more.';

create or replace function {{ private }}.streams_to_stand_by_for()
    returns table (stream_id bigint, owner_id text, requirement_id integer)
    language sql volatile
as $function$
    select a.stream_id, a.instance_id, a.requirement_id
    from {{ private }}.assignment as a
    join {{ private }}.stream as t on t.stream_id = a.stream_id
    cross join (select {{ private }}.setting_number('standbys') = 1 as are_on) as d
    -- while one is handed over its station has two listeners already
    where a.state in ('assigned', 'running')
        and coalesce(t.standby, d.are_on)
        and not exists (select from {{ private }}.standby as s where s.stream_id = a.stream_id and s.ended_at is null)
$function$;
comment on function {{ private }}.streams_to_stand_by_for() is 'Streams with an owner that shall have a standby and have none.';

create or replace function {{ private }}.standby_groups()
    returns table (owner_id text, requirement_id integer, capabilities text[], refused_by text[], stream_ids bigint[])
    language sql volatile
as $function$
    with lacking as materialized (
        select l.* from {{ private }}.streams_to_stand_by_for() as l
    ),
    refused as materialized (
        select f.stream_id, f.refused_by from {{ private }}.refused_streams(array(select l.stream_id from lacking as l)) as f
    ),
    grouped as materialized (
        select l.owner_id, l.requirement_id, coalesce(f.refused_by, '{}') as refused_by, array_agg(l.stream_id order by l.stream_id) as stream_ids
        from lacking as l
        left join refused as f on f.stream_id = l.stream_id
        group by l.owner_id, l.requirement_id, coalesce(f.refused_by, '{}')
    )
    select g.owner_id, g.requirement_id, r.capabilities, g.refused_by, g.stream_ids
    from grouped as g
    join {{ private }}.requirement as r on r.requirement_id = g.requirement_id
    where exists (
        select from {{ private }}.standby_candidates(g.owner_id) as c
        where c.room > 0 and c.capabilities @> r.capabilities and c.instance_id <> all(g.refused_by)
    )
    -- what is hardest to place goes first
    order by cardinality(r.capabilities) desc, g.owner_id, g.requirement_id, g.refused_by
$function$;
comment on function {{ private }}.standby_groups() is 'Streams that can get a standby now, by what decides on where.';

create or replace function {{ private }}.place_missing_standbys()
    returns integer
    language plpgsql volatile
as $function$
declare
    v_group record;
    v_to text[];
    v_placed integer := 0;
begin
    for v_group in select g.* from {{ private }}.standby_groups() as g loop
        v_to := {{ private }}.pick_standbys(v_group.owner_id, v_group.capabilities, cardinality(v_group.stream_ids), v_group.refused_by);
        v_placed := v_placed + {{ private }}.assign_standbys(v_group.stream_ids[1:cardinality(v_to)], v_to, 'placed');
    end loop;
    return v_placed;
end
$function$;
comment on function {{ private }}.place_missing_standbys() is 'Give every stream that shall have a standby and has none one, as far as there is room. Returns how many.';

create or replace function {{ private }}.standby_is_silent(p_silent jsonb, p_number bigint)
    returns boolean
    language sql immutable
begin atomic
    select coalesce(p_silent @> jsonb_build_array(jsonb_build_object('epoch', p_number)), false);
end;
comment on function {{ private }}.standby_is_silent(jsonb, bigint) is 'Whether the last beat of its instance named this standby among those that make no progress.';

create or replace function {{ private }}.promotable_standbys(p_stream_ids bigint[])
    returns table (stream_id bigint, from_id text, epoch bigint, to_id text)
    language sql volatile rows 10
as $function$
    with limits as materialized (
        select {{ private }}.now() - {{ private }}.setting_interval('standby_takeover') as silent_since
    ),
    able as materialized (
        select i.instance_id, i.max_streams - l.owned as room
        from {{ private }}.instance as i
        join {{ private }}.instance_load as l on l.instance_id = i.instance_id
        join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
        cross join {{ private }}.controller as c
        cross join limits as m
        where l.standbys > 0
            and i.is_placeable
            and i.standing_order is null
            and i.suspended_until is null
            and {{ private }}.heard_at(h.beat_at, greatest(c.silence_counts_from, c.generation_at), c.unwatched) > m.silent_since
    ),
    queued as (
        select s.stream_id, a.instance_id as from_id, a.epoch, s.instance_id as to_id, row_number() over (partition by s.instance_id order by s.stream_id) as place
        from {{ private }}.standby as s
        join {{ private }}.assignment as a on a.stream_id = s.stream_id
        where s.stream_id = any(p_stream_ids) and s.state = 'hearing' and a.state <> 'idle'
    )
    select q.stream_id, q.from_id, q.epoch, q.to_id
    from queued as q
    join able as i on i.instance_id = q.to_id
    where q.place <= i.room
$function$;
comment on function {{ private }}.promotable_standbys(bigint[]) is 'Those of these streams whose standby hears and can own them now.';

create or replace function {{ private }}.promote_standbys(p_decision_id bigint, p_stream_ids bigint[], p_tell_owners boolean)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_stream_ids bigint[];
    v_from text[];
    v_to text[];
    v_epochs bigint[];
    v_promoted integer;
begin
    select
        array_agg(p.stream_id order by p.stream_id), array_agg(p.from_id order by p.stream_id), array_agg(p.epoch order by p.stream_id),
        array_agg(p.to_id order by p.stream_id)
    into v_stream_ids, v_from, v_epochs, v_to
    from {{ private }}.promotable_standbys(p_stream_ids) as p;
    if v_stream_ids is null then
        return 0;
    end if;
    v_promoted := {{ private }}.give_streams(p_decision_id, v_stream_ids, v_from, v_to, 'standby promoted');
    if p_tell_owners then
        insert into {{ private }}.withdrawal (instance_id, stream_id, epoch, withdrawn_at)
        select u.instance_id, u.stream_id, u.epoch, {{ private }}.now()
        from unnest(v_from, v_stream_ids, v_epochs) as u(instance_id, stream_id, epoch)
        where u.instance_id is not null
        on conflict (instance_id, stream_id) do update set epoch = excluded.epoch, withdrawn_at = excluded.withdrawn_at;
    end if;
    update {{ private }}.decision as d
    set detail = d.detail || jsonb_build_object('standbys_promoted', coalesce((d.detail ->> 'standbys_promoted')::integer, 0) + v_promoted)
    where d.decision_id = p_decision_id;
    return v_promoted;
end
$function$;
comment on function {{ private }}.promote_standbys(bigint, bigint[], boolean) is 'Give these streams, as far as their standbys hear them, to those now, under new epochs; owners that may still live are told to stop. Returns how many.';

create or replace function {{ private }}.promote_standbys_of(p_decision_id bigint, p_instance_ids text[])
    returns integer
    language plpgsql volatile
as $function$
begin
    if not exists (select from {{ private }}.standby) then
        return 0; -- nearly always, where there are none
    end if;
    return {{ private }}.promote_standbys(
        p_decision_id,
        array(
            select a.stream_id from {{ private }}.assignment as a
            where a.instance_id = any(p_instance_ids)
            order by a.stream_id
        ),
        false
    );
end
$function$;
comment on function {{ private }}.promote_standbys_of(bigint, text[]) is 'The standbys of what these instances had own it now, as far as they hear it.';

create or replace function {{ private }}.promote_for_waiting(p_decision_id bigint)
    returns integer
    language plpgsql volatile
as $function$
begin
    if not exists (select from {{ private }}.standby) then
        return 0; -- nearly always, where there are none
    end if;
    return {{ private }}.promote_standbys(
        p_decision_id,
        array(
            select a.stream_id
            from {{ private }}.standby as s
            join {{ private }}.assignment as a on a.stream_id = s.stream_id
            where s.state = 'hearing' and a.waiting_since <= {{ private }}.now()
            order by a.stream_id
        ),
        false
    );
end
$function$;
comment on function {{ private }}.promote_for_waiting(bigint) is 'Streams that wait, and may be given to an instance by now, go to the standbys that hear them.';

create or replace function {{ private }}.standbys_to_level()
    returns table (number bigint, stream_id bigint, to_id text)
    language sql volatile
as $function$
    with placed as materialized (
        select
            s.number, s.stream_id, s.instance_id, a.instance_id as owner_id, a.requirement_id,
            row_number() over (partition by a.instance_id, a.requirement_id, s.instance_id order by s.state = 'hearing', s.number) as newest
        from {{ private }}.standby as s
        join {{ private }}.assignment as a on a.stream_id = s.stream_id
        where s.ended_at is null
            and a.state in ('assigned', 'running')
            -- not back to where it was just refused
            and not exists (select from {{ private }}.refusal as f where f.stream_id = s.stream_id and f.until > {{ private }}.now())
    ),
    kind as materialized (
        select p.owner_id, p.requirement_id, count(*) as standbys from placed as p group by p.owner_id, p.requirement_id
    ),
    candidate as materialized (
        select
            k.owner_id, k.requirement_id, k.standbys as total, c.instance_id, c.weight,
            c.planned + c.own - h.held as base, c.planned + c.standbys - h.held as all_places, c.room + h.held as room, h.held
        from kind as k
        join {{ private }}.requirement as r on r.requirement_id = k.requirement_id
        cross join lateral {{ private }}.standby_candidates(k.owner_id) as c
        cross join lateral (
            select count(*)::integer as held from placed as p
            where p.owner_id = k.owner_id and p.requirement_id = k.requirement_id and p.instance_id = c.instance_id
        ) as h
        where c.capabilities @> r.capabilities
    ),
    slot as (
        select
            c.owner_id, c.requirement_id, c.instance_id, c.total,
            row_number() over (
                partition by c.owner_id, c.requirement_id
                order by (c.base + n.place - 0.5::double precision) / c.weight, n.place <= c.held desc, (c.all_places + n.place) / c.weight, c.instance_id
            ) as place
        from candidate as c
        cross join lateral generate_series(1, least(c.room, c.total)) as n(place)
    ),
    change as materialized (
        select
            c.owner_id, c.requirement_id, c.instance_id, (count(s.instance_id) - c.held)::integer as more,
            max(abs(count(s.instance_id) - c.held)) over (partition by c.owner_id, c.requirement_id) as greatest_difference
        from candidate as c
        left join slot as s
            on s.owner_id = c.owner_id and s.requirement_id = c.requirement_id and s.instance_id = c.instance_id and s.place <= s.total
        group by c.owner_id, c.requirement_id, c.instance_id, c.held
    ),
    uneven as materialized (
        select c.* from change as c
        where c.more <> 0 and c.greatest_difference > {{ private }}.setting_number('max_stream_difference')
    ),
    leaving as (
        select
            p.number, p.stream_id, u.owner_id, u.requirement_id,
            row_number() over (partition by u.owner_id, u.requirement_id order by u.instance_id, p.newest) as place
        from uneven as u
        join placed as p
            on p.owner_id = u.owner_id and p.requirement_id = u.requirement_id and p.instance_id = u.instance_id and p.newest <= -u.more
    ),
    coming as (
        select
            u.owner_id, u.requirement_id, u.instance_id,
            row_number() over (partition by u.owner_id, u.requirement_id order by n.place, u.instance_id) as place
        from uneven as u
        cross join lateral generate_series(1, u.more) as n(place)
    )
    select l.number, l.stream_id, c.instance_id
    from leaving as l
    join coming as c on c.owner_id = l.owner_id and c.requirement_id = l.requirement_id and c.place = l.place
    order by l.stream_id
$function$;
comment on function {{ private }}.standbys_to_level() is 'Standbys that are to be elsewhere: where one owner''s are further than max_stream_difference from an even spread.';

create or replace function {{ private }}.level_standbys()
    returns integer
    language plpgsql volatile
as $function$
declare
    v_numbers bigint[];
    v_stream_ids bigint[];
    v_to text[];
begin
    select array_agg(l.number), array_agg(l.stream_id), array_agg(l.to_id)
    into v_numbers, v_stream_ids, v_to
    from {{ private }}.standbys_to_level() as l;
    if v_numbers is null then
        return 0;
    end if;
    update {{ private }}.standby as s
    set state = 'ended', ended_at = {{ private }}.now()
    where s.number = any(v_numbers);
    perform {{ private }}.hint(h.instance_id, null)
    from (select distinct s.instance_id from {{ private }}.standby as s where s.number = any(v_numbers)) as h;
    return {{ private }}.assign_standbys(v_stream_ids, v_to, 'levelled');
end
$function$;
comment on function {{ private }}.level_standbys() is 'Spread every owner''s standbys over the others again. Returns how many were moved.';
