-- Standbys: instances that hear a stream beside its owner and own nothing of it. A stream has one at most, on another host than
-- its owner's. Each has a number below zero, which stands where an owner says its epoch, and takes a place of its instance.
--   assign_standbys     an instance is to hear streams as their standby
--   confirm_standbys    it hears
--   end_standbys        it is to stop
--   standbys_follow     streams have new owners: a standby that is one is promoted, one that is on its host ends
--   yield_standbys      an instance has more than it has room for: standbys give way
--   standby_commands    what its worker is told
-- Every caller but of confirm_standbys and standby_commands holds the decision lock; for confirm_standbys a shared one is enough.
-- Locks     standby rows; instance_load rows; metric_count
-- Writes    standby, instance_load, refusal, metric_count
-- Notifies  the instances whose standbys end or begin

create or replace function {{ private }}.host_of(p_instance {{ private }}.instance)
    returns text
    language sql immutable
begin atomic
    select nullif(lower(btrim((p_instance).metadata ->> 'host')), '');
end;
comment on function {{ private }}.host_of({{ private }}.instance) is 'The host that an instance said at registration that it is on; null: it did not say.';

create or replace function {{ private }}.may_stand_by(p_instance {{ private }}.instance, p_owner {{ private }}.instance)
    returns boolean
    language sql stable
as $function$
    select coalesce(
        (p_instance).instance_id <> (p_owner).instance_id
        and (p_instance).metadata -> 'standbys' = 'true'
        and not (p_instance).metadata ? 'http'
        and case
            -- over HTTP a client does not say where it is, and nothing is promised to it
            when {{ private }}.host_of(p_owner) is null and ((p_owner).placement = 'pull' or (p_owner).metadata ? 'http')
                then {{ private }}.host_of(p_instance) is not null
            else {{ private }}.host_of(p_instance) <> {{ private }}.host_of(p_owner)
        end
        and ({{ private }}.setting_text('standby_location') = 'any' or (p_instance).location <> (p_owner).location),
        false
    )
$function$;
comment on function {{ private }}.may_stand_by({{ private }}.instance, {{ private }}.instance) is 'Whether an instance may be the standby of what this owner has: it said at registration that it can, and is known to be on another host, and by the setting standby_location at another location.';

create or replace function {{ private }}.count_standbys()
    returns trigger
    language plpgsql volatile
as $function$
begin
    -- an insert has no old rows and a delete no new ones, and a statement that names a missing table is an error
    if tg_op = 'INSERT' then
        update {{ private }}.instance_load as l
        set standbys = l.standbys + c.more, standby_digest = l.standby_digest # c.digest
        from (
            select n.instance_id, count(*)::integer as more, bit_xor({{ private }}.digest_of(n.stream_id, n.number)) as digest
            from new_rows as n
            where n.ended_at is null
            group by n.instance_id
        ) as c
        where l.instance_id = c.instance_id;
    elsif tg_op = 'DELETE' then
        update {{ private }}.instance_load as l
        set standbys = l.standbys - c.less, standby_digest = l.standby_digest # c.digest
        from (
            select o.instance_id, count(*)::integer as less, bit_xor({{ private }}.digest_of(o.stream_id, o.number)) as digest
            from old_rows as o
            where o.ended_at is null
            group by o.instance_id
        ) as c
        where l.instance_id = c.instance_id;
    else
        -- a standby keeps its instance, and none begins anew
        update {{ private }}.instance_load as l
        set standbys = l.standbys - c.less, standby_digest = l.standby_digest # c.digest
        from (
            select o.instance_id, count(*)::integer as less, bit_xor({{ private }}.digest_of(o.stream_id, o.number)) as digest
            from old_rows as o
            join new_rows as n on n.number = o.number
            where o.ended_at is null and n.ended_at is not null
            group by o.instance_id
        ) as c
        where l.instance_id = c.instance_id;
    end if;
    return null;
end
$function$;
comment on function {{ private }}.count_standbys() is 'Keeps the counts and digests of standbys in instance_load equal to a recount.';

