-- The steps of an assignment's life, one function for each; nothing else writes who has a stream, how, and under which epoch.
-- The table assignment_transition names the steps; transition_check.sql refuses all others.
--   add_assignments    add
--   activate_streams   activate
--   give_streams       place, reassign, complete, unassign
--   confirm_starts     start
--   await_restarts     restart
--   hand_over          hand over, redirect
--   fall_back          fall back
--   call_off           call off
--   renew_epochs       renew
--   adopt_ownerships   adopt, renew
--   withdraw_streams   withdraw
-- Every caller holds the decision lock; for confirm_starts and await_restarts a shared one is enough.
-- Locks     stream and assignment rows (by id)
-- Writes    assignment, movement, withdrawal, standby, stall, http_stream
-- Notifies  the owners that fall_back asks to stop; instances whose standbys end

create or replace function {{ private }}.add_assignments(p_stream_ids bigint[])
    returns void
    language plpgsql volatile
as $function$
begin
    insert into {{ private }}.assignment (stream_id, requirement_id, state, waiting_since, epoch)
    select
        s.stream_id, s.requirement_id, case when s.active then 'waiting' else 'idle' end,
        case
            -- a removed one of the same address may still be heard
            when s.active and exists (select from {{ private }}.withdrawal as w where w.url is not null) then {{ private }}.free_at(s.stream_id)
            when s.active then {{ private }}.now()
        end,
        -- an epoch that was once given out does not come again
        greatest((select max(m.epoch) from {{ private }}.movement as m where m.stream_id = s.stream_id), 0)
    from {{ private }}.stream as s
    where s.stream_id = any(p_stream_ids)
    order by s.stream_id;
end
$function$;
comment on function {{ private }}.add_assignments(bigint[]) is 'Begin the lives of these streams: they wait, or are idle while they are not active; from when on they may be given to an instance says free_at.';

create or replace function {{ private }}.activate_streams(p_stream_ids bigint[])
    returns void
    language plpgsql volatile
as $function$
begin
    update {{ private }}.assignment as a
    set state = 'waiting', waiting_since = {{ private }}.free_at(a.stream_id)
    from {{ private }}.stream as s
    where a.stream_id = any(p_stream_ids) and a.state = 'idle' and s.stream_id = a.stream_id and s.active;
end
$function$;
comment on function {{ private }}.activate_streams(bigint[]) is 'Let those of these streams that are active and idle wait for an instance, from the moment on at which they may be given to one.';

create or replace function {{ private }}.epoch_after(p_epoch bigint, p_next_epoch bigint, p_least bigint)
    returns bigint
    language sql immutable
begin atomic
    select greatest(p_epoch + 1, p_next_epoch + 1, p_least);
end;
comment on function {{ private }}.epoch_after(bigint, bigint, bigint) is 'An epoch that was never given: above the last one, above any under which an instance prepares, and of this generation at least.';

create or replace function {{ private }}.give_streams(
    p_decision_id bigint, p_stream_ids bigint[], p_from text[], p_to text[], p_reason text, p_run_under bigint[] default null
)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_least bigint := {{ private }}.least_number();
    v_given integer;
begin
    with change as (
        select u.stream_id, u.from_id, u.to_id, u.run_under
        from unnest(p_stream_ids, p_from, p_to, p_run_under) as u(stream_id, from_id, to_id, run_under)
        where u.stream_id is not null and (u.from_id is not null or u.to_id is not null)
    ),
    changed as (
        update {{ private }}.assignment as a
        set
            instance_id = c.to_id,
            next_instance_id = null,
            -- who prepared it under an epoch gets it under that one
            epoch = case
                when a.make_before_break and a.releasing_since is not null and c.to_id = a.next_instance_id then a.next_epoch
                else {{ private }}.epoch_after(a.epoch, a.next_epoch, v_least)
            end,
            adopted_from = c.run_under,
            state = case when c.to_id is null then 'waiting' else 'assigned' end,
            -- the end of a hand-over belongs to the decision that began it
            decision_id = coalesce(p_decision_id, a.decision_id),
            assigned_at = case when c.to_id is null then null else {{ private }}.now() end,
            waiting_since = case when c.to_id is null then {{ private }}.now() end,
            releasing_since = null
        from change as c
        -- as it was: nobody else changes an epoch meanwhile
        join {{ private }}.assignment as o on o.stream_id = c.stream_id
        where a.stream_id = c.stream_id
        returning a.stream_id, a.epoch, a.decision_id, c.from_id, a.instance_id as to_id, o.epoch as from_epoch
    )
    insert into {{ private }}.movement (stream_id, epoch, decision_id, from_instance_id, to_instance_id, reason, moved_at, from_epoch)
    select
        c.stream_id, c.epoch, c.decision_id, c.from_id, c.to_id, p_reason, {{ private }}.now(),
        case when c.from_id is not null then c.from_epoch end
    from changed as c;
    get diagnostics v_given = row_count;
    perform {{ private }}.standbys_follow(p_stream_ids);
    return v_given;
