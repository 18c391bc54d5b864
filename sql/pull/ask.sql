-- The answer to a client that asks for streams.
--   hold        answer later: others of its fleet are registering, or what it is to have is still being handed over
--   busy        it was held for http_hold: it will try again
--   assigned    these, of which some may be its own already
--   no_streams, no_capacity
-- The first answer of a client's life names all that it is to run: what its list may hold already, and its share of what waits. It is not
-- told of more before it asks again, and a client that is not known to start more than its first answer is tried with one stream.
-- How many it asks for does not count: what it holds is in the books, and that number only tells how long its list is.
-- Nearly every ask is an ordinary one: the list is as it was told, and there is nothing to give. It is one statement, which also finds out
-- whether it is one (ordinary_ask); only what it leaves goes the long way (pull_ask).
-- Locks     decision; instance, assignment rows (by id); heartbeat row; at last pull_client, pull_memory
-- Writes    heartbeat, pull_client, pull_memory, controller; assignment, decision, movement when it is given streams

create or replace function {{ private }}.open_streams(p_instance_id text)
    returns table (stream_id bigint, since timestamptz)
    language sql stable
as $function$
    -- that wait, or that only a lost instance has; those of the client's own region first where that counts
    select a.stream_id, coalesce(a.waiting_since, owner.status_changed_at)
    from {{ private }}.assignment as a
    join {{ private }}.stream as s on s.stream_id = a.stream_id and s.number is not null
    join {{ private }}.source as o on o.source = s.source and o.serves_http
    join {{ private }}.requirement as r on r.requirement_id = a.requirement_id
    join {{ private }}.instance as i on i.instance_id = p_instance_id and i.capabilities @> r.capabilities
    left join {{ private }}.instance as owner on owner.instance_id = a.instance_id
    where (a.waiting_since <= {{ private }}.now() or (a.state <> 'releasing' and owner.status = 'inactive'))
        -- as has_own_number says, for all of them at once
        and not exists (
            select from {{ private }}.stream as other
            join {{ private }}.source as so on so.source = other.source and so.serves_http
            where other.number = s.number and other.stream_id <> s.stream_id
        )
        and not exists (
            select from {{ private }}.refusal as f
            where f.stream_id = a.stream_id and f.instance_id = p_instance_id and f.until > {{ private }}.now()
        )
    order by
        a.pinned_to is distinct from p_instance_id, {{ private }}.setting_text('strategy') = 'location' and r.region is distinct from i.location,
        coalesce(a.waiting_since, owner.status_changed_at), a.stream_id
$function$;
comment on function {{ private }}.open_streams(text) is 'Streams that no living instance has and this one could take, in the order in which it is to take them.';

create or replace function {{ private }}.pull_share(p_instance_id text)
    returns bigint
    language sql stable
as $function$
    select ceil(
        (select count(*) from {{ private }}.assignment as a where a.state <> 'idle')
        * (select i.max_streams from {{ private }}.instance as i where i.instance_id = p_instance_id)::numeric
        / greatest(sum(c.capacity), 1)
    )::bigint
    from {{ private }}.pull_claimants(p_instance_id) as c
$function$;
comment on function {{ private }}.pull_share(text) is 'How many streams are a client''s by its part of the capacity of all.';

create or replace function {{ private }}.others_are_awaited(p_client {{ private }}.pull_client)
    returns boolean
    language sql stable
as $function$
    select exists (
        select from {{ private }}.pull_claimants((p_client).instance_id) as m
        left join {{ private }}.pull_client as c on c.instance_id = m.instance_id
        where m.instance_id <> (p_client).instance_id
            and (not m.is_there or (c.is_fresh and not coalesce(c.asked_at >= c.registered_at, false)))
    )
$function$;
comment on function {{ private }}.others_are_awaited({{ private }}.pull_client) is 'Whether another client has registered and not asked yet, or belongs to the fleet that begins anew and is not there yet.';

create or replace function {{ private }}.others_may_take_more(p_client {{ private }}.pull_client)
    returns boolean
    language sql stable
