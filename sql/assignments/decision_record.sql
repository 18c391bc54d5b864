-- A decision from its opening to its record, and the two ways a stream changes hands:
--   give_streams   now: the owner is gone, or there is none
--   hand_over      in two steps: the owner is asked to stop, the next one gets the stream when it has (complete_handovers);
--                  or the next one is asked to prepare, and has the stream when it hears it (make_before_break.sql)
-- Every caller holds the decision lock.
-- Locks     stream and assignment rows (by id); metric_count
-- Writes    assignment, decision, movement, withdrawal, settle_request, metric_count
-- Notifies  each affected instance once per decision; changes

create or replace function {{ private }}.open_decision(
    p_rule text, p_trigger text, p_reason text default null, p_detail jsonb default '{}'
)
    returns bigint
    language sql volatile
as $function$
    insert into {{ private }}.decision (decided_at, rule, trigger, actor, reason, detail, event_id)
    values ({{ private }}.now(), p_rule, p_trigger, {{ private }}.actor(), {{ private }}.redact(p_reason), p_detail, {{ private }}.event_id())
    returning decision_id
$function$;
comment on function {{ private }}.open_decision(text, text, text, jsonb) is 'Begin a decision and its record.';

create or replace function {{ private }}.give_streams(
    p_decision_id bigint, p_stream_ids bigint[], p_from text[], p_to text[], p_reason text
)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_given integer;
begin
    with change as (
        select u.stream_id, u.from_id, u.to_id
        from unnest(p_stream_ids, p_from, p_to) as u(stream_id, from_id, to_id)
        where u.stream_id is not null and (u.from_id is not null or u.to_id is not null)
    ),
    changed as (
        update {{ private }}.assignment as a
        set
            instance_id = c.to_id,
            next_instance_id = null,
            epoch = a.epoch + 1,
            state = case when c.to_id is null then 'waiting' else 'assigned' end,
            decision_id = p_decision_id,
            assigned_at = case when c.to_id is null then null else {{ private }}.now() end,
            waiting_since = case when c.to_id is null then {{ private }}.now() end,
            releasing_since = null
        from change as c
        where a.stream_id = c.stream_id
        returning a.stream_id, a.epoch, c.from_id, a.instance_id as to_id
    )
    insert into {{ private }}.movement (stream_id, epoch, decision_id, from_instance_id, to_instance_id, reason, moved_at)
    select c.stream_id, c.epoch, p_decision_id, c.from_id, c.to_id, p_reason, {{ private }}.now()
    from changed as c;
    get diagnostics v_given = row_count;
    return v_given;
end
$function$;
comment on function {{ private }}.give_streams(bigint, bigint[], text[], text[], text) is 'Change the owners of these streams now, under a new epoch. A missing new owner leaves the stream waiting.';

create or replace function {{ private }}.hand_over(p_decision_id bigint, p_stream_ids bigint[], p_to text[])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_asked integer;
    v_make_before_break boolean := {{ private }}.setting_text('handoff_mode') = 'make_before_break';
begin
    update {{ private }}.assignment as a
    set
        state = 'releasing',
        next_instance_id = c.to_id,
        decision_id = p_decision_id,
        releasing_since = {{ private }}.now(),
        -- who does not run it yet, or was asked to stop already, has nothing to go on with
        make_before_break = v_make_before_break
            and (a.state = 'running' or (a.state = 'releasing' and a.make_before_break))
            and {{ private }}.makes_before_break(a.instance_id, c.to_id)
    from unnest(p_stream_ids, p_to) as c(stream_id, to_id)
    where a.stream_id = c.stream_id and c.stream_id is not null and c.to_id is not null;
    get diagnostics v_asked = row_count;
    return v_asked;
end
$function$;
comment on function {{ private }}.hand_over(bigint, bigint[], text[]) is 'Ask the owners of these streams to stop, so that the next ones can have them; or, where nothing need be lost, the next ones to prepare (make_before_break).';

