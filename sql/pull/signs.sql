-- What a client's beats tell. A beat counts when it is the client's own: from where it registered, and with a number of streams that its
-- list can have. Any other is answered, remembered as a stray one, and changes nothing.
-- Locks     decision (when it comes back with streams that are not its own any more, has received an answer, or has stopped what was moved);
--           instance; assignment rows (by id); at last pull_client
-- Writes    pull_client; assignment, decision, movement

create or replace function {{ private }}.is_own_sign(p_client {{ private }}.pull_client, p_peer text, p_load bigint)
    returns boolean
    language sql stable
begin atomic
    -- a process that has just begun has nothing, one that runs has something
    select {{ private }}.is_pull_client_here(p_client, p_peer)
        and (
            p_load is null or (p_client).is_fresh or (p_client).has_left or (p_client).kind is not distinct from 'comparing'
            or (p_load > 0) = ((p_client).list_length > 0)
            -- the module that compares takes the number of the books for its own: none, after it was lost
            or ((p_client).dialect = 'server' and p_load = 0 and not exists (
                select from {{ private }}.assignment as a where a.instance_id = (p_client).instance_id
            ))
        );
end;
comment on function {{ private }}.is_own_sign({{ private }}.pull_client, text, bigint) is 'Whether a beat from this address, which speaks of so many streams, is this client''s own.';

create or replace function {{ private }}.note_stray(p_instance_id text, p_peer text, p_load bigint)
    returns void
    language sql volatile
as $function$
    update {{ private }}.pull_client as c
    set stray_at = {{ private }}.now(), stray_address = p_peer, stray_load = p_load
    where c.instance_id = p_instance_id
$function$;
comment on function {{ private }}.note_stray(text, text, bigint) is 'Words in this client''s name were not its own.';

create or replace function {{ private }}.decide_on_beat(p_client {{ private }}.pull_client, p_load bigint)
    returns boolean
    language plpgsql volatile
as $function$
begin
    if (p_client).is_fresh or (p_client).has_left then
        return false;
    elsif {{ private }}.confirm_stopped(p_client, p_load) then
        return true;
    end if;
    -- the exclusive lock comes before the shared one
    if p_load > 0 and (p_client).kind is distinct from 'comparing' and exists (
        select from {{ private }}.instance_load as l
        where l.instance_id = (p_client).instance_id
            and l.owned < (select count(*) from {{ private }}.pull_memory as m where m.instance_id = l.instance_id)
    ) then
        perform {{ private }}.lock_decisions();
        perform {{ private }}.take_back_remembered(p_client, 'heard again');
    end if;
    if p_load = (p_client).list_length then
        perform {{ private }}.confirm_received(p_client);
    end if;
    return false;
exception
    when lock_not_available then
        return false; -- a long decision is under way: the beat counts all the same, and the next one says so again
end
$function$;
comment on function {{ private }}.decide_on_beat({{ private }}.pull_client, bigint) is 'What a beat decides that is the client''s own. It runs what its list holds, whatever was decided meanwhile, so what of that is free or with a worker becomes its own again. Whether its list is as long as it says from now on.';

create or replace function {{ private }}.note_beat(p_client {{ private }}.pull_client, p_list_length bigint)
    returns void
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_has_paused boolean := coalesce((p_client).asked_at < v_now - {{ private }}.setting_interval('http_ask_rhythm'), true);
begin
    update {{ private }}.pull_client as c
    set
        beat_at = v_now,
        is_asking = c.is_asking and not v_has_paused,
        list_length = coalesce(p_list_length, c.list_length),
        -- it asked every few seconds, was tried with one stream more, and asks no more
        kind = case
            when c.kind is null and not c.kind_is_set and c.is_asking and v_has_paused and c.probed_at is not null then 'first_answer_only'
            else c.kind
        end
    where c.instance_id = (p_client).instance_id;
end
$function$;
comment on function {{ private }}.note_beat({{ private }}.pull_client, bigint) is 'A beat that is the client''s own. p_list_length: how long its list is known to be now; null when that is not news.';

create or replace function {{ private }}.note_stranger(p_name text, p_peer text, p_load bigint)
    returns void
    language sql volatile
as $function$
    -- so many names at a time are enough to know
    insert into {{ private }}.pull_stranger as s (name, peer, load, seen_at)
    select p_name, p_peer, p_load, {{ private }}.now()
    where (select count(*) from (select from {{ private }}.pull_stranger limit 1000) as many) < 1000
        or exists (select from {{ private }}.pull_stranger as known where known.name = p_name)
    on conflict (name) do update
    set peer = excluded.peer, load = coalesce(excluded.load, s.load), seen_at = excluded.seen_at
$function$;
comment on function {{ private }}.note_stranger(text, text, bigint) is 'A client spoke that has not registered.';