as $function$
    select exists (
        select from {{ private }}.pull_claimants((p_client).instance_id) as m
        join {{ private }}.pull_client as c on c.instance_id = m.instance_id
        join {{ private }}.instance_load as l on l.instance_id = m.instance_id
        where m.instance_id <> (p_client).instance_id
            and ((c.is_fresh and c.asked_at >= c.registered_at) or (c.kind in ('plain', 'comparing') and c.is_asking and l.owned < m.capacity))
    )
$function$;
comment on function {{ private }}.others_may_take_more({{ private }}.pull_client) is 'Whether another client is asking that would start whatever it is given.';

create or replace function {{ private }}.take_streams(p_client {{ private }}.pull_client, p_stream_ids bigint[], p_rule text)
    returns void
    language plpgsql volatile
as $function$
declare
    v_from text[];
    v_decision_id bigint;
begin
    if cardinality(p_stream_ids) > 0 then
        v_from := array(
            select a.instance_id from unnest(p_stream_ids) with ordinality as u(stream_id, place)
            join {{ private }}.assignment as a on a.stream_id = u.stream_id
            order by u.place
        );
        v_decision_id := {{ private }}.open_decision(p_rule, 'pull', null, jsonb_build_object('instance_id', (p_client).instance_id));
        perform {{ private }}.give_streams(
            v_decision_id, p_stream_ids, v_from, array_fill((p_client).instance_id, array[cardinality(p_stream_ids)]), p_rule
        );
        perform {{ private }}.close_decision(v_decision_id);
    end if;
end
$function$;
comment on function {{ private }}.take_streams({{ private }}.pull_client, bigint[], text) is 'Give a client these open streams, in one decision.';

create or replace function {{ private }}.take_back_remembered(p_client {{ private }}.pull_client, p_rule text)
    returns boolean
    language plpgsql volatile
as $function$
declare
    v_open bigint[];
    v_lent bigint[];
    v_decision_id bigint;
begin
    select
        array_agg(a.stream_id order by a.stream_id) filter (where a.state = 'waiting' or owner.status = 'inactive'),
        array_agg(a.stream_id order by a.stream_id) filter (
            where not owner.keeps_streams and owner.is_living and a.next_instance_id is distinct from (p_client).instance_id
        )
    into v_open, v_lent
    from {{ private }}.pull_memory as m
    join {{ private }}.assignment as a on a.stream_id = m.stream_id
    left join {{ private }}.instance as owner on owner.instance_id = a.instance_id
    where m.instance_id = (p_client).instance_id
        and a.instance_id is distinct from (p_client).instance_id
        and a.state <> 'idle';
    perform {{ private }}.take_streams(p_client, v_open, p_rule);
    if v_lent is not null then
        v_decision_id := {{ private }}.open_decision(p_rule, 'pull', null, jsonb_build_object('instance_id', (p_client).instance_id));
        perform {{ private }}.hand_over(v_decision_id, v_lent, array_fill((p_client).instance_id, array[cardinality(v_lent)]));
        perform {{ private }}.close_decision(v_decision_id);
    end if;
    return exists (select from {{ private }}.assignment as a where a.next_instance_id = (p_client).instance_id);
end
$function$;
comment on function {{ private }}.take_back_remembered({{ private }}.pull_client, text) is 'What a client''s own list may hold becomes its own again: at once where no living instance has it, by hand-over from a worker. Whether some is still on its way. What another client has stays there.';

create or replace function {{ private }}.streams_above_shares(p_instance_id text, p_most bigint)
    returns bigint[]
    language sql stable
as $function$
    -- what those that stop streams have beyond their own shares; they can be asked to hand it over
    with claim as materialized (
        select sum(c.capacity) as capacity from {{ private }}.pull_claimants(p_instance_id) as c
    ),
    held as (
        select
            a.stream_id, a.pinned_to, a.state, a.requirement_id,
            row_number() over (partition by a.instance_id order by a.stream_id) as place,
            floor((select count(*) from {{ private }}.assignment as t where t.state <> 'idle') * w.max_streams / greatest(c.capacity, 1)::numeric) as share
        from {{ private }}.instance as w
        join {{ private }}.assignment as a on a.instance_id = w.instance_id
        cross join claim as c
        where not w.keeps_streams and w.is_placeable and w.instance_id <> p_instance_id
    )
    select coalesce(array_agg(h.stream_id), '{}')
    from (
        select h.stream_id
        from held as h
        join {{ private }}.stream as s on s.stream_id = h.stream_id
        join {{ private }}.requirement as r on r.requirement_id = h.requirement_id
        join {{ private }}.instance as i on i.instance_id = p_instance_id and i.capabilities @> r.capabilities
        where h.place > h.share
            and h.pinned_to is null
            and h.state <> 'releasing'
            and {{ private }}.has_own_number(s)
        order by h.place - h.share desc, h.stream_id
        limit p_most
    ) as h
    where not exists (select from {{ private }}.controller as k where k.paused_at is not null or k.recovery_since is not null)
