-- Every change of who hears a stream passes through a handful of tables, and is noted there, by trigger; no decision knows of it.
--   assignment   activated, ended, started; taken from its owner, or to be started anew by it
--   instance     lost or gone: all its streams are without an ear from its last beat on
--   controller   a new generation in another database than it was: what happened since its last beat is not known
-- What a beat says touches none of these. The job watch_coverage does the rest (watch_coverage.sql).
-- Locks     open_gap and active_time rows; their writers hold the decision lock, those who confirm a start a shared one
-- Writes    active_time, open_gap, gap

create or replace function {{ private }}.await_owners(p_stream_ids bigint[])
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.begin_gaps(
        p_stream_ids, array_fill('waiting'::text, array[n.streams]), array_fill(null::text, array[n.streams]),
        array_fill(n.now, array[n.streams]), array_fill(n.now, array[n.streams])
    )
    from (select {{ private }}.now() as now, cardinality(p_stream_ids) as streams) as n;
end
$function$;
comment on function {{ private }}.await_owners(bigint[]) is 'From now on these streams wait for an instance.';

create or replace function {{ private }}.begin_active_times(p_stream_ids bigint[])
    returns void
    language plpgsql volatile
    set plan_cache_mode = 'force_generic_plan'
as $function$
declare
    v_now timestamptz := {{ private }}.now();
begin
    -- what ended in this very moment goes on
    update {{ private }}.active_time as t
    set ended_at = null, instance_id = null
    where t.stream_id = any(p_stream_ids)
        and t.ended_at = v_now
        and not exists (select from {{ private }}.active_time as o where o.stream_id = t.stream_id and o.ended_at is null);
    insert into {{ private }}.active_time (stream_id, began_at)
    select u.stream_id, v_now from unnest(p_stream_ids) as u(stream_id)
    on conflict (stream_id) where ended_at is null do nothing;
    perform {{ private }}.await_owners(p_stream_ids);
end
$function$;
comment on function {{ private }}.begin_active_times(bigint[]) is 'From now on these streams should be heard; none hears them yet.';

create or replace function {{ private }}.end_active_times(p_stream_ids bigint[], p_owners text[])
    returns void
    language plpgsql volatile
    set plan_cache_mode = 'force_generic_plan'
as $function$
begin
    perform {{ private }}.end_gaps(p_stream_ids);
    update {{ private }}.active_time as t
    set ended_at = greatest(t.began_at, {{ private }}.now()), instance_id = u.owner
    from unnest(p_stream_ids, p_owners) as u(stream_id, owner)
    where t.stream_id = u.stream_id and t.ended_at is null;
end
$function$;
comment on function {{ private }}.end_active_times(bigint[], text[]) is 'From now on these streams need not be heard.';

create or replace function {{ private }}.note_ears_lost(p_stream_ids bigint[], p_events text[], p_owners text[], p_asked timestamptz[])
    returns void
    language plpgsql volatile
    set plan_cache_mode = 'force_generic_plan'
as $function$
begin
    perform {{ private }}.begin_gaps(
        array_agg(u.stream_id order by u.stream_id),
        array_agg(
            case
                when u.event in ('complete', 'restart', 'reassign', 'unassign') then 'hand-over'
                when i.suspended_until is not null or u.event = 'connect anew' then 'planned restart'
                else 'crash'
            end
            order by u.stream_id
        ),
        array_agg(u.owner order by u.stream_id),
        -- who was asked to stop went on until then; else the last that is known of an owner is its beat
        array_agg(case when u.event = 'complete' then u.asked_at else h.beat_at end order by u.stream_id),
        array_agg(case when u.event = 'renew' and i.session_lost_at >= h.beat_at then i.session_lost_at else {{ private }}.now() end order by u.stream_id)
    )
    from unnest(p_stream_ids, p_events, p_owners, p_asked) as u(stream_id, event, owner, asked_at)
    join {{ private }}.instance as i on i.instance_id = u.owner
    join {{ private }}.heartbeat as h on h.instance_id = u.owner
    -- nearly always a loss has opened it already
    where not exists (select from {{ private }}.open_gap as g where g.stream_id = u.stream_id)
    having count(*) > 0;