create or replace function {{ private }}.withdraw_streams(p_decision_id bigint, p_stream_ids bigint[], p_reason text)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_withdrawn integer;
begin
    with held as (
        select a.stream_id, a.instance_id as from_id, a.epoch as old_epoch
        from {{ private }}.assignment as a
        where a.stream_id = any(p_stream_ids)
        order by a.stream_id
        for update
    ),
    changed as (
        update {{ private }}.assignment as a
        set
            instance_id = null, next_instance_id = null, epoch = a.epoch + 1, state = 'idle', decision_id = p_decision_id,
            assigned_at = null, waiting_since = null, releasing_since = null
        from held as h
        where a.stream_id = h.stream_id and a.state <> 'idle'
        returning a.stream_id, a.epoch, h.from_id, h.old_epoch
    ),
    told as (
        insert into {{ private }}.withdrawal (instance_id, stream_id, epoch, withdrawn_at)
        select c.from_id, c.stream_id, c.old_epoch, {{ private }}.now() from changed as c where c.from_id is not null
        on conflict (instance_id, stream_id) do update set epoch = excluded.epoch, withdrawn_at = excluded.withdrawn_at
    )
    insert into {{ private }}.movement (stream_id, epoch, decision_id, from_instance_id, to_instance_id, reason, moved_at)
    select c.stream_id, c.epoch, p_decision_id, c.from_id, null, p_reason, {{ private }}.now()
    from changed as c
    where c.from_id is not null;
    get diagnostics v_withdrawn = row_count;
    return v_withdrawn;
end
$function$;
comment on function {{ private }}.withdraw_streams(bigint, bigint[], text) is 'Take streams that are no longer to be heard from whoever has them, at once; returns how many were held.';

create or replace function {{ private }}.free_at(p_stream_id bigint)
    returns timestamptz
    language sql volatile
as $function$
    -- within one lease an instance that stops by itself has stopped or heard that it must, within another it has obeyed
    select greatest({{ private }}.now(), max(w.withdrawn_at + 2 * i.lease))
    from {{ private }}.withdrawal as w
    join {{ private }}.instance as i on i.instance_id = w.instance_id
    where w.stream_id = p_stream_id and i.stop_within is not null and i.is_living
$function$;
comment on function {{ private }}.free_at(bigint) is 'From when a stream that nobody has may be given to somebody: now, or later while an instance that it was taken from may still be running it.';

create or replace function {{ private }}.notify_instance(p_instance_id text, p_decision_id bigint)
    returns void
    language sql volatile
as $function$
    select pg_notify('{{ api }}.' || p_instance_id, p_decision_id::text)
$function$;
comment on function {{ private }}.notify_instance(text, bigint) is 'A hint to one worker to ask for what differs.';

create or replace function {{ private }}.close_decision(
    p_decision_id bigint, p_moves integer default null, p_least_moves integer default null, p_keep boolean default true
)
    returns {{ private }}.decision
    language plpgsql volatile
as $function$
declare
    v_decision {{ private }}.decision;
begin
    with moved as (
        select m.stream_id, m.from_instance_id as from_id, m.to_instance_id as to_id
        from {{ private }}.movement as m
        where m.decision_id = p_decision_id
        union all
        select a.stream_id, a.instance_id, a.next_instance_id
        from {{ private }}.assignment as a
        where a.decision_id = p_decision_id and a.releasing_since is not null
    ),
    -- what each instance gained and lost; their difference cannot be reached with fewer moves
    part as (
        select p.instance_id, sum(p.gained)::integer as gained, sum(p.lost)::integer as lost
        from (
            select m.to_id as instance_id, 1 as gained, 0 as lost from moved as m
            union all
            select m.from_id, 0, 1 from moved as m
        ) as p
        where p.instance_id is not null
        group by p.instance_id
    ),
    load as (
        select
            jsonb_agg(
                jsonb_build_object(
                    'instance_id', p.instance_id, 'max_streams', i.max_streams,
                    'before', l.owned - l.outgoing + l.incoming - p.gained + p.lost, 'after', l.owned - l.outgoing + l.incoming
                )
                order by p.instance_id
            ) as loads,
            greatest(sum(greatest(p.gained - p.lost, 0)), sum(greatest(p.lost - p.gained, 0))) as least_moves
        from part as p
        join {{ private }}.instance as i on i.instance_id = p.instance_id
        join {{ private }}.instance_load as l on l.instance_id = p.instance_id
    ),
    told as (
        select count({{ private }}.notify_instance(p.instance_id, p_decision_id)) as instances from part as p
    )
    update {{ private }}.decision as d
    set
        moves = coalesce(p_moves, (select count(*) from moved)),
        least_moves = coalesce(p_least_moves, load.least_moves, 0),
        detail = d.detail || jsonb_build_object(
            'loads', coalesce(load.loads, '[]'), 'thresholds', {{ private }}.thresholds(), 'instances_notified', told.instances
        ),
        still_waiting = {{ private }}.count_waiting(1000),
        duration = {{ private }}.now() - d.decided_at
    from load cross join told
    where d.decision_id = p_decision_id
    returning d.* into v_decision;
    if v_decision.moves = 0 and not p_keep then
        delete from {{ private }}.decision as d where d.decision_id = p_decision_id;
        return null;
    end if;
    perform {{ private }}.count_decision(v_decision);
    if v_decision.still_waiting > 0
        and exists (select from {{ private }}.movement as m where m.decision_id = p_decision_id and m.to_instance_id is null)
    then
        perform {{ private }}.request_settle('room'); -- for what this decision left with nobody, room may have to be made
    end if;
    perform {{ private }}.tell_lookers();
    return v_decision;