$function$;
comment on function {{ private }}.streams_above_shares(text, bigint) is 'Streams that workers, and clients that stop what is taken from them, have beyond their shares and could hand over to this client, so many at most; none while balancing is paused.';

create or replace function {{ private }}.ask_workers_for(p_client {{ private }}.pull_client, p_most bigint)
    returns boolean
    language plpgsql volatile
as $function$
declare
    v_stream_ids bigint[];
    v_decision_id bigint;
begin
    if p_most <= 0 then
        return false;
    end if;
    v_stream_ids := {{ private }}.streams_above_shares((p_client).instance_id, p_most);
    if v_stream_ids = '{}' then
        return false;
    end if;
    v_decision_id := {{ private }}.open_decision('asked', 'pull', null, jsonb_build_object('instance_id', (p_client).instance_id));
    perform {{ private }}.hand_over(v_decision_id, v_stream_ids, array_fill((p_client).instance_id, array[cardinality(v_stream_ids)]));
    perform {{ private }}.close_decision(v_decision_id);
    return true;
end
$function$;
comment on function {{ private }}.ask_workers_for({{ private }}.pull_client, bigint) is 'Let workers hand over to a client that has just begun what they have beyond their shares. Whether any is on its way.';

create or replace function {{ private }}.begin_cold_start(p_client {{ private }}.pull_client)
    returns void
    language plpgsql volatile
as $function$
begin
    update {{ private }}.controller as k
    set pull_cold_since = {{ private }}.now()
    where (k.pull_cold_since is null or k.pull_cold_since < {{ private }}.now() - {{ private }}.setting_interval('http_hold'))
        and not exists (
            select from {{ private }}.instance as i
            join {{ private }}.instance_load as l on l.instance_id = i.instance_id
            where i.is_living and l.owned > 0 and i.instance_id <> (p_client).instance_id
        );
end
$function$;
comment on function {{ private }}.begin_cold_start({{ private }}.pull_client) is 'Note when a fleet begins from nothing.';

create or replace function {{ private }}.is_too_early(p_client {{ private }}.pull_client)
    returns boolean
    language plpgsql stable
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_wait_over timestamptz := (p_client).registered_at + {{ private }}.setting_interval('http_remainder_wait');
    v_share bigint;
begin
    if v_now >= v_wait_over or {{ private }}.count_waiting(1) = 0 then
        return false;
    elsif v_now < (select max(c.registered_at) from {{ private }}.pull_client as c where c.is_fresh) + {{ private }}.setting_interval('settle_window') then
        return true; -- others that begin with it are still registering
    end if;
    v_share := {{ private }}.pull_share((p_client).instance_id);
    return {{ private }}.count_waiting(v_share::integer + 1) > v_share and {{ private }}.others_are_awaited(p_client);
end
$function$;
comment on function {{ private }}.is_too_early({{ private }}.pull_client) is 'Whether others are to be waited for before a client that has just begun is answered. Asked again and again, so it takes no lock.';

create or replace function {{ private }}.first_answer(p_client {{ private }}.pull_client, p_list_length bigint)
    returns boolean
    language plpgsql volatile
as $function$
declare
    v_id text := (p_client).instance_id;
    v_room bigint;
    v_held bigint;
    v_share bigint;
    v_open bigint[];
