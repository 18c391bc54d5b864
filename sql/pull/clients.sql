-- Clients that take their streams at their own ask (pull): who they are, and which of them count.
-- Such a client starts what the first answer of its life names. What it has cannot be moved while it lives; it gives streams back by
-- itself, or by its end.
-- Reads     pull_client, instance, instance_load, controller

create or replace function {{ private }}.pull_instance_id(p_name text)
    returns text
    language sql immutable
begin atomic
    -- a name that is too long, or holds what no id may hold, is told apart from its likes by its digest
    select case
        when {{ private }}.is_name(p_name) then p_name
        else coalesce(nullif(left(btrim(regexp_replace(p_name, '[^A-Za-z0-9._-]+', '-', 'g'), '-._'), 31), ''), 'client')
            || '-' || left(md5(p_name), 16)
    end;
end;
comment on function {{ private }}.pull_instance_id(text) is 'The id of the instance that a client''s own name stands for.';

create or replace function {{ private }}.is_pull_client_here(p_client {{ private }}.pull_client, p_peer text)
    returns boolean
    language sql immutable
begin atomic
    select (p_client).peer is null or p_peer is null or (p_client).peer = p_peer;
end;
comment on function {{ private }}.is_pull_client_here({{ private }}.pull_client, text) is 'Whether words from this network address may be the client''s own. Where all clients share one address it proves nothing.';

create or replace function {{ private }}.last_sign(p_client {{ private }}.pull_client)
    returns timestamptz
    language sql immutable
begin atomic
    select greatest((p_client).asked_at, (p_client).beat_at, (p_client).registered_at);
end;
comment on function {{ private }}.last_sign({{ private }}.pull_client) is 'When the client was last heard.';

create or replace function {{ private }}.pull_claimants(p_instance_id text)
    returns table (instance_id text, capacity integer, is_there boolean)
    language sql stable
as $function$
    -- living clients and workers; and when a whole fleet begins anew, those of it that have yet to come back
    select i.instance_id, i.max_streams, true
    from {{ private }}.instance as i
    left join {{ private }}.pull_client as c on c.instance_id = i.instance_id
    where case
        when i.placement = 'push'
            then i.is_placeable and i.standing_order is null and i.suspended_until is null and i.probation_until is null
        -- one that was given streams and never spoke again is none
        else i.is_living and i.standing_order is null and not c.has_left
            and (c.is_fresh or c.answered_at is null or greatest(c.asked_at, c.beat_at) > c.answered_at
                or c.answered_at > {{ private }}.now() - {{ private }}.setting_interval('http_ask_rhythm'))
    end
    union all
    select i.instance_id, i.max_streams, false
    from {{ private }}.pull_client as c
    join {{ private }}.instance as i on i.instance_id = c.instance_id
    cross join {{ private }}.controller as k
    where i.instance_id <> p_instance_id
        and (not i.is_living or c.has_left)
        and i.placement = 'pull'
        and (c.answered_at is null or greatest(c.asked_at, c.beat_at) > c.answered_at)
        and k.pull_cold_since > {{ private }}.now() - {{ private }}.setting_interval('http_hold')
        and {{ private }}.last_sign(c) between k.pull_cold_since - {{ private }}.setting_interval('http_fleet_memory') and k.pull_cold_since
$function$;
comment on function {{ private }}.pull_claimants(text) is 'All that have a claim to a share of the streams, besides and with this client.';

create or replace function {{ private }}.own_streams(p_instance_id text)
    returns bigint[]
    language sql volatile
as $function$
    select coalesce(array_agg(a.stream_id order by a.stream_id), '{}')
    from {{ private }}.assignment as a
    where a.instance_id = p_instance_id and a.state <> 'releasing'
$function$;
comment on function {{ private }}.own_streams(text) is 'The streams that an instance should be running.';

create or replace function {{ private }}.authorize_name(p_instance_id text)
    returns void
    language plpgsql stable
as $function$
begin
    if exists (
        select from {{ private }}.instance as i
        where i.instance_id = p_instance_id
            and i.status <> 'removed'
            and not {{ private }}.may_act_for(session_user, i.owner_role, i.owner_oid)
    ) then
        perform {{ private }}.refuse_other_login(p_instance_id);
    end if;
end
$function$;
comment on function {{ private }}.authorize_name(text) is 'Refuse to speak in the name of an instance of another login, whichever way it is given streams.';