end
$function$;
comment on function {{ private }}.close_decision(bigint, integer, integer, boolean) is 'End a decision: count its moves and the least possible, record loads and thresholds, and tell each affected instance once. One that is not to be kept and moved nothing was none.';

create or replace function {{ private }}.thresholds()
    returns jsonb
    language sql stable
begin atomic
    select jsonb_object_agg(s.name, s.value)
    from {{ private }}.setting as s
    where s.name in ('imbalance_threshold', 'max_stream_difference', 'strategy', 'max_moves_per_rebalance');
end;
comment on function {{ private }}.thresholds() is 'The settings that balancing goes by, for the record of a decision.';

create or replace function {{ private }}.count_waiting(p_limit integer)
    returns integer
    language sql volatile
begin atomic
    select least(p_limit, w.streams + k.streams)::integer
    from (
        select count(*) as streams
        from (
            select from {{ private }}.assignment as a
            where a.waiting_since is not null
            order by a.requirement_id, a.waiting_since, a.stream_id -- as the index has them, so that it is read and not the table
            limit p_limit
        ) as c
    ) as w
    cross join (
        select coalesce(sum(l.owned), 0) as streams
        from {{ private }}.instance as i
        join {{ private }}.instance_load as l on i.instance_id = l.instance_id
        where i.is_unusual and i.status = 'inactive'
    ) as k;
end;
comment on function {{ private }}.count_waiting(integer) is 'How many streams wait for an instance that lives: nobody has them, or a lost one that nobody could succeed. Counted up to a limit so that the cost is bounded.';

create or replace function {{ private }}.heirs(p_stream_ids bigint[])
    returns table (stream_id bigint, from_id text, epoch bigint, to_id text, releasing_since timestamptz)
    language sql volatile rows 10 -- usually few: whoever joins them looks each up by its key
as $function$
    with held as (
        select a.stream_id, a.instance_id as from_id, a.epoch, a.next_instance_id as next_id, a.releasing_since
        from {{ private }}.assignment as a
        -- by its state: the index of releasing_since looks empty to the planner between two joins, and would be read whole
        where a.stream_id = any(p_stream_ids) and a.state = 'releasing'
        order by a.stream_id
        for update
    ),
    queued as (
        select h.*, row_number() over (partition by h.next_id order by h.stream_id) as place from held as h
    )
    select q.stream_id, q.from_id, q.epoch, i.instance_id, q.releasing_since
    from queued as q
    left join {{ private }}.instance_load as l on l.instance_id = q.next_id
    left join {{ private }}.instance as i on
        i.instance_id = q.next_id
        and i.is_placeable
        and i.standing_order is null
        and i.suspended_until is null
        and l.owned + q.place <= i.max_streams
$function$;
comment on function {{ private }}.heirs(bigint[]) is 'Who gets these streams out of their hand-overs; null where the next owner was lost, drained or filled meanwhile.';

create or replace function {{ private }}.complete_handovers(p_stream_ids bigint[], p_reason text, p_owner_confirmed boolean)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_completed integer;
    v_affected text[];
    v_unplaced bigint[];
    v_seconds double precision[];
    v_stream_id bigint;
    v_decision_id bigint;