create or replace trigger count_inserted_standbys
    after insert on {{ private }}.standby
    referencing new table as new_rows
    for each statement execute function {{ private }}.count_standbys();

create or replace trigger count_updated_standbys
    after update on {{ private }}.standby
    referencing old table as old_rows new table as new_rows
    for each statement execute function {{ private }}.count_standbys();

create or replace trigger count_deleted_standbys
    after delete on {{ private }}.standby
    referencing old table as old_rows
    for each statement execute function {{ private }}.count_standbys();

create or replace function {{ private }}.assign_standbys(p_stream_ids bigint[], p_instance_ids text[], p_change text)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_assigned integer;
begin
    insert into {{ private }}.standby (number, stream_id, instance_id, state, assigned_at)
    select nextval('{{ private }}.standby_number'), u.stream_id, u.instance_id, 'assigned', {{ private }}.now()
    from unnest(p_stream_ids, p_instance_ids) as u(stream_id, instance_id)
    where u.stream_id is not null and u.instance_id is not null;
    get diagnostics v_assigned = row_count;
    if v_assigned > 0 then
        perform {{ private }}.hint(u.instance_id, null) from (select distinct p.* from unnest(p_instance_ids) as p(instance_id)) as u;
        perform {{ private }}.count_up('orchestrator_standby_changes_total', p_change, v_assigned);
    end if;
    return v_assigned;
end
$function$;
comment on function {{ private }}.assign_standbys(bigint[], text[], text) is 'These instances are to hear these streams as their standbys, each under a new number.';

create or replace function {{ private }}.end_standbys(p_numbers bigint[], p_change text)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_holders text[];
begin
    with ended as (
        update {{ private }}.standby as s
        set state = 'ended', ended_at = {{ private }}.now()
        where s.number = any(p_numbers) and s.ended_at is null
        returning s.instance_id
    )
    select coalesce(array_agg(e.instance_id), '{}') into v_holders from ended as e;
    if cardinality(v_holders) > 0 then
        perform {{ private }}.hint(u.instance_id, null) from (select distinct h.* from unnest(v_holders) as h(instance_id)) as u;
        perform {{ private }}.count_up('orchestrator_standby_changes_total', p_change, cardinality(v_holders));
    end if;
    return cardinality(v_holders);
end
$function$;
comment on function {{ private }}.end_standbys(bigint[], text) is 'These standbys are to stop; returns how many were not over yet.';

create or replace function {{ private }}.confirm_standbys(p_instance_id text, p_stream_ids bigint[], p_numbers bigint[])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_confirmed integer;
begin
    with confirmed as (
        select s.number
        from {{ private }}.standby as s
        join (select distinct u.stream_id, u.number from unnest(p_stream_ids, p_numbers) as u(stream_id, number)) as u
            on u.stream_id = s.stream_id and u.number = s.number
        where s.instance_id = p_instance_id and s.ended_at is null
        order by s.number
        for no key update of s
    ),
    changed as (
        update {{ private }}.standby as s
        set state = 'hearing', heard_since = {{ private }}.now()
        from confirmed as c
        where s.number = c.number and s.state = 'assigned'
    )
    select count(*) into v_confirmed from confirmed;
    return v_confirmed;
end
$function$;
comment on function {{ private }}.confirm_standbys(text, bigint[], bigint[]) is 'These streams are heard by their standbys under these numbers; returns how many are this instance''s.';

create or replace function {{ private }}.note_failed_standbys(p_instance_id text, p_failed jsonb)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_failed record;
    v_noted integer := 0;
begin
    for v_failed in
        select s.number, s.stream_id, left(max(f.value ->> 'error'), 1000) as error
        from jsonb_array_elements(p_failed) as f
        join {{ private }}.standby as s
            on s.number = {{ private }}.as_bigint(f.value -> 'epoch') and s.stream_id = {{ private }}.as_bigint(f.value -> 'stream_id')
        where s.instance_id = p_instance_id and s.ended_at is null
        group by s.number, s.stream_id
        order by s.stream_id
    loop
        v_noted := v_noted + 1;
        perform {{ private }}.remember_refusals(p_instance_id, array[v_failed.stream_id], coalesce(v_failed.error, 'failed'), 1, true);
        perform {{ private }}.end_standbys(array[v_failed.number], 'failed');
    end loop;
    return v_noted;