end
$function$;
comment on function {{ private }}.note_ears_lost(bigint[], text[], text[], timestamptz[]) is 'These streams were heard, and are to be started anew: by another instance, or by their owner''s next process.';

create or replace function {{ private }}.account_for_assignments()
    returns trigger
    language plpgsql volatile
    set plan_cache_mode = 'force_generic_plan'
as $function$
declare
    v_begun bigint[];
    v_ended bigint[];
    v_ended_owners text[];
    v_heard bigint[];
    v_lost bigint[];
    v_events text[];
    v_owners text[];
    v_asked timestamptz[];
    v_waiting bigint[];
begin
    -- an insert has no old rows and a delete no new ones, and a statement that names a missing table is an error
    if tg_op = 'INSERT' then
        select array_agg(n.stream_id) into v_begun from new_rows as n where n.state <> 'idle';
    elsif tg_op = 'DELETE' then
        select array_agg(o.stream_id), array_agg(o.instance_id) into v_ended, v_ended_owners from old_rows as o;
    else
        select
            array_agg(c.stream_id) filter (where c.what = 'begun'),
            array_agg(c.stream_id) filter (where c.what = 'ended'), array_agg(c.owner) filter (where c.what = 'ended'),
            array_agg(c.stream_id) filter (where c.what = 'heard'),
            array_agg(c.stream_id) filter (where c.is_lost), array_agg(c.what) filter (where c.is_lost),
            array_agg(c.owner) filter (where c.is_lost), array_agg(c.asked_at) filter (where c.is_lost),
            array_agg(c.stream_id) filter (where c.what = 'unassign')
        into v_begun, v_ended, v_ended_owners, v_heard, v_lost, v_events, v_owners, v_asked, v_waiting
        from (
            select
                n.stream_id, o.instance_id as owner, o.releasing_since as asked_at, e.what,
                -- what was not heard yet has its gap, which goes on
                e.what not in ('begun', 'ended', 'heard') as is_lost
            from old_rows as o
            -- no nested loop: a plan that was made for one row stays good for thousands
            full join new_rows as n on n.stream_id = o.stream_id
            cross join lateral (
                select case
                    when n.state = 'idle' then 'ended'
                    when o.state = 'idle' then 'begun'
                    when n.state = 'waiting' then 'unassign'
                    -- a hand-over that is called off confirms nothing: its owner may be lost
                    when n.state = 'running' and o.state = 'assigned' then 'heard'
                    when n.state <> 'assigned' or o.instance_id is null then null
                    when n.epoch = o.epoch then 'restart'
                    when n.instance_id = o.instance_id then case when n.decision_id = o.decision_id then 'renew' else 'connect anew' end
                    when n.instance_id = o.next_instance_id then 'complete'
                    else 'reassign'
                end as what
            ) as e
            where (o.state <> n.state or o.instance_id is distinct from n.instance_id or (o.epoch <> n.epoch and n.state = 'assigned'))
                and e.what is not null
        ) as c;
    end if;
    if v_heard is not null then
        -- who is at a station that fails by its own fault has started it, and hears nothing; who is lost has to be heard first
        perform {{ private }}.end_gaps(array(
            select a.stream_id
            from {{ private }}.assignment as a
            join {{ private }}.instance as i on i.instance_id = a.instance_id and i.is_living
            where a.stream_id = any(v_heard)
                and not exists (select from {{ private }}.station_fault as f where f.stream_id = a.stream_id)
        ));
    end if;
    if v_lost is not null then
        perform {{ private }}.note_ears_lost(v_lost, v_events, v_owners, v_asked);
    end if;
    if v_waiting is not null then
        perform {{ private }}.end_gaps(v_waiting);
        perform {{ private }}.await_owners(v_waiting);
    end if;
    if v_ended is not null then
        perform {{ private }}.end_active_times(v_ended, v_ended_owners);
    end if;
    if v_begun is not null then
        perform {{ private }}.begin_active_times(v_begun);
    end if;
    return null;