begin
    perform {{ private }}.begin_cold_start(p_client);
    if p_list_length <= 0 then
        -- its list is empty, whatever was in an earlier one
        delete from {{ private }}.pull_memory as m
        where m.instance_id = v_id
            and not exists (
                select from {{ private }}.assignment as a where a.stream_id = m.stream_id and a.instance_id = v_id
            );
    end if;
    if {{ private }}.take_back_remembered(p_client, 'back with its list') then
        return false;
    end if;
    select count(*) into v_held from {{ private }}.assignment as a where a.instance_id = v_id;
    v_room := coalesce(
        (select greatest(i.max_streams - v_held, 0) from {{ private }}.instance as i where i.instance_id = v_id and i.standing_order is null), 0
    );
    v_share := {{ private }}.pull_share(v_id);
    v_open := array(select o.stream_id from {{ private }}.open_streams(v_id) as o limit v_room);
    if {{ private }}.ask_workers_for(p_client, least(v_room, v_share - v_held) - cardinality(v_open))
        or {{ private }}.is_too_early(p_client)
    then
        return false;
    end if;
    if cardinality(v_open) > v_share - v_held and {{ private }}.others_may_take_more(p_client) then
        v_open := v_open[:greatest(v_share - v_held, 0)::integer];
    end if;
    perform {{ private }}.take_streams(p_client, v_open, 'asked');
    return true;
end
$function$;
comment on function {{ private }}.first_answer({{ private }}.pull_client, bigint) is 'Decide what a client that has just begun is to run. False: not yet.';

create or replace function {{ private }}.later_answer(p_client {{ private }}.pull_client)
    returns bigint[]
    language plpgsql volatile
as $function$
declare
    v_id text := (p_client).instance_id;
    v_now timestamptz := {{ private }}.now();
    v_wait interval := {{ private }}.setting_interval('http_remainder_wait');
    v_held bigint;
    v_room bigint;
    v_oldest timestamptz;
    v_want bigint;
    v_stream_ids bigint[];
begin
    -- what begins afresh comes before it; and it has only begun itself
    if (p_client).registered_at > v_now - v_wait
        or exists (select from {{ private }}.pull_client as c where c.is_fresh and c.registered_at > v_now - v_wait)
    then
        return array[]::bigint[];
    end if;
    select count(*) into v_held from {{ private }}.assignment as a where a.instance_id = v_id;
    v_room := coalesce(
        (select greatest(i.max_streams - v_held, 0) from {{ private }}.instance as i where i.instance_id = v_id and i.standing_order is null), 0
    );
    if v_room = 0 then
        return array[]::bigint[];
    end if;
    select array_agg(o.stream_id order by o.place), min(o.since) into v_stream_ids, v_oldest
    from (select w.*, row_number() over () as place from {{ private }}.open_streams(v_id) as w limit v_room) as o;
    if (p_client).kind in ('plain', 'comparing') then
        v_want := case when v_oldest < v_now - v_wait then v_room else greatest({{ private }}.pull_share(v_id) - v_held, 0) end;
    else
        v_want := case when v_oldest < v_now - v_wait or not {{ private }}.others_may_take_more(p_client) then 1 else 0 end;
    end if;
    v_stream_ids := coalesce(v_stream_ids[:v_want::integer], '{}');
    perform {{ private }}.take_streams(p_client, v_stream_ids, 'asked');
    return v_stream_ids;
end
$function$;
comment on function {{ private }}.later_answer({{ private }}.pull_client) is 'What a client that asks again is given: its share if it starts whatever it is given, else one stream, which shows whether it does.';

create or replace function {{ private }}.may_be_given_more(p_client {{ private }}.pull_client)
    returns boolean
    language sql stable
as $function$
    -- a client of the dialect that asks in a body cannot be told from one that starts nothing more, whatever it is given
    select not (p_client).has_left
        and exists (
            select from {{ private }}.instance as i
            join {{ private }}.instance_load as l on l.instance_id = i.instance_id
            where i.instance_id = (p_client).instance_id and l.owned < i.max_streams and i.standing_order is null
        )
        and coalesce((p_client).kind <> 'first_answer_only', (p_client).dialect = 'worker')
        and (
            {{ private }}.count_waiting(1) > 0
            or exists (
                select from {{ private }}.instance as i
                join {{ private }}.instance_load as l on l.instance_id = i.instance_id
                where i.is_unusual and i.status = 'inactive' and l.owned > 0
            )
        )
