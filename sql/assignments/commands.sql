-- What a worker has to do to be in step.
-- Reads     assignment, instance_load, stream, withdrawal, movement

create or replace function {{ private }}.start_action(p_instance {{ private }}.instance, p_assignment {{ private }}.assignment)
    returns text
    language sql immutable
begin atomic
    select case
        when (p_assignment).adopted_from is not null and (p_instance).metadata -> 'adopts' = 'true' then 'adopt'
        else 'add'
    end;
end;
comment on function {{ private }}.start_action({{ private }}.instance, {{ private }}.assignment) is 'How an owner is told of a stream: to start it; or to go on with it under a newer epoch, if it said at registration that it can.';

create or replace function {{ private }}.add_commands(p_instance_id text, p_only_unconfirmed boolean)
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language sql volatile
as $function$
    select {{ private }}.start_action(i, a), a.stream_id, a.epoch, s.name, s.url, s.metadata
    from {{ private }}.assignment as a
    join {{ private }}.stream as s on s.stream_id = a.stream_id
    join {{ private }}.instance as i on i.instance_id = a.instance_id
    where a.instance_id = p_instance_id
        and (
            a.state = 'assigned'
            or (a.state = 'running' and (not p_only_unconfirmed or a.adopted_from is not null))
            or (a.make_before_break and a.releasing_since is not null and a.adopted_from is not null)
        )
    order by a.stream_id
$function$;
comment on function {{ private }}.add_commands(text, boolean) is 'Streams that an instance should be running: all, or those it has not confirmed.';

create or replace function {{ private }}.remove_commands(p_instance_id text)
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language sql volatile
as $function$
    -- to be handed over
    select 'remove', a.stream_id, a.epoch, null::text, null::text, null::jsonb
    from {{ private }}.assignment as a
    where a.instance_id = p_instance_id and a.state = 'releasing' and not a.make_before_break
    union all
    -- taken without its word while it lived
    select 'remove', w.stream_id, w.epoch, null, null, null
    from {{ private }}.withdrawal as w
    left join {{ private }}.assignment as a on a.stream_id = w.stream_id
    where w.instance_id = p_instance_id and a.instance_id is distinct from p_instance_id
    union all
    -- given to others when it was lost
    select 'remove', m.stream_id, m.from_epoch, null, null, null
    from {{ private }}.instance as i
    join {{ private }}.movement as m on m.decision_id = i.lost_by_decision_id and m.from_instance_id = i.instance_id
    left join {{ private }}.assignment as a on a.stream_id = m.stream_id
    where i.instance_id = p_instance_id
        and i.lost_by_decision_id is not null -- nearly always null, and then no history is read
        and a.instance_id is distinct from p_instance_id
    order by 2
$function$;
comment on function {{ private }}.remove_commands(text) is 'Streams that an instance may still be running and should not.';

create or replace function {{ private }}.confirmed_digest(p_instance_id text)
    returns bigint
    language sql volatile
as $function$
    select coalesce(bit_xor({{ private }}.digest_of(r.stream_id, r.epoch)), 0)
    from (
        select a.stream_id, coalesce(a.adopted_from, a.epoch) as epoch
        from {{ private }}.assignment as a
        where a.instance_id = p_instance_id and (a.state = 'running' or (a.state = 'releasing' and a.make_before_break))
        union all
        select c.stream_id, c.epoch from {{ private }}.remove_commands(p_instance_id) as c
    ) as r
$function$;
comment on function {{ private }}.confirmed_digest(text) is 'The digest of what a worker runs if it has done all that it confirmed and nothing since.';

create or replace function {{ private }}.commands_for(p_instance_id text, p_is_explained boolean)
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language sql volatile
as $function$
    select c.* from {{ private }}.remove_commands(p_instance_id) as c
    union all
    -- when nothing explains the difference, everything it should have is said again: an add of what runs is nothing new
    select c.* from {{ private }}.add_commands(p_instance_id, p_is_explained) as c
$function$;
comment on function {{ private }}.commands_for(text, boolean) is 'Commands that repair the difference between what a worker runs and its assignments: removes first, then adds.';
