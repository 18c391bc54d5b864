-- Orphaned streams: their owner is lost, and no other instance could take them. Such a stream stays with its lost owner,
-- under its epoch. When the owner is heard again it simply goes on. As soon as another instance has room, the streams
-- are given away (reassign_orphaned), but not before all that were lost together had time to return.
-- Locks     instance (by id, those that are free); stream and assignment rows (by id)
-- Reads     instance_load, requirement, controller
-- Writes    assignment, movement, decision, withdrawal, metric_count

create or replace function {{ private }}.owners_of_orphans()
    returns table (instance_id text)
    language sql stable
as $function$
    select i.instance_id
    from {{ private }}.instance as i
    join {{ private }}.instance_load as l on l.instance_id = i.instance_id
    cross join {{ private }}.controller as c
    where i.is_unusual
        and i.status = 'inactive'
        and l.owned > 0
        and coalesce(greatest(c.sessions_trusted_from, c.silence_trusted_from), '-infinity') <= {{ private }}.now()
$function$;
comment on function {{ private }}.owners_of_orphans() is 'Lost instances that still hold streams, and have had their time to return.';

create or replace function {{ private }}.owners_of_orphans_with_room()
    returns text[]
    language sql stable
as $function$
    with room as materialized (
        select p.capabilities from {{ private }}.placeable_instances() as p where p.planned < p.ceiling
        union
        select p.capabilities from {{ private }}.placeable_instances(true) as p where p.planned < p.ceiling
    )
    select array_agg(h.instance_id order by h.instance_id)
    from {{ private }}.owners_of_orphans() as h
    where exists (
        select from {{ private }}.requirement as r
        where exists (select from room as m where m.capabilities @> r.capabilities)
            -- with a limit it stays a look into the index for each requirement, also without statistics of the table
            and (
                select true from {{ private }}.assignment as a
                where a.instance_id = h.instance_id and a.requirement_id = r.requirement_id
                limit 1
            )
    )
$function$;
comment on function {{ private }}.owners_of_orphans_with_room() is 'Those of them whose streams another could take now; null when there are none.';

create or replace function {{ private }}.lock_lost(p_instance_ids text[])
    returns text[]
    language sql volatile
as $function$
    with lost as (
        select i.instance_id
        from {{ private }}.instance as i
        where i.instance_id = any(p_instance_ids) and i.status = 'inactive'
        order by i.instance_id
        for no key update skip locked
    )
    select coalesce(array_agg(l.instance_id), '{}') from lost as l
$function$;
comment on function {{ private }}.lock_lost(text[]) is 'Those of these instances that are still lost, locked, but for those whose row is held: they are speaking right now.';

create or replace function {{ private }}.reassign_orphaned(p_instance_ids text[])
    returns {{ private }}.decision
    language plpgsql volatile
as $function$
declare
    v_decision_id bigint := {{ private }}.open_decision(
        'orphaned', 'watch_instances', null, jsonb_build_object('instances', to_jsonb(p_instance_ids))
    );
    v_decision {{ private }}.decision;
begin
    if {{ private }}.fail_over(v_decision_id, p_instance_ids, 'orphaned') = 0 then
        -- those that have room have refused them
        delete from {{ private }}.decision as d where d.decision_id = v_decision_id;
        return null;
    end if;
    perform {{ private }}.tell_former_owners(v_decision_id);
    v_decision := {{ private }}.close_decision(v_decision_id);
    perform {{ private }}.count_failover(v_decision);
    return v_decision;
end
$function$;
comment on function {{ private }}.reassign_orphaned(text[]) is 'Give what these lost instances still hold to others, as far as those have room.';
