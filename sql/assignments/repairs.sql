-- What a worker and its assignments disagree about, and the record of how they were brought in step (R3).
-- A difference is ordinary while something is under way: what the worker should run has changed since it last beat, or it
-- has still to confirm something and was told so lately, or is on its way there. Only what is left is a fault.
-- Locks     none that a decision waits for
-- Reads     assignment, withdrawal, movement
-- Writes    repair

create or replace function {{ private }}.is_under_way(
    p_instance_id text, p_changed_at timestamptz, p_last_beat_at timestamptz, p_has_moved boolean
)
    returns boolean
    language sql volatile
as $function$
    select
        coalesce(p_changed_at >= p_last_beat_at, false)
        or (
            (p_has_moved or p_changed_at > {{ private }}.now() - {{ private }}.setting_interval('handoff_timeout'))
            and (
                exists (select from {{ private }}.add_commands(p_instance_id, true))
                or exists (select from {{ private }}.remove_commands(p_instance_id))
            )
        )
$function$;
comment on function {{ private }}.is_under_way(text, timestamptz, timestamptz, boolean) is 'Whether a worker may well differ from its assignments, because it has not heard of them or is at it (p_has_moved: its digest is another than at its last beat).';

create or replace function {{ private }}.unexplained_difference(p_instance_id text, p_streams bigint[], p_epochs bigint[])
    returns jsonb
    language sql volatile
as $function$
    with reported as (
        select
            u.stream_id, u.epoch as claimed, a.epoch, a.instance_id as owner,
            a.stream_id is null as is_unknown,
            coalesce(a.instance_id = p_instance_id, false) as is_its_own,
            -- it was told to stop, or has yet to hear of the new epoch
            coalesce((a.state in ('releasing', 'assigned') or a.adopted_from is not null) and a.instance_id = p_instance_id, false)
            or exists (
                select from {{ private }}.withdrawal as w
                where w.instance_id = p_instance_id and w.stream_id = u.stream_id and w.epoch >= u.epoch
            ) as is_under_way
        from unnest(p_streams, p_epochs) as u(stream_id, epoch)
        left join {{ private }}.assignment as a on a.stream_id = u.stream_id
    ),
    -- one row per stream and what is wrong with it
    different as (
        select
            'missing' as kind, m.stream_id, to_jsonb(m.stream_id) as item
        from (
            select a.stream_id from {{ private }}.assignment as a where a.instance_id = p_instance_id and a.state = 'running'
            except
            select u.stream_id from unnest(p_streams) as u(stream_id)
        ) as m
        union all
        select
            case
                when r.claimed > r.epoch then 'epoch_ahead'
                when r.is_under_way then null
                when r.is_unknown then 'unknown'
                when r.owner is null then 'surplus'
                when not r.is_its_own then 'claimed_of_others'
                when r.claimed < r.epoch then 'wrong_epoch'
            end,
            r.stream_id,
            case
                when r.is_unknown or (r.owner is null and r.claimed <= r.epoch) then to_jsonb(r.stream_id)
                else jsonb_build_object('stream_id', r.stream_id, 'claimed_epoch', r.claimed, 'epoch', r.epoch, 'owner', r.owner)
            end
        from reported as r
    ),
    counted as (
        select d.kind, count(*) as streams, jsonb_agg(d.item order by d.stream_id) filter (where d.place <= 100) as items
        from (
            select d.*, row_number() over (partition by d.kind order by d.stream_id) as place
            from different as d
            where d.kind is not null
        ) as d
        group by d.kind
    )
    select jsonb_object_agg(c.kind, c.items) || jsonb_build_object('counts', jsonb_object_agg(c.kind, c.streams))
    from counted as c
$function$;
comment on function {{ private }}.unexplained_difference(text, bigint[], bigint[]) is 'What a full set has too little, too much or under wrong epochs, and nothing under way explains; at most 100 streams of each kind beside their counts, null when there is none.';

create or replace function {{ private }}.go_above(p_instance_id text, p_streams bigint[], p_epochs bigint[], p_runs_them boolean, p_trigger text)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_latest bigint := extract(epoch from {{ private }}.now() + interval '30 days')::bigint << 20;
    v_stream_ids bigint[];
    v_epochs bigint[];
    v_refused jsonb;
    v_decision_id bigint;
