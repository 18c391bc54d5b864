-- Counts and digests follow the assignments, by trigger, so that planning never has to read them all.
-- Once per statement: what each changed row added before is taken off, what it adds now is put on.
-- Locks     instance_load, requirement_load rows (their writers hold the decision lock)
-- Writes    instance_load, requirement_load
-- Raises    OR901 an instance would hold more than max_streams

create or replace function {{ private }}.load_of(
    p_stream_id bigint, p_epoch bigint, p_instance_id text, p_next_instance_id text, p_requirement_id integer, p_state text, p_pinned_to text
)
    returns table (
        instance_id text, requirement_id integer, owned integer, incoming integer, outgoing integer, movable integer, digest bigint
    )
    language sql immutable
as $function$
    select
        p_instance_id,
        p_requirement_id,
        1,
        0,
        (p_state = 'releasing')::integer,
        (p_state <> 'releasing' and p_pinned_to is null)::integer,
        case
            when p_state = 'releasing' then 0
            else ('x' || substr(md5(p_stream_id::text || ':' || p_epoch::text), 1, 16))::bit(64)::bigint
        end
    where p_instance_id is not null
    union all
    select p_next_instance_id, p_requirement_id, 0, 1, 0, 0, 0
    where p_next_instance_id is not null
$function$;
comment on function {{ private }}.load_of(bigint, bigint, text, text, integer, text, text) is 'What one assignment adds to the load of its owner, and of its next owner.';

create or replace function {{ private }}.count_assignments()
    returns trigger
    language plpgsql volatile
as $function$
declare
    v_instance_ids text[];
    v_requirement_ids integer[];
    v_owned integer[];
    v_incoming integer[];
    v_outgoing integer[];
    v_movable integer[];
    v_digests bigint[];
    v_over jsonb;
    v_counted integer;
