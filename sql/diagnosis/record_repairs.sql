-- Parts of repair_record(). The caller holds the decision lock.
-- Locks     instance_load and requirement_load rows; stream and assignment rows (by id)
-- Writes    instance_load, requirement_load, heartbeat, assignment, movement, withdrawal

create or replace function {{ private }}.add_missing_rows()
    returns void
    language plpgsql volatile
as $function$
begin
    insert into {{ private }}.instance_load (instance_id)
    select i.instance_id from {{ private }}.instance as i
    on conflict (instance_id) do nothing;
    insert into {{ private }}.heartbeat (instance_id, incarnation, beat_at)
    select i.instance_id, i.incarnation, i.status_changed_at from {{ private }}.instance as i
    on conflict (instance_id) do nothing;
    perform {{ private }}.add_assignments(array(
        select s.stream_id from {{ private }}.stream as s
        where not exists (select from {{ private }}.assignment as a where a.stream_id = s.stream_id)
    ));
end
$function$;
comment on function {{ private }}.add_missing_rows() is 'Gives every instance its counters and its heartbeat, every stream its assignment.';

create or replace function {{ private }}.recount_loads()
    returns void
    language plpgsql volatile
as $function$
begin
    update {{ private }}.instance_load as l
    set owned = c.owned, incoming = c.incoming, outgoing = c.outgoing, digest = c.digest, changed_at = {{ private }}.now()
    from (
        select
            i.instance_id, coalesce(sum(p.owned), 0) as owned, coalesce(sum(p.incoming), 0) as incoming,
            coalesce(sum(p.outgoing), 0) as outgoing, coalesce(bit_xor(p.digest), 0) as digest
        from {{ private }}.instance as i
        left join (
            select r.* from {{ private }}.assignment as a cross join lateral {{ private }}.load_of(a.stream_id, a.epoch, a.instance_id, a.next_instance_id, a.requirement_id, a.state, a.pinned_to) as r
        ) as p on p.instance_id = i.instance_id
        group by i.instance_id
    ) as c
    where l.instance_id = c.instance_id and (l.owned, l.incoming, l.outgoing, l.digest) <> (c.owned, c.incoming, c.outgoing, c.digest);

    update {{ private }}.instance_load as l
    set standbys = c.standbys, standby_digest = c.digest
    from (
        select
            i.instance_id, count(s.number)::integer as standbys,
            coalesce(bit_xor({{ private }}.digest_of(s.stream_id, s.number)), 0) as digest
        from {{ private }}.instance as i
        left join {{ private }}.standby as s on s.instance_id = i.instance_id and s.ended_at is null
        group by i.instance_id
    ) as c
    where l.instance_id = c.instance_id and (l.standbys, l.standby_digest) <> (c.standbys, c.digest);

    insert into {{ private }}.requirement_load as l (instance_id, requirement_id, movable)
    select r.instance_id, r.requirement_id, sum(r.movable)
    from {{ private }}.assignment as a cross join lateral {{ private }}.load_of(a.stream_id, a.epoch, a.instance_id, a.next_instance_id, a.requirement_id, a.state, a.pinned_to) as r
    group by r.instance_id, r.requirement_id
    on conflict (instance_id, requirement_id) do update set movable = excluded.movable where l.movable <> excluded.movable;
    update {{ private }}.requirement_load as l
    set movable = 0
    where l.movable > 0 and not exists (
        select from {{ private }}.assignment as a
        where a.instance_id = l.instance_id and a.requirement_id = l.requirement_id
    );
end
$function$;
comment on function {{ private }}.recount_loads() is 'Makes counters and digests equal to a recount of the assignments.';

create or replace function {{ private }}.resolve_contradictions(p_decision_id bigint)
    returns void
    language plpgsql volatile
as $function$
declare
    v_stream_ids bigint[] := array(select c.stream_id from {{ private }}.impossible_rows() as c order by c.stream_id);
begin
    perform from {{ private }}.assignment as a where a.stream_id = any(v_stream_ids) order by a.stream_id for update;
    update {{ private }}.assignment as a
    set requirement_id = s.requirement_id
    from {{ private }}.stream as s
    where a.stream_id = any(v_stream_ids) and s.stream_id = a.stream_id and a.requirement_id <> s.requirement_id;
    perform {{ private }}.activate_streams(v_stream_ids);
    perform {{ private }}.withdraw_streams(p_decision_id, array(
        select s.stream_id from {{ private }}.stream as s where s.stream_id = any(v_stream_ids) and not s.active order by s.stream_id
    ), 'repaired');
    -- an instance that is gone gives up what the record says it has, and gets nothing that is on its way
    perform {{ private }}.fail_over(p_decision_id, g.instance_ids, 'repaired')
    from (
        select array_agg(i.instance_id order by i.instance_id) as instance_ids
        from {{ private }}.instance as i
        where not i.is_living
            and i.instance_id in (
                select unnest(array[a.instance_id, a.next_instance_id]) from {{ private }}.assignment as a where a.stream_id = any(v_stream_ids)
            )
    ) as g
    where g.instance_ids is not null;
end
$function$;
comment on function {{ private }}.resolve_contradictions(bigint) is 'Makes assignments agree with their streams and instances again, in this decision.';