begin
    select
        array_agg(a.stream_id order by a.stream_id) filter (where u.epoch <= v_latest),
        array_agg(u.epoch order by a.stream_id) filter (where u.epoch <= v_latest),
        jsonb_agg(jsonb_build_object('stream_id', a.stream_id, 'claimed_epoch', u.epoch) order by a.stream_id) filter (where u.epoch > v_latest)
    into v_stream_ids, v_epochs, v_refused
    from unnest(p_streams, p_epochs) as u(stream_id, epoch)
    join {{ private }}.assignment as a on a.stream_id = u.stream_id
    where u.epoch >= a.epoch + (p_runs_them)::integer and a.instance_id = p_instance_id;
    if v_refused is not null then
        perform {{ private }}.open_alert(
            'epoch_refused', p_instance_id, 'warning',
            p_instance_id || ' claims epochs that lie more than 30 days ahead of the clock', jsonb_build_object('claims', v_refused)
        );
    end if;
    if v_stream_ids is null then
        return 0;
    end if;
    v_decision_id := {{ private }}.open_decision(
        'epoch ahead', p_trigger, 'an owner was shown epochs that are later than its own',
        jsonb_build_object('instance_id', p_instance_id, 'streams', cardinality(v_stream_ids))
    );
    perform {{ private }}.notify_instance(o.instance_id, v_decision_id)
    from unnest({{ private }}.adopt_ownerships(v_stream_ids, v_epochs, p_runs_them)) as o(instance_id);
    perform {{ private }}.close_decision(v_decision_id, 0, 0);
    return cardinality(v_stream_ids);
end
$function$;
comment on function {{ private }}.go_above(text, bigint[], bigint[], boolean, text) is 'An owner has been shown these epochs of its own streams, later than they are given here (this database, or its clock, was behind when it took its generation): it gets later ones. Of the streams of others nothing changes. Returns how many were its own.';

create or replace function {{ private }}.record_repair(
    p_instance_id text, p_incarnation bigint, p_found_by text, p_repaired_by text, p_difference jsonb
)
    returns smallint
    language plpgsql volatile
as $function$
declare
    v_attempt smallint;
begin
    -- a beat is an attempt; what follows from it belongs to the same one
    update {{ private }}.heartbeat as h
    set attempts = case when p_found_by = 'heartbeat' then least(h.attempts + 1, 10000) else greatest(h.attempts, 1) end
    where h.instance_id = p_instance_id
    returning h.attempts into v_attempt;
    -- one row for each attempt; a worker that never gets in step does not fill the table
    update {{ private }}.repair as r
    set incarnation = p_incarnation, attempt = v_attempt, difference = p_difference
    where r.repair_id = (
        select o.repair_id
        from {{ private }}.repair as o
        where o.instance_id = p_instance_id
            and o.repaired_at is null
            and o.found_by = p_found_by
            and (o.attempt = v_attempt or v_attempt > 10)
        order by o.repair_id desc
        limit 1
    );
    if not found then
        insert into {{ private }}.repair (instance_id, incarnation, found_at, found_by, attempt, difference, repaired_by)
        values (p_instance_id, p_incarnation, {{ private }}.now(), p_found_by, v_attempt, p_difference, p_repaired_by);
    end if;
    return v_attempt;
end
$function$;
comment on function {{ private }}.record_repair(text, bigint, text, text, jsonb) is 'An attempt to bring a worker in step; returns which one in a row. From the tenth on the last row of its kind is brought up to date instead.';

create or replace function {{ private }}.close_repairs(p_instance_id text)
    returns void
    language plpgsql volatile
as $function$
begin
    update {{ private }}.heartbeat as h set attempts = 0 where h.instance_id = p_instance_id and h.attempts > 0;
    if found then
        update {{ private }}.repair as r
        set repaired_at = {{ private }}.now()
        where r.instance_id = p_instance_id and r.repaired_at is null;
    end if;
end
$function$;
comment on function {{ private }}.close_repairs(text) is 'The worker is in step again, or differs in nothing that has no reason.';

create or replace function {{ private }}.carry_repairs(p_instance_id text, p_is_same_process boolean)
    returns void
    language plpgsql volatile
as $function$
declare
    v_last record;
begin
    if not p_is_same_process then
        perform {{ private }}.close_repairs(p_instance_id); -- what differed went with the old process
        return;
    end if;
    select h.incarnation, h.digest, h.current_streams, l.digest as expected_digest, l.owned into v_last
    from {{ private }}.heartbeat as h
    join {{ private }}.instance_load as l on l.instance_id = h.instance_id
    -- what became of a first attempt is not known yet
    where h.instance_id = p_instance_id and h.attempts > 1;
    if found then
        perform {{ private }}.record_repair(
            p_instance_id, v_last.incarnation, 'register_instance', 'new registration',
            jsonb_build_object(
                'digest', v_last.digest, 'expected_digest', v_last.expected_digest,
                'reported_streams', v_last.current_streams, 'owned', v_last.owned
            )
        );
    end if;
end
$function$;
comment on function {{ private }}.carry_repairs(text, boolean) is 'A process that could not be brought in step registers again (R3.2): that is recorded, too.';