begin
    -- an insert has no old rows and a delete no new ones, and a statement that names a missing table is an error
    if tg_op = 'UPDATE' then
        with part as (
            select 1 as sign, l.*
            from new_rows as n
            cross join lateral {{ private }}.load_of(n.stream_id, n.epoch, n.instance_id, n.next_instance_id, n.requirement_id, n.state, n.pinned_to) as l
            union all
            select -1, l.*
            from old_rows as o
            cross join lateral {{ private }}.load_of(o.stream_id, o.epoch, o.instance_id, o.next_instance_id, o.requirement_id, o.state, o.pinned_to) as l
        ),
        change as (
            select
                p.instance_id, p.requirement_id, sum(p.sign * p.owned) as owned, sum(p.sign * p.incoming) as incoming,
                sum(p.sign * p.outgoing) as outgoing, sum(p.sign * p.movable) as movable, bit_xor(p.digest) as digest
            from part as p
            group by p.instance_id, p.requirement_id
        )
        select
            array_agg(c.instance_id), array_agg(c.requirement_id), array_agg(c.owned), array_agg(c.incoming),
            array_agg(c.outgoing), array_agg(c.movable), array_agg(c.digest)
        into v_instance_ids, v_requirement_ids, v_owned, v_incoming, v_outgoing, v_movable, v_digests
        from change as c
        where (c.owned, c.incoming, c.outgoing, c.movable, c.digest) <> (0, 0, 0, 0, 0);
    elsif tg_op = 'INSERT' then
        select
            array_agg(c.instance_id), array_agg(c.requirement_id), array_agg(c.owned), array_agg(c.incoming),
            array_agg(c.outgoing), array_agg(c.movable), array_agg(c.digest)
        into v_instance_ids, v_requirement_ids, v_owned, v_incoming, v_outgoing, v_movable, v_digests
        from (
            select
                l.instance_id, l.requirement_id, sum(l.owned) as owned, sum(l.incoming) as incoming, sum(l.outgoing) as outgoing,
                sum(l.movable) as movable, bit_xor(l.digest) as digest
            from new_rows as n
            cross join lateral {{ private }}.load_of(n.stream_id, n.epoch, n.instance_id, n.next_instance_id, n.requirement_id, n.state, n.pinned_to) as l
            group by l.instance_id, l.requirement_id
        ) as c;
    else
        select
            array_agg(c.instance_id), array_agg(c.requirement_id), array_agg(-c.owned), array_agg(-c.incoming),
            array_agg(-c.outgoing), array_agg(-c.movable), array_agg(c.digest)
        into v_instance_ids, v_requirement_ids, v_owned, v_incoming, v_outgoing, v_movable, v_digests
        from (
            select
                l.instance_id, l.requirement_id, sum(l.owned) as owned, sum(l.incoming) as incoming, sum(l.outgoing) as outgoing,
                sum(l.movable) as movable, bit_xor(l.digest) as digest
            from old_rows as o
            cross join lateral {{ private }}.load_of(o.stream_id, o.epoch, o.instance_id, o.next_instance_id, o.requirement_id, o.state, o.pinned_to) as l
            group by l.instance_id, l.requirement_id
        ) as c;
    end if;
    if v_instance_ids is null then
        return null;
    end if;

    with changed as (
        update {{ private }}.instance_load as l
        set
            owned = l.owned + c.owned,
            incoming = l.incoming + c.incoming,
            outgoing = l.outgoing + c.outgoing,
            digest = l.digest # c.digest,
            changed_at = c.now
        from (
            select
                u.instance_id, sum(u.owned) as owned, sum(u.incoming) as incoming, sum(u.outgoing) as outgoing,
                bit_xor(u.digest) as digest, n.now
            from unnest(v_instance_ids, v_owned, v_incoming, v_outgoing, v_digests) as u(instance_id, owned, incoming, outgoing, digest)
            cross join (select {{ private }}.now() as now) as n
            group by u.instance_id, n.now
        ) as c
        where l.instance_id = c.instance_id
        returning l.instance_id, l.owned, c.owned as more
    )
    select jsonb_agg(jsonb_build_object('instance_id', i.instance_id, 'max_streams', i.max_streams, 'owned', c.owned))
    into v_over
    from changed as c
    join {{ private }}.instance as i on i.instance_id = c.instance_id
    -- above a capacity that was lowered nothing more may come; what is there may change its requirement
    where c.more > 0 and c.owned > i.max_streams;

    update {{ private }}.requirement_load as r
    set movable = r.movable + u.movable
    from unnest(v_instance_ids, v_requirement_ids, v_movable) as u(instance_id, requirement_id, movable)
    where r.instance_id = u.instance_id and r.requirement_id = u.requirement_id and u.movable <> 0;
    get diagnostics v_counted = row_count;
    if v_counted < cardinality(array_remove(v_movable, 0)) then
        -- the first of their requirement there
        insert into {{ private }}.requirement_load as r (instance_id, requirement_id, movable)
        select u.instance_id, u.requirement_id, u.movable
        from unnest(v_instance_ids, v_requirement_ids, v_movable) as u(instance_id, requirement_id, movable)
        where u.movable > 0
            and not exists (
                select from {{ private }}.requirement_load as k where k.instance_id = u.instance_id and k.requirement_id = u.requirement_id
            )
        on conflict (instance_id, requirement_id) do update set movable = r.movable + excluded.movable;
    end if;
    if v_over is not null then
        raise exception using
            errcode = 'OR901',
            message = 'an instance would hold more streams than it may',
            detail = v_over::text,
            hint = 'nothing was changed; report this with the statement that was run';
    end if;
    return null;
end
$function$;
comment on function {{ private }}.count_assignments() is 'Keeps instance_load and requirement_load equal to a recount of assignment.';

create or replace trigger count_inserted_assignments
    after insert on {{ private }}.assignment
    referencing new table as new_rows
    for each statement execute function {{ private }}.count_assignments();

create or replace trigger count_updated_assignments
    after update on {{ private }}.assignment
    referencing old table as old_rows new table as new_rows
    for each statement execute function {{ private }}.count_assignments();

create or replace trigger count_deleted_assignments
    after delete on {{ private }}.assignment
    referencing old table as old_rows
    for each statement execute function {{ private }}.count_assignments();