end
$function$;
comment on function {{ private }}.give_streams(bigint, bigint[], text[], text[], text, bigint[]) is 'Change the owners of these streams now, under a new epoch; a new owner that still runs one under an old epoch (p_run_under) goes on. A missing new owner leaves the stream waiting. Without a decision the movement belongs to the one that last concerned the stream.';

create or replace function {{ private }}.confirm_starts(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_confirmed integer;
begin
    with confirmed as (
        select a.stream_id, a.state
        from {{ private }}.assignment as a
        join (select distinct u.stream_id, u.epoch from unnest(p_stream_ids, p_epochs) as u(stream_id, epoch)) as u
            on u.stream_id = a.stream_id and u.epoch = a.epoch
        where a.instance_id = p_instance_id
        order by a.stream_id
        for no key update of a
    ),
    changed as (
        update {{ private }}.assignment as a
        set
            state = case when a.state = 'assigned' then 'running' else a.state end,
            adopted_from = null
        from confirmed as c
        where a.stream_id = c.stream_id and (a.state = 'assigned' or a.adopted_from is not null)
    )
    select count(*) into v_confirmed from confirmed;
    return v_confirmed;
end
$function$;
comment on function {{ private }}.confirm_starts(text, bigint[], bigint[]) is 'These streams run under these epochs; returns how many are this instance''s.';

create or replace function {{ private }}.await_restarts(p_instance_id text, p_stream_ids bigint[])
    returns void
    language plpgsql volatile
as $function$
begin
    update {{ private }}.assignment as a
    set state = 'assigned'
    where a.stream_id = any(p_stream_ids) and a.instance_id = p_instance_id and a.state = 'running';
end
$function$;
comment on function {{ private }}.await_restarts(text, bigint[]) is 'Their owner has stopped these streams and keeps them (their hand-over was called off too late): it is to start them again.';

create or replace function {{ private }}.hand_over(p_decision_id bigint, p_stream_ids bigint[], p_to text[])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_asked integer;
    v_least bigint := {{ private }}.least_number();
    v_make_before_break boolean := {{ private }}.setting_text('handoff_mode') = 'make_before_break';
begin
    update {{ private }}.assignment as a
    set
        state = 'releasing',
        next_instance_id = c.to_id,
        decision_id = p_decision_id,
        releasing_since = {{ private }}.now(),
        -- an owner that does not run the stream yet, or was asked to stop already, has nothing to go on with
        make_before_break = v_make_before_break
            and (a.state = 'running' or (a.state = 'releasing' and a.make_before_break))
            and {{ private }}.makes_before_break(a.instance_id, c.to_id),
        -- no two instances prepare under one epoch
        next_epoch = case
            when v_make_before_break and a.next_instance_id is distinct from c.to_id then {{ private }}.epoch_after(a.epoch, a.next_epoch, v_least)
            else a.next_epoch
        end
    from unnest(p_stream_ids, p_to) as c(stream_id, to_id)
    where a.stream_id = c.stream_id
        and c.stream_id is not null
        and c.to_id is not null
        -- it would go on with what was taken from it
        and not exists (
            select from {{ private }}.instance as i
            where i.instance_id = a.instance_id and i.keeps_streams and i.is_living
        );
    get diagnostics v_asked = row_count;
    perform {{ private }}.standbys_make_way(p_stream_ids);
    return v_asked;
end
$function$;
comment on function {{ private }}.hand_over(bigint, bigint[], text[]) is 'Ask the owners of these streams to stop, so that the next ones can have them; or, where nothing need be lost, the next ones to prepare (make_before_break).';

create or replace function {{ private }}.fall_back(p_stream_ids bigint[])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_owners text[];
begin
    with asked as (
        update {{ private }}.assignment as a
        set make_before_break = false, releasing_since = {{ private }}.now()
        where a.stream_id = any(p_stream_ids) and a.state = 'releasing' and a.make_before_break
        returning a.instance_id
    )
    select array_agg(a.instance_id) into v_owners from asked as a;
    perform {{ private }}.notify_instance(u.instance_id, null)
    from (select distinct u.instance_id from unnest(v_owners) as u(instance_id)) as u;
    return coalesce(cardinality(v_owners), 0);
end
$function$;
comment on function {{ private }}.fall_back(bigint[]) is 'Ask the owners of these streams to stop after all, with the whole of handoff_timeout to do so.';

create or replace function {{ private }}.call_off(p_stream_ids bigint[])
    returns text[]
    language plpgsql volatile
as $function$
declare
    v_owners text[];
begin
    with called_off as (
        update {{ private }}.assignment as a
        -- nearly always it still runs; when it does not, the digest tells
        set state = 'running', next_instance_id = null, releasing_since = null
        where a.stream_id = any(p_stream_ids) and a.state = 'releasing'
        returning a.instance_id
    )
    select coalesce(array_agg(c.instance_id), '{}') into v_owners from called_off as c;
    return v_owners;
end
$function$;
comment on function {{ private }}.call_off(bigint[]) is 'End the hand-overs of these streams: their owners keep them under their epochs. Returns the owner of each.';

create or replace function {{ private }}.renew_epochs(p_stream_ids bigint[], p_decision_id bigint default null)
    returns text[]
    language plpgsql volatile
as $function$
declare
    v_least bigint := {{ private }}.least_number();
    v_owners text[];
begin
    with renewed as (
        update {{ private }}.assignment as a
        set
            epoch = {{ private }}.epoch_after(a.epoch, a.next_epoch, v_least),
            adopted_from = null,
            next_epoch = case
                when a.make_before_break and a.releasing_since is not null then {{ private }}.epoch_after(a.epoch, a.next_epoch, v_least) + 1
                else a.next_epoch
            end,
            state = case a.state when 'running' then 'assigned' else a.state end,
            assigned_at = case when a.instance_id is not null then {{ private }}.now() end,
            -- a hand-over belongs to the decision that began it
            decision_id = case when a.state = 'releasing' then a.decision_id else coalesce(p_decision_id, a.decision_id) end
        where a.stream_id = any(p_stream_ids)
        returning a.instance_id
    )
    select array_agg(distinct r.instance_id) filter (where r.instance_id is not null) into v_owners from renewed as r;
    return coalesce(v_owners, '{}');
end
$function$;
comment on function {{ private }}.renew_epochs(bigint[], bigint) is 'New epochs for the same owners, who start these streams anew. Hand-overs go on. Returns the owners.';

create or replace function {{ private }}.wait_anew()
    returns void
    language sql volatile
as $function$
    update {{ private }}.assignment as a set releasing_since = {{ private }}.now() where a.releasing_since is not null
$function$;
comment on function {{ private }}.wait_anew() is 'Every hand-over begins to wait for its owner now.';

create or replace function {{ private }}.adopt_ownerships(
    p_stream_ids bigint[], p_above bigint[] default null, p_run_above boolean default false
)
    returns text[]
    language plpgsql volatile
as $function$
declare
    v_least bigint := {{ private }}.least_number();
    v_owners text[];
begin
    with held as (
        select
            a.stream_id, coalesce(case when p_run_above then u.epoch end, a.adopted_from, a.epoch) as run_under,
            {{ private }}.epoch_after(greatest(a.epoch, u.epoch), a.next_epoch, v_least) as epoch,
            -- over HTTP nobody knows epochs: what is its own runs under the present one
            i.placement = 'push' and not coalesce(i.metadata ? 'http', false) as knows_epochs
        from unnest(p_stream_ids, p_above) as u(stream_id, epoch)
        join {{ private }}.assignment as a on a.stream_id = u.stream_id
        join {{ private }}.instance as i on i.instance_id = a.instance_id
        order by a.stream_id
        for no key update of a
    ),
    adopted as (
        update {{ private }}.assignment as a
        set
            epoch = h.epoch,
            adopted_from = case when h.knows_epochs then h.run_under end,
            next_epoch = case when a.make_before_break and a.releasing_since is not null then h.epoch + 1 else a.next_epoch end
        from held as h
        where a.stream_id = h.stream_id
        returning a.stream_id, a.instance_id, a.next_instance_id, a.epoch
    ),
    silent as (
        update {{ private }}.stall as t set epoch = a.epoch
        from adopted as a
        where t.stream_id = a.stream_id and t.instance_id = a.instance_id
    ),
    spoken as (
        update {{ private }}.http_stream as r set epoch = a.epoch
        from adopted as a
        where r.stream_id = a.stream_id and r.instance_id = a.instance_id and r.state <> 'taken'
    )
    select array_agg(distinct o.instance_id) filter (where o.instance_id is not null) into v_owners
    from adopted as a
    cross join lateral (values (a.instance_id), (a.next_instance_id)) as o(instance_id);
    return coalesce(v_owners, '{}');
end
$function$;
comment on function {{ private }}.adopt_ownerships(bigint[], bigint[], boolean) is 'New epochs for the owners of these streams, who go on with them; above those that are given, if any are, under which they may say that they run them. Hand-overs go on. Returns the owners, present and next.';

create or replace function {{ private }}.withdraw_streams(p_decision_id bigint, p_stream_ids bigint[], p_reason text)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_least bigint := {{ private }}.least_number();
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
            instance_id = null, next_instance_id = null, state = 'idle',
            epoch = case when a.instance_id is null then a.epoch else {{ private }}.epoch_after(a.epoch, a.next_epoch, v_least) end,
            adopted_from = null,
            decision_id = coalesce(p_decision_id, a.decision_id),
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
    insert into {{ private }}.movement (stream_id, epoch, decision_id, from_instance_id, to_instance_id, reason, moved_at, from_epoch)
    select c.stream_id, c.epoch, p_decision_id, c.from_id, null, p_reason, {{ private }}.now(), c.old_epoch
    from changed as c
    where c.from_id is not null;
    get diagnostics v_withdrawn = row_count;
    return v_withdrawn;
end
$function$;
comment on function {{ private }}.withdraw_streams(bigint, bigint[], text) is 'Make streams idle that are no longer to be heard: they are taken from their owners, at once. Returns how many had one.';
