-- Where streams go. Counting decides (instance_load, requirement_load), so the cost follows the instances and what moves.
--   assign_streams    which instances take how many, each as near its fair share as can be without a move
--   distribute        give or hand over a list of streams that way
--   place_unplaced    what came out of a hand-over whose next owner is gone
--   fail_over         everything of lost instances, now, as far as others can take it
--   place_waiting     what waits, as far as there is room
--   evacuate          what draining or overfull instances hold, stream by stream, while they go on listening
-- Every caller holds the decision lock.
-- Locks     stream and assignment rows (by id)
-- Writes    assignment, movement

create or replace function {{ private }}.distribute_without(
    p_decision_id bigint, p_requirement_id integer, p_stream_ids bigint[], p_from text[], p_live boolean, p_stay boolean, p_reason text,
    p_without text[]
)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_to text[] := {{ private }}.assign_streams(
        p_requirement_id, cardinality(p_stream_ids),
        not p_live and not exists (
            select from {{ private }}.instance as i where i.instance_id = any(p_from) and i.is_living
        ),
        p_without || array(select distinct u.from_id from unnest(p_from) as u(from_id) where u.from_id is not null)
    );
begin
    if p_live then
        return {{ private }}.hand_over(p_decision_id, p_stream_ids, v_to);
    elsif p_stay then
        p_stream_ids := p_stream_ids[1:cardinality(v_to)];
        p_from := p_from[1:cardinality(v_to)];
    end if;
    return {{ private }}.give_streams(p_decision_id, p_stream_ids, p_from, v_to, p_reason);
end
$function$;
comment on function {{ private }}.distribute_without(bigint, integer, bigint[], text[], boolean, boolean, text, text[]) is 'Give these streams to other instances than those that have them, without those named.';

create or replace function {{ private }}.distribute(
    p_decision_id bigint, p_requirement_id integer, p_stream_ids bigint[], p_from text[], p_live boolean, p_stay boolean, p_reason text
)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_group record;
    v_moved integer := 0;
begin
    if not exists (
        select from {{ private }}.refusal as f where f.stream_id = any(p_stream_ids) and f.until > {{ private }}.now()
    ) then
        return {{ private }}.distribute_without(
            p_decision_id, p_requirement_id, p_stream_ids, p_from, p_live, p_stay, p_reason, '{}'
        );
    end if;
    -- what was refused goes first: it has fewer places to go to
    for v_group in
        select
            array_agg(u.stream_id order by u.place) as stream_ids, array_agg(u.from_id order by u.place) as from_ids,
            r.refused_by, r.has_failed
        from unnest(p_stream_ids, p_from) with ordinality as u(stream_id, from_id, place)
        left join {{ private }}.refused_streams(p_stream_ids) as r on r.stream_id = u.stream_id
        group by r.refused_by, r.has_failed
        order by r.has_failed desc nulls last, cardinality(r.refused_by) desc nulls last, r.refused_by
    loop
        if v_group.has_failed then
            for n in 1 .. cardinality(v_group.stream_ids) loop
                v_moved := v_moved + {{ private }}.move_one(
                    p_decision_id, v_group.stream_ids[n], v_group.from_ids[n], p_live, p_reason, p_stay
                );
            end loop;
        else
            v_moved := v_moved + {{ private }}.distribute_without(
                p_decision_id, p_requirement_id, v_group.stream_ids, v_group.from_ids, p_live, p_stay, p_reason, coalesce(v_group.refused_by, '{}')
            );
        end if;
    end loop;
    return v_moved;
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

create or replace function {{ private }}.place_unplaced(p_stream_ids bigint[])
    returns void
    language plpgsql volatile
as $function$
declare
    v_decision_id bigint;
    v_stream_id bigint;
begin
    if p_stream_ids is null then
        return;
    end if;
    v_decision_id := {{ private }}.open_decision('next owner gone', 'hand-over');
    foreach v_stream_id in array p_stream_ids loop
        perform {{ private }}.move_one(v_decision_id, v_stream_id, null, false, 'placed');
    end loop;
    perform {{ private }}.close_decision(v_decision_id);
    if {{ private }}.count_waiting(1) > 0 then
        perform {{ private }}.request_settle('room');
    end if;