end
$function$;
comment on function {{ private }}.note_failed_standbys(text, jsonb) is 'A standby cannot hear its stream: another is looked for. Its owner is not touched.';

create or replace function {{ private }}.mark_promoted(p_numbers bigint[])
    returns void
    language plpgsql volatile
as $function$
begin
    if cardinality(p_numbers) > 0 then
        update {{ private }}.standby as s set state = 'promoted', ended_at = {{ private }}.now() where s.number = any(p_numbers);
        perform {{ private }}.count_up('orchestrator_standby_changes_total', 'promoted', cardinality(p_numbers));
    end if;
end
$function$;
comment on function {{ private }}.mark_promoted(bigint[]) is 'The instances of these standbys own their streams, or prepare to. They go on with what they hear, so none is told to stop.';

create or replace function {{ private }}.standbys_follow(p_stream_ids bigint[])
    returns void
    language plpgsql volatile
as $function$
declare
    v_promoted bigint[];
    v_over bigint[];
begin
    if not exists (select from {{ private }}.standby) then
        return; -- nearly always, where there are none
    end if;
    select
        array_agg(s.number) filter (where a.instance_id = s.instance_id),
        array_agg(s.number) filter (where case when a.instance_id <> s.instance_id then not {{ private }}.may_stand_by(i, o) end)
    into v_promoted, v_over
    from {{ private }}.standby as s
    join {{ private }}.assignment as a on a.stream_id = s.stream_id
    join {{ private }}.instance as o on o.instance_id = a.instance_id
    join {{ private }}.instance as i on i.instance_id = s.instance_id
    where s.stream_id = any(p_stream_ids) and s.ended_at is null;
    if v_promoted is not null then
        perform {{ private }}.mark_promoted(v_promoted);
    end if;
    if v_over is not null then
        perform {{ private }}.end_standbys(v_over, 'ended');
    end if;
end
$function$;
comment on function {{ private }}.standbys_follow(bigint[]) is 'These streams have new owners: one that was the standby is promoted, and a standby that may not be the new owner''s ends.';

create or replace function {{ private }}.standbys_make_way(p_stream_ids bigint[])
    returns void
    language plpgsql volatile
as $function$
declare
    v_over bigint[];
begin
    if not exists (select from {{ private }}.standby) then
        return; -- nearly always, where there are none
    end if;
    -- one that prepares is counted as the next owner
    perform {{ private }}.mark_promoted(array(
        select s.number
        from {{ private }}.standby as s
        join {{ private }}.assignment as a on a.stream_id = s.stream_id
        where s.stream_id = any(p_stream_ids)
            and s.ended_at is null
            and a.releasing_since is not null
            and a.make_before_break
            and a.next_instance_id = s.instance_id
    ));
    v_over := array(
        select s.number
        from {{ private }}.standby as s
        join {{ private }}.assignment as a on a.stream_id = s.stream_id
        where s.stream_id = any(p_stream_ids) and s.ended_at is null and a.releasing_since is not null and a.make_before_break
    );
    if cardinality(v_over) > 0 then
        perform {{ private }}.end_standbys(v_over, 'gave way');
    end if;
end
$function$;
comment on function {{ private }}.standbys_make_way(bigint[]) is 'The next owners of these streams prepare: a standby that is one goes on as that, and any other ends, so that no station has three listeners.';

create or replace function {{ private }}.yield_standbys()
    returns integer
    language plpgsql volatile
as $function$
declare
    v_over bigint[];
