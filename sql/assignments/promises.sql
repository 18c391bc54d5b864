-- The promise of an instance that stops by itself (stop_within): nobody else may start its streams before it has stopped them.
-- It has stopped a stream when it says so, and all of them when its lease is over without an accepted beat. Whoever takes
-- streams from one that may still run them asks here, and lets them wait: as withdrawals, until free_at. p_force ends the
-- promise itself, so that nothing waits for it.
--   promise_over_at        until when it may run what nobody has heard it stop
--   free_at                from when on a stream without an owner may be given to one
--   free_what_waits_for    it is gone, or says that it has stopped: what waits for it may be free sooner
--   require_its_own_word   that it has stopped is said by its own login
-- Every caller that writes holds the decision lock.
-- Locks     assignment rows
-- Reads     instance, heartbeat, stream, withdrawal
-- Writes    assignment (waiting_since), settle_request, instance (stop_within)
-- Raises    OR407 a promise would be cut short

create or replace function {{ private }}.promise_over_at(p_instance_id text)
    returns timestamptz
    language sql volatile
as $function$
    -- it may have been heard in a time that a restored database does not know of
    select {{ private }}.heard_at(h.beat_at, c.generation_at, c.unwatched) + i.lease
    from {{ private }}.instance as i
    join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
    cross join {{ private }}.controller as c
    where i.instance_id = p_instance_id
        and i.stop_within is not null
        -- by either word it says that it has stopped
        and i.suspended_until is null
        and i.status_event <> 'goodbye'
$function$;
comment on function {{ private }}.promise_over_at(text) is 'When an instance that stops by itself has stopped, if no beat of it is accepted any more; null for one that has promised nothing, or has said that it has stopped.';

create or replace function {{ private }}.free_at(p_stream_id bigint)
    returns timestamptz
    language sql volatile
as $function$
    select greatest(
        {{ private }}.now(),
        max(case
            -- within one lease it has stopped or heard that it must, within another it has obeyed
            when i.is_living and i.suspended_until is null then w.withdrawn_at + 2 * i.lease
            -- no beat of it is accepted any more, or it has said that it has stopped
            else {{ private }}.promise_over_at(i.instance_id)
        end)
    )
    from (
        select d.instance_id, d.withdrawn_at from {{ private }}.withdrawal as d where d.stream_id = p_stream_id
        union all
        -- a stream of the same address that was removed
        select d.instance_id, d.withdrawn_at
        from {{ private }}.stream as s
        join {{ private }}.withdrawal as d on md5(d.url) = md5(s.url) and d.url is not null
        where s.stream_id = p_stream_id
    ) as w
    join {{ private }}.instance as i on i.instance_id = w.instance_id
    where i.stop_within is not null
$function$;
comment on function {{ private }}.free_at(bigint) is 'From when a stream without an owner may be given to an instance: now, or later while an instance that it, or a removed stream of its address, was taken from may still be running it.';

create or replace function {{ private }}.free_the_waiting(p_stream_ids bigint[])
    returns void
    language plpgsql volatile
as $function$
begin
    update {{ private }}.assignment as a
    set waiting_since = f.moment
    from (
        select w.stream_id, {{ private }}.free_at(w.stream_id) as moment
        from {{ private }}.assignment as w
        where w.waiting_since > {{ private }}.now() and (p_stream_ids is null or w.stream_id = any(p_stream_ids))
    ) as f
    where a.stream_id = f.stream_id and f.moment < a.waiting_since;
    if found then
        perform {{ private }}.request_settle('room');
    end if;
end
$function$;
comment on function {{ private }}.free_the_waiting(bigint[]) is 'Those of these streams (null: of all) that waited only for what has just ended can be given to an instance.';

create or replace function {{ private }}.free_what_waits_for(p_instance_ids text[])
    returns void
    language plpgsql volatile
as $function$
begin
    if exists (
        select from {{ private }}.withdrawal as w
        join {{ private }}.instance as i on i.instance_id = w.instance_id
        where w.instance_id = any(p_instance_ids) and i.stop_within is not null
    ) then
        perform {{ private }}.free_the_waiting(null);
    end if;
end
$function$;
comment on function {{ private }}.free_what_waits_for(text[]) is 'What was taken from these instances while they lived waits no longer than they can run it, now that they are gone or have said that they have stopped.';

create or replace function {{ private }}.waive_promise(p_instance_id text)
    returns void
    language plpgsql volatile
as $function$
begin
    update {{ private }}.instance as i set stop_within = null where i.instance_id = p_instance_id and i.stop_within is not null;
    if found then
        perform {{ private }}.free_the_waiting(null);
    end if;
end
$function$;
comment on function {{ private }}.waive_promise(text) is 'By an administrator''s order nothing waits for this instance any more, though it may still run what it had.';

create or replace function {{ private }}.require_its_own_word(p_instance {{ private }}.instance, p_force boolean)
    returns void
    language plpgsql volatile
as $function$
declare
    v_over_at timestamptz := {{ private }}.promise_over_at((p_instance).instance_id);
begin
    if v_over_at is null or v_over_at <= {{ private }}.now()
        or {{ private }}.is_owner(session_user, (p_instance).owner_role, (p_instance).owner_oid)
    then
        return;
    elsif not coalesce(p_force, false) then
        raise exception using
            errcode = 'OR407',
            message = 'the instance has promised to have stopped, and has not said so itself',
            detail = jsonb_build_object('instance_id', (p_instance).instance_id, 'login', (p_instance).owner_role, 'lease_over_at', v_over_at)::text,
            hint = format(
                'stop its process, which says so itself; or select * from {{ api }}.remove_instance(%L), which waits for it; or, when nothing of it runs any more, p_force => true',
                (p_instance).instance_id
            );
    end if;
    perform {{ private }}.waive_promise((p_instance).instance_id);
end
$function$;
comment on function {{ private }}.require_its_own_word({{ private }}.instance, boolean) is 'That an instance which stops by itself has stopped can be said by its own login only (else OR407), or by force.';