end
$function$;
comment on function {{ private }}.account_for_assignments() is 'Notes since when streams should be heard, are heard, and are not.';

create or replace trigger account_for_inserted_assignments
    after insert on {{ private }}.assignment
    referencing new table as new_rows
    for each statement execute function {{ private }}.account_for_assignments();

create or replace trigger account_for_updated_assignments
    after update on {{ private }}.assignment
    referencing old table as old_rows new table as new_rows
    for each statement execute function {{ private }}.account_for_assignments();

create or replace trigger account_for_deleted_assignments
    after delete on {{ private }}.assignment
    referencing old table as old_rows
    for each statement execute function {{ private }}.account_for_assignments();

create or replace function {{ private }}.account_for_lost_instance()
    returns trigger
    language plpgsql volatile
    set plan_cache_mode = 'force_generic_plan'
as $function$
begin
    perform {{ private }}.begin_gaps(
        array_agg(a.stream_id order by a.stream_id),
        array_agg(case
            when new.status_event = 'remove' then 'hand-over'
            when new.suspended_until is not null or new.status_event = 'goodbye' then 'planned restart'
            else 'crash'
        end order by a.stream_id),
        array_agg(a.instance_id order by a.stream_id),
        array_agg(h.beat_at order by a.stream_id),
        -- one that beat without its session was there
        array_agg(case when new.session_lost_at >= h.beat_at then new.session_lost_at else {{ private }}.now() end order by a.stream_id)
    )
    from {{ private }}.assignment as a
    join {{ private }}.heartbeat as h on h.instance_id = a.instance_id
    where a.instance_id = new.instance_id
    having count(*) > 0;
    return null;
end
$function$;
comment on function {{ private }}.account_for_lost_instance() is 'Notes that the streams of an instance that is gone are not heard: uncertain from its last beat, certain from the end of its session or from now.';

create or replace trigger account_for_lost_instance
    after update of status on {{ private }}.instance
    for each row when (old.is_living and not new.is_living)
    execute function {{ private }}.account_for_lost_instance();

create or replace function {{ private }}.account_for_another_database()
    returns trigger
    language plpgsql volatile
as $function$
declare
    v_last timestamptz := (
        select least(greatest(max(h.beat_at), (select max(j.last_started_at) from {{ private }}.job as j)), {{ private }}.now())
        from {{ private }}.heartbeat as h
    );
    v_stream_ids bigint[] := array(
        select a.stream_id from {{ private }}.assignment as a
        where a.state <> 'idle' and not exists (select from {{ private }}.open_gap as g where g.stream_id = a.stream_id)
        order by a.stream_id
    );
begin
    if v_last is not null and cardinality(v_stream_ids) > 0 then
        perform {{ private }}.begin_gaps(
            v_stream_ids, array_fill('restored'::text, array[cardinality(v_stream_ids)]),
            array(select a.instance_id from {{ private }}.assignment as a where a.stream_id = any(v_stream_ids) order by a.stream_id),
            array_fill(v_last, array[cardinality(v_stream_ids)]), array_fill({{ private }}.now(), array[cardinality(v_stream_ids)])
        );
        perform {{ private }}.end_gaps(v_stream_ids);
    end if;
    return null;
end
$function$;
comment on function {{ private }}.account_for_another_database() is 'After a restore or a promotion what was heard since the last sign in this database is not known.';

create or replace trigger account_for_another_database
    after update of fingerprint on {{ private }}.controller
    for each row when (
        new.generation > old.generation
        -- a server that was only started anew has forgotten nothing: who returns in step has heard all along
        and not (
            split_part(old.fingerprint, ' ', 3) <> split_part(new.fingerprint, ' ', 3)
            and array_remove(string_to_array(old.fingerprint, ' '), split_part(old.fingerprint, ' ', 3))
            = array_remove(string_to_array(new.fingerprint, ' '), split_part(new.fingerprint, ' ', 3))
        )
    )
    execute function {{ private }}.account_for_another_database();