end
$function$;
comment on function {{ private }}.place_unplaced(bigint[]) is 'Give streams to other instances that complete_handovers could not give to their next owners; null for none.';

create or replace function {{ private }}.fail_over(p_decision_id bigint, p_instance_ids text[], p_reason text)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_requirement_id integer;
    v_stream_ids bigint[];
    v_from text[];
    v_to text[];
    v_moved integer := {{ private }}.promote_standbys_of(p_decision_id, p_instance_ids);
    v_is_next_owner boolean;
    v_has_next_owners boolean;
    -- a slow owner is better than none; one that is gone for good is none
    v_stay boolean := not exists (
        select from {{ private }}.instance as i where i.instance_id = any(p_instance_ids) and i.status = 'removed'
    );
begin
    select sum(l.incoming) > 0, sum(l.outgoing) > 0
    into v_is_next_owner, v_has_next_owners
    from {{ private }}.instance_load as l
    where l.instance_id = any(p_instance_ids);
    if v_is_next_owner then
        perform {{ private }}.cancel_handovers_to(p_instance_ids);
    end if;
    if v_has_next_owners then
        -- a stream on its way to an instance arrives there now
        select array_agg(h.stream_id), array_agg(h.from_id), array_agg(h.to_id)
        into v_stream_ids, v_from, v_to
        from {{ private }}.next_owners(array(
            select a.stream_id from {{ private }}.assignment as a
            where a.instance_id = any(p_instance_ids) and a.state = 'releasing'
        )) as h
        where h.to_id is not null;
        if v_stream_ids is not null then
            v_moved := {{ private }}.give_streams(p_decision_id, v_stream_ids, v_from, v_to, p_reason);
        end if;
    end if;

    -- what asks most of its instance goes first, before its few places are taken
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
    if v_has_next_owners then
        perform {{ private }}.call_off(array(
            select a.stream_id from {{ private }}.assignment as a
            where a.instance_id = any(p_instance_ids) and a.state = 'releasing'
            order by a.stream_id
        ));
    end if;
    return v_moved;
end
$function$;
comment on function {{ private }}.fail_over(bigint, text[], text) is 'Give the streams of these instances to others, now. What no other can take stays with an owner that may return, and waits when its owner was removed. Nothing else moves.';

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
    -- with a limit it stays a look into the index for each requirement, also without statistics of the table
    where (
        select true from {{ private }}.assignment as a where a.requirement_id = r.requirement_id and a.waiting_since is not null limit 1
    )
    group by r.requirement_id
    -- what is hardest to place goes first
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
begin
    -- what an instance has refused has the least choice
    for v_waiting in
        select
            a.requirement_id, array_agg(distinct a.stream_id) as stream_ids
        from {{ private }}.refusal as f
        join {{ private }}.assignment as a on a.stream_id = f.stream_id
        where a.waiting_since <= v_now and f.until > v_now
        group by a.requirement_id
        order by a.requirement_id
    loop
        v_moved := v_moved + {{ private }}.distribute(
            p_decision_id, v_waiting.requirement_id, v_waiting.stream_ids,
            array_fill(null::text, array[cardinality(v_waiting.stream_ids)]), false, true, p_reason
        );
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

create or replace function {{ private }}.evacuees()
    returns table (instance_id text, streams integer)
    language sql stable
as $function$
    select i.instance_id, l.owned - l.outgoing - case when d.is_draining then 0 else i.max_streams end
    from {{ private }}.instance as i
    join {{ private }}.instance_load as l on l.instance_id = i.instance_id
    -- one that was lost during its drain may have come back with streams
    cross join lateral (select i.status = 'draining' or i.standing_order is not null) as d(is_draining)
    -- what a lost instance still holds cannot be asked for (owners_of_orphans)
    where i.is_living
        and not i.keeps_streams
        and l.owned - l.outgoing > case when d.is_draining then 0 else i.max_streams end
    order by i.instance_id
$function$;
comment on function {{ private }}.evacuees() is 'How many streams draining and overfull instances have still to be asked for.';

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
    for v_leaving in select l.instance_id, l.streams from {{ private }}.evacuees() as l loop
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