begin
    if not exists (select from {{ private }}.instance_load as l where l.standbys > 0) then
        return 0; -- nearly always, where there are none
    end if;
    select array_agg(y.number) into v_over
    from {{ private }}.instance_load as l
    join {{ private }}.instance as i on i.instance_id = l.instance_id
    -- one that is to own what it stands by for has one place for both
    cross join lateral (
        select s.number, row_number() over (order by s.state = 'hearing', s.number) as place, count(*) over () as standbys
        from {{ private }}.standby as s
        join {{ private }}.assignment as a on a.stream_id = s.stream_id
        where s.instance_id = l.instance_id and s.ended_at is null and a.next_instance_id is distinct from l.instance_id
    ) as y
    where l.standbys > 0
        and l.owned + l.incoming + l.standbys > i.max_streams
        and y.place <= l.owned + l.incoming + y.standbys - i.max_streams;
    if v_over is null then
        return 0;
    end if;
    return {{ private }}.end_standbys(v_over, 'gave way');
end
$function$;
comment on function {{ private }}.yield_standbys() is 'Where an instance has more streams and standbys than places, standbys give way, the newest first. Returns how many.';

create or replace function {{ private }}.forget_standbys(p_instance_ids text[])
    returns void
    language sql volatile
as $function$
    delete from {{ private }}.standby as s where s.instance_id = any(p_instance_ids)
$function$;
comment on function {{ private }}.forget_standbys(text[]) is 'These instances are gone, and hear nothing any more.';

create or replace function {{ private }}.restart_standbys(p_instance_id text)
    returns void
    language plpgsql volatile
as $function$
begin
    delete from {{ private }}.standby as s where s.instance_id = p_instance_id and s.ended_at is not null;
    update {{ private }}.standby as s
    set state = 'assigned', heard_since = null
    where s.instance_id = p_instance_id and s.state = 'hearing';
end
$function$;
comment on function {{ private }}.restart_standbys(text) is 'A new process of this instance hears nothing yet.';

create or replace function {{ private }}.standby_commands(p_instance_id text, p_digest bigint)
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language sql volatile
as $function$
    with mine as materialized (
        select s.stream_id, s.number, s.state, {{ private }}.digest_of(s.stream_id, s.number) as digest
        from {{ private }}.standby as s
        where s.instance_id = p_instance_id
    ),
    part as (
        select
            coalesce(bit_xor(m.digest) filter (where m.state = 'hearing'), 0) as hearing,
            coalesce(bit_xor(m.digest) filter (where m.state = 'assigned'), 0) as assigned,
            coalesce(bit_xor(m.digest) filter (where m.state = 'ended'), 0) as ended,
            coalesce(bit_xor(m.digest) filter (where m.state = 'promoted'), 0) as promoted
        from mine as m
    ),
    -- it has done all or nothing of what it was told last
    explained as materialized (
        select p_digest is null or exists (
            select from part as p
            cross join unnest(array[0, p.assigned]) as a(digest)
            cross join unnest(array[0, p.ended]) as e(digest)
            cross join unnest(array[0, p.promoted]) as o(digest)
            where p.hearing # a.digest # e.digest # o.digest = p_digest
        ) as is_all
    )
    select 'standby', m.stream_id, m.number, s.name, s.url, s.metadata
    from mine as m
    join {{ private }}.stream as s on s.stream_id = m.stream_id
    cross join explained as x
    where m.state = 'assigned' or (m.state = 'hearing' and not x.is_all)
    union all
    select 'standby_end', m.stream_id, m.number, null, null, null from mine as m where m.state = 'ended'
    union all
    select 'standby_end', 0, 0, null, null, null from explained as x where not x.is_all
    union all
    -- read after the others: what it owns by now is not ended as a standby that is not named
    select c.*
    from explained as x cross join lateral {{ private }}.add_commands(p_instance_id, true) as c
    where not x.is_all
$function$;
comment on function {{ private }}.standby_commands(text, bigint) is 'What brings a worker''s standbys in step, whose digest is p_digest (null: what it has not confirmed, and what has ended lately). When the digest is that of nothing it was told, all are named, and the end of stream 0 means all others.';