begin
    with heir as (
        select h.stream_id, h.from_id, h.epoch as old_epoch, h.to_id, h.releasing_since from {{ private }}.heirs(p_stream_ids) as h
    ),
    -- a stream that nobody can take is not taken: a slow owner is better than none
    kept as (
        update {{ private }}.assignment as a
        set state = 'running', next_instance_id = null, releasing_since = null
        from heir as h
        where a.stream_id = h.stream_id and h.to_id is null and not p_owner_confirmed
    ),
    changed as (
        update {{ private }}.assignment as a
        set
            instance_id = h.to_id,
            next_instance_id = null,
            epoch = a.epoch + 1,
            state = case when h.to_id is null then 'waiting' else 'assigned' end,
            assigned_at = case when h.to_id is null then null else {{ private }}.now() end,
            waiting_since = case when h.to_id is null then {{ private }}.now() end,
            releasing_since = null
        from heir as h
        where a.stream_id = h.stream_id and (h.to_id is not null or p_owner_confirmed)
        returning a.stream_id, a.epoch, a.decision_id, h.from_id, h.old_epoch, a.instance_id as to_id, h.releasing_since as asked_at
    ),
    told as (
        insert into {{ private }}.withdrawal (instance_id, stream_id, epoch, withdrawn_at)
        select c.from_id, c.stream_id, c.old_epoch, {{ private }}.now() from changed as c where not p_owner_confirmed
        on conflict (instance_id, stream_id) do update set epoch = excluded.epoch, withdrawn_at = excluded.withdrawn_at
    ),
    journal as (
        insert into {{ private }}.movement (stream_id, epoch, decision_id, from_instance_id, to_instance_id, reason, moved_at)
        select c.stream_id, c.epoch, c.decision_id, c.from_id, c.to_id, p_reason, {{ private }}.now() from changed as c
    )
    select
        count(*), array_agg(c.stream_id order by c.stream_id) filter (where c.to_id is null),
        array_agg(c.to_id) || coalesce(array_agg(c.from_id) filter (where not p_owner_confirmed), '{}'),
        array_agg({{ private }}.seconds_between(c.asked_at, {{ private }}.now())) filter (where c.to_id is not null)
    into v_completed, v_unplaced, v_affected, v_seconds
    from changed as c;
    perform {{ private }}.observe(
        'orchestrator_handover_duration_seconds', case when p_reason = 'hand-over forced' then 'forced' else 'confirmed' end, v_seconds
    );

    perform {{ private }}.notify_instance(n.instance_id, null)
    from (select distinct u.instance_id from unnest(v_affected) as u(instance_id) where u.instance_id is not null) as n;
    if v_unplaced is not null then
        -- its owner has stopped and its next owner is gone: another one, now
        v_decision_id := {{ private }}.open_decision('next owner gone', 'hand-over');
        foreach v_stream_id in array v_unplaced loop
            perform {{ private }}.move_one(v_decision_id, v_stream_id, null, false, 'placed');
        end loop;
        perform {{ private }}.close_decision(v_decision_id);
    end if;
    if v_completed > 0 then
        perform {{ private }}.tell_lookers();
        if {{ private }}.count_waiting(1) > 0 then
            perform {{ private }}.request_settle('room');
        end if;
    end if;
    return v_completed;
end
$function$;
comment on function {{ private }}.complete_handovers(bigint[], text, boolean) is 'The second step of a hand-over: the next owner gets the stream under a new epoch. The movement belongs to the decision that began it.';

create or replace function {{ private }}.cancel_handovers_to(p_instance_ids text[])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_cancelled integer;
    v_owners text[];
begin
    with cancelled as (
        update {{ private }}.assignment as a
        -- nearly always it still runs; when it does not, the digest tells
        set state = 'running', next_instance_id = null, releasing_since = null
        where a.next_instance_id = any(p_instance_ids)
        returning a.instance_id
    )
    select count(*), array_agg(distinct c.instance_id) into v_cancelled, v_owners from cancelled as c;
    perform {{ private }}.notify_instance(u.instance_id, null) from unnest(v_owners) as u(instance_id);
    return v_cancelled;
end
$function$;
comment on function {{ private }}.cancel_handovers_to(text[]) is 'The next owner is not to be: the present one keeps the stream under its epoch.';
