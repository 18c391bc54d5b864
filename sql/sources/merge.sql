-- Merging a batch into the streams of its source, step by step, with the decision lock held.
-- Locks     instance (by id), then stream and assignment (by id): lock_streams, first

-- Make the requirements that a batch names for the first time. With the decision lock held: two who make the same one
-- wait for each other.
-- Writes    requirement
create or replace function {{ private }}.make_requirements(p_batch uuid)
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.requirement_of(d.capabilities, d.region)
    from (
        select distinct r.capabilities, r.region
        from {{ private }}.batch_rows(p_batch) as r
        where r.requirement_id is null and r.problem is null
    ) as d;
end
$function$;
comment on function {{ private }}.make_requirements(uuid) is 'Makes the requirements that a staged batch names for the first time.';

-- Lock what a merge is about to change, in the order of all transactions: the instances that have a hand in these
-- streams, then the streams, then their assignments, each by id.
create or replace function {{ private }}.lock_streams(p_stream_ids bigint [])
    returns void
    language plpgsql volatile
as $function$
begin
    perform from {{ private }}.instance as i
    where i.instance_id in (
        select unnest(array[a.instance_id, a.next_instance_id])
        from {{ private }}.assignment as a
        where a.stream_id = any(p_stream_ids)
    )
    order by i.instance_id
    for no key update;

    perform from {{ private }}.stream as s
    where s.stream_id = any(p_stream_ids)
    order by s.stream_id
    for update;

    perform from {{ private }}.assignment as a
    where a.stream_id = any(p_stream_ids)
    order by a.stream_id
    for update;
end
$function$;
comment on function {{ private }}.lock_streams(bigint []) is 'Locks instances, streams and assignments that a merge is about to change, in the common order.';

-- Take the streams that a source no longer has, has switched off, or now gives requirements that their owner lacks.
-- They are idle then; write_batch lets the misfits wait for another. Called with the decision lock held.
-- Locks     instance (by id), then stream and assignment (by id)
-- Writes    decision, and what withdraw_streams writes; assignment of waiting streams
-- Notifies  the owners
create or replace function {{ private }}.withdraw_changed(p_source text, p_gone bigint [], p_misfits bigint [])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_held bigint [];
    v_decision_id bigint;
    v_moves integer := 0;
begin
    v_held := array(
        select a.stream_id from {{ private }}.assignment as a
        where a.stream_id = any(p_gone || p_misfits) and a.instance_id is not null
        order by a.stream_id
    );
    if cardinality(v_held) > 0 then
        v_decision_id := {{ private }}.open_decision(
            'source_changed', 'sync_streams', 'the source removed, deactivated or changed streams',
            jsonb_build_object('source', p_source, 'withdrawn', cardinality(v_held))
        );
        v_moves := {{ private }}.withdraw_streams(v_decision_id, v_held, 'source ' || p_source);
        perform {{ private }}.close_decision(v_decision_id, v_moves, v_moves);
    end if;
    -- what is left waits: it has no owner, so no decision is made
    perform {{ private }}.withdraw_streams(null, p_gone, null);
    return v_moves;
end
$function$;
comment on function {{ private }}.withdraw_changed(text, bigint [], bigint []) is 'Takes streams from their owners because their source says so, as one decision.';

-- Give what a source had taken away for a moment back to those who had it. Called with the decision lock held.
-- Writes    decision, and what return_to_owners writes
-- Notifies  the owners
create or replace function {{ private }}.return_changed(p_source text, p_stream_ids bigint [])
    returns void
    language plpgsql volatile
as $function$
declare
    v_decision_id bigint;
begin
    if exists (select from {{ private }}.former_owners(p_stream_ids)) then
        v_decision_id := {{ private }}.open_decision(
            'source_changed', 'sync_streams', 'the source has these streams again', jsonb_build_object('source', p_source)
        );
        perform {{ private }}.return_to_owners(v_decision_id, p_stream_ids);
        perform {{ private }}.close_decision(v_decision_id);
    end if;