$function$;
comment on function {{ private }}.may_be_given_more({{ private }}.pull_client) is 'Whether there is something to decide about an ask that is not the first one. Nearly always there is not.';

create or replace function {{ private }}.kind_by_ask(p_client {{ private }}.pull_client, p_list_length bigint)
    returns text
    language sql immutable
begin atomic
    -- it asks again after it was tried with one more
    select case
        when (p_client).probed_at is not null and not (p_client).is_fresh and not (p_client).kind_is_set
            and p_list_length >= (p_client).list_length
            then 'plain'
        else (p_client).kind
    end;
end;
comment on function {{ private }}.kind_by_ask({{ private }}.pull_client, bigint) is 'What this ask shows the client to be.';

create or replace function {{ private }}.is_short_of(p_client {{ private }}.pull_client, p_list_length bigint)
    returns boolean
    language sql stable
as $function$
    select not (p_client).is_fresh
        and p_list_length < (p_client).list_length
        and exists (select from {{ private }}.assignment as a where a.instance_id = (p_client).instance_id)
$function$;
comment on function {{ private }}.is_short_of({{ private }}.pull_client, bigint) is 'Whether the client''s list lacks what it was told.';

create or replace function {{ private }}.ordinary_ask(p_instance_id text, p_peer text, p_asked bigint)
    returns text
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_outcome text;
begin
    with heard as (
        update {{ private }}.heartbeat as h
        set beat_at = v_now
        from {{ private }}.pull_client as c
        join {{ private }}.instance as i on i.instance_id = c.instance_id
        join {{ private }}.instance_load as l on l.instance_id = c.instance_id
        where c.instance_id = p_instance_id
            and h.instance_id = c.instance_id
            -- it may speak, and speaks from where it is
            and i.placement = 'pull'
            and not {{ private }}.is_changed_by_a_beat(i)
            and {{ private }}.may_act_for(session_user, i.owner_role, i.owner_oid)
            and {{ private }}.is_pull_client_here(c, p_peer)
            -- its words are no news
            and not c.is_fresh
            and not c.has_left
            and coalesce(c.capacity - p_asked, c.list_length) = c.list_length
            and {{ private }}.kind_by_ask(c, c.list_length) is not distinct from c.kind
            and l.outgoing = 0
            and not exists (select from {{ private }}.assignment as a where a.instance_id = c.instance_id and a.state = 'assigned')
            and not {{ private }}.may_be_given_more(c)
        returning h.instance_id, case when l.owned >= i.max_streams then 'no_capacity' else 'no_streams' end as outcome
    )
    update {{ private }}.pull_client as c
    set asked_at = v_now, is_asking = c.is_asking or coalesce(c.asked_at > v_now - {{ private }}.setting_interval('http_ask_rhythm'), false)
    from heard as h
    where c.instance_id = h.instance_id
    returning h.outcome into v_outcome;
    return v_outcome;
end
$function$;
comment on function {{ private }}.ordinary_ask(text, text, bigint) is 'Answer an ask that says nothing new and can be given nothing: no_capacity or no_streams. Null: it is no such ask, and nothing was done.';

create or replace function {{ private }}.pull_ask(
    p_client {{ private }}.pull_client, p_asked bigint, p_waited interval, out outcome text, out stream_ids bigint[]
)
    language plpgsql volatile
as $function$
declare
    v_id text := (p_client).instance_id;
    v_now timestamptz := {{ private }}.now();
    v_client {{ private }}.pull_client := p_client;
    v_list bigint := coalesce((p_client).capacity - p_asked, (p_client).list_length);
    v_is_short boolean := false;
    v_is_full boolean;
    v_is_ready boolean := true;
    v_has_memory boolean := true;
    v_has_stopped boolean := false;
