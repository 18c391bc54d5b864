-- A client registers: it begins its life, or says once more that it is there.
--   registered
--   hold        another process lives under its name: that one is waited for
--   in_use      it asks all the time
--   busy        it only beats, and may yet turn out to be gone
-- Reads     instance
-- Writes    pull_client, pull_memory, refusal, instance

create or replace function {{ private }}.rival_of(p_client {{ private }}.pull_client, p_address text, p_peer text)
    returns text
    language sql stable
as $function$
    -- how the process lives that has the name, when it is another one and may still be there
    select case
        when (p_client).is_asking and (p_client).asked_at > {{ private }}.now() - {{ private }}.setting_interval('http_ask_rhythm') then 'asks'
        when not (p_client).is_asking
            and {{ private }}.last_sign(p_client) > {{ private }}.now() - {{ private }}.setting_interval('http_beat_timeout') then 'beats'
    end
    from {{ private }}.instance as i
    where i.instance_id = (p_client).instance_id
        and i.is_living
        and not (p_client).has_left
        and not ((p_client).address is not distinct from p_address and {{ private }}.is_pull_client_here(p_client, p_peer))
$function$;
comment on function {{ private }}.rival_of({{ private }}.pull_client, text, text) is 'Whether another process lives under this client''s name: it asks, or beats; null when there is none.';

create or replace function {{ private }}.note_pull_registered(
    p_instance_id text, p_name text, p_dialect text, p_address text, p_peer text, p_capacity bigint
)
    returns void
    language plpgsql volatile
as $function$
begin
    insert into {{ private }}.pull_client as c (instance_id, name, dialect, address, peer, capacity, registered_at)
    values (p_instance_id, p_name, p_dialect, p_address, p_peer, p_capacity, {{ private }}.now())
    on conflict (instance_id) do update
    set
        name = excluded.name,
        dialect = excluded.dialect,
        address = excluded.address,
        peer = excluded.peer,
        capacity = excluded.capacity,
        registered_at = excluded.registered_at,
        is_fresh = true,
        has_left = false,
        is_asking = false,
        probed_at = null,
        -- another container may hold another program, and another dialect is one
        kind = case
            when c.dialect = excluded.dialect
                and (c.kind_is_set or (c.address, c.peer) is not distinct from (excluded.address, excluded.peer))
                then c.kind
        end,
        kind_is_set = c.kind_is_set and c.dialect = excluded.dialect;
    update {{ private }}.instance as i
    set stops_streams = false
    from {{ private }}.pull_client as c
    where i.instance_id = p_instance_id and i.stops_streams and c.instance_id = i.instance_id and c.kind is distinct from 'comparing';
    -- what it gave back it may have again
    delete from {{ private }}.refusal as f where f.instance_id = p_instance_id;
    delete from {{ private }}.pull_memory as m
    where m.instance_id = p_instance_id
        and m.given_at < {{ private }}.now() - {{ private }}.setting_interval('http_memory')
        and not exists (select from {{ private }}.assignment as a where a.stream_id = m.stream_id and a.instance_id = p_instance_id);
end
$function$;
comment on function {{ private }}.note_pull_registered(text, text, text, text, text, bigint) is 'A client has registered: the answer to its next ask is the first of its life.';