end
$function$;
comment on function {{ private }}.return_changed(text, bigint []) is 'Gives streams back that their source has again, as one decision.';

-- Write the rows of a batch into the streams: what changed, and what is new. Called after what is gone was taken
-- from its owners, with the decision lock held.
-- Writes    stream, assignment, decision, movement, withdrawal
create or replace function {{ private }}.write_batch(p_source text, p_batch uuid, p_changed bigint [])
    returns void
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_added bigint [];
begin
    with found as materialized (
        select * from {{ private }}.batch_rows(p_batch)
    ),
    changed as (
        update {{ private }}.stream as s
        set
            name = f.name, url = f.url, active = f.active, region = f.region,
            requirement_id = f.requirement_id, metadata = f.metadata, standby = coalesce(f.standby, s.standby), updated_at = v_now
        from unnest(p_changed) as c (stream_id), found as f
        where s.stream_id = c.stream_id and s.source = p_source and s.external_id = f.external_id
        returning s.stream_id, s.requirement_id
    ),
    refitted as (
        update {{ private }}.assignment as a
        set requirement_id = c.requirement_id
        from changed as c
        where a.stream_id = c.stream_id and a.requirement_id <> c.requirement_id
    ),
    added as (
        insert into {{ private }}.stream (
            source, external_id, name, url, active, region, requirement_id, metadata, standby, created_at, updated_at
        )
        select p_source, f.external_id, f.name, f.url, f.active, f.region, f.requirement_id, f.metadata, f.standby, v_now, v_now
        from found as f
        where
            f.problem is null
            and not exists (
                select from {{ private }}.stream as s where s.source = p_source and s.external_id = f.external_id
            )
        order by f.line
        returning stream_id
    )
    select array_agg(n.stream_id) into v_added from added as n;
    perform {{ private }}.activate_streams(p_changed);
    perform {{ private }}.add_assignments(v_added);
    perform {{ private }}.return_changed(
        -- what is new was nowhere before, unless it was removed under another number
        p_source, p_changed || case when exists (select from {{ private }}.withdrawal as w where w.url is not null) then v_added end
    );
end
$function$;
comment on function {{ private }}.write_batch(text, uuid, bigint []) is 'Writes the changed and new rows of a staged batch into stream and assignment.';

-- Make the owners of streams whose url changed connect again: a new epoch for the same owner. The old epoch is
-- fenced from then on, so nothing heard at the old url is written for the new one. No hands change: no movement.
-- A hand-over goes on as it was; its next owner gets the new url anyway.
-- Called with the decision lock held.
-- Locks     instance (by id), then assignment (by id); the caller has locked both
-- Writes    assignment, decision
-- Notifies  the owners
create or replace function {{ private }}.reconnect_owners(p_source text, p_stream_ids bigint [])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_held bigint [];
    v_decision_id bigint;
begin
    v_held := array(
        select a.stream_id from {{ private }}.assignment as a
        where a.stream_id = any(p_stream_ids) and a.instance_id is not null
        order by a.stream_id
    );
    if cardinality(v_held) = 0 then
        return 0;
    end if;
    -- they hear the old one; others take their place
    perform {{ private }}.end_standbys(
        array(select s.number from {{ private }}.standby as s where s.stream_id = any(v_held) and s.ended_at is null), 'ended'
    );
    v_decision_id := {{ private }}.open_decision(
        'url_changed', 'sync_streams', 'streams have a new url; their owners connect again',
        jsonb_build_object('source', p_source, 'stream_ids', to_jsonb(v_held))
    );
    perform {{ private }}.notify_instance(o.instance_id, v_decision_id)
    from unnest({{ private }}.renew_epochs(v_held, v_decision_id)) as o (instance_id);
    perform {{ private }}.close_decision(v_decision_id, 0, 0);
    return cardinality(v_held);
end
$function$;
comment on function {{ private }}.reconnect_owners(text, bigint []) is 'Gives streams with a new url a new epoch for the same owner, which makes it connect again.';