begin
    stream_ids := '{}';
    v_client.kind := {{ private }}.kind_by_ask(v_client, v_list);
    if v_client.has_left then
        null;
    elsif v_client.is_fresh and v_client.asked_at >= v_client.registered_at and {{ private }}.is_too_early(v_client) then
        v_is_ready := false; -- it was looked at once, and nothing has come that it could wait for no longer
    elsif v_client.is_fresh or {{ private }}.is_short_of(v_client, v_list) or {{ private }}.may_be_given_more(v_client) then
        perform {{ private }}.lock_decisions();
        -- another try of the same ask may have been answered meanwhile, or its goodbye, which it sends last, came before
        select c.* into v_client from {{ private }}.pull_client as c where c.instance_id = v_id;
        v_client.kind := {{ private }}.kind_by_ask(v_client, v_list);
        v_has_stopped := not v_client.is_fresh and {{ private }}.confirm_stopped(v_client, v_list);
        if v_has_stopped then
            v_client.list_length := v_list;
        end if;
        v_is_short := {{ private }}.is_short_of(v_client, v_list);
        if v_client.has_left then
            null;
        elsif not exists (select from {{ private }}.instance as i where i.instance_id = v_id and i.is_living) then
            v_is_ready := false; -- lost just now: it comes back with the next look
        elsif v_client.is_fresh then
            v_is_ready := {{ private }}.first_answer(v_client, v_list);
            if v_is_ready then
                stream_ids := {{ private }}.own_streams(v_id);
            end if;
        elsif v_is_short then
            -- the last answer did not arrive, or it has lost track: what it knows of already, it runs already
            stream_ids := {{ private }}.own_streams(v_id);
        else
            stream_ids := {{ private }}.later_answer(v_client);
        end if;
    end if;
    update {{ private }}.heartbeat as h set beat_at = v_now where h.instance_id = v_id;
    if not v_is_ready then
        outcome := case when p_waited < {{ private }}.setting_interval('http_hold') then 'hold' else 'busy' end;
        update {{ private }}.pull_client as c
        set asked_at = v_now, refused_at = case when outcome = 'busy' then v_now else c.refused_at end
        where c.instance_id = v_id;
        return;
    end if;

    if v_client.is_fresh then
        v_has_memory := exists (select from {{ private }}.pull_memory as m where m.instance_id = v_id);
    end if;
    if stream_ids <> '{}' then
        insert into {{ private }}.pull_memory (instance_id, stream_id, given_at)
        select v_id, u.stream_id, v_now from unnest(stream_ids) as u(stream_id)
        on conflict (instance_id, stream_id) do nothing;
    end if;
    if not v_client.is_fresh and not v_is_short then
        perform {{ private }}.confirm_received(v_client);
    end if;
    update {{ private }}.pull_client as c
    set
        asked_at = v_now,
        is_fresh = false,
        came_with = case
            when not c.is_fresh then c.came_with
            when v_has_memory then 0
            else greatest(v_list, 0)
        end,
        is_asking = c.is_asking or not c.is_fresh and coalesce(c.asked_at > v_now - {{ private }}.setting_interval('http_ask_rhythm'), false),
        answered_at = case when cardinality(stream_ids) > 0 then v_now else c.answered_at end,
        list_length = case
            when v_client.is_fresh or v_has_stopped then v_list + cardinality(stream_ids)
            -- some clients add to their lists what they have already, others do not
            when v_is_short then least(v_list + cardinality(stream_ids), cardinality(stream_ids))
            -- not what it shows: it may count a stream still whose end it has just told
            else c.list_length + cardinality(stream_ids)
        end,
        kind = v_client.kind,
        probed_at = case
            when v_client.is_fresh then null
            when v_client.kind is null and not v_is_short and cardinality(stream_ids) > 0 then v_now
            else c.probed_at
        end
    where c.instance_id = v_id;
    if cardinality(stream_ids) > 0 then
        outcome := 'assigned';
    else
        select l.owned >= i.max_streams into v_is_full
        from {{ private }}.instance as i join {{ private }}.instance_load as l on l.instance_id = i.instance_id
        where i.instance_id = v_id;
        outcome := case when v_is_full then 'no_capacity' else 'no_streams' end;
    end if;
end
$function$;
comment on function {{ private }}.pull_ask({{ private }}.pull_client, bigint, interval) is 'Answer an ask of this client: what it is told, or that it has to wait (hold, busy). p_asked: the number that it asks for, null when it names none. p_waited: how long it has waited already.';
