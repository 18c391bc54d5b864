-- When clients that ask for their streams are lost. They do not register again and cannot be told, so what they run is taken from none of
-- them that may be alive:
--   silence    no ask and no beat for http_ask_timeout (it asks all the time) or http_beat_timeout (it only beats by now)
--   ghost      it was given streams and has not been heard since, for http_ghost_timeout
-- Silence is not believed while no HTTP server is there, nor for http_absence_grace after that or after an error that the client was
-- answered; and not for http_silence_grace when most of them fell silent together: then it is the network, or a proxy.
-- A row that the client has written of itself into the production database since it fell silent here, and that says that it hears
-- something, puts either off: until heartbeats_timeout after the last such row.
-- Reads     pull_client, instance, instance_load, controller, http_presence, witnessed_client
-- Writes    http_presence

create or replace function {{ private }}.pull_states(p_now timestamptz)
    returns table (instance_id text, heard_at timestamptz, limit_at timestamptz, is_silent boolean, is_ghost boolean, owned integer)
    language sql stable
as $function$
    with limits as materialized (
        select
            {{ private }}.setting_interval('http_ask_rhythm') as rhythm,
            {{ private }}.setting_interval('http_ask_timeout') as ask,
            {{ private }}.setting_interval('http_beat_timeout') as beat,
            {{ private }}.setting_interval('http_ghost_timeout') as ghost,
            {{ private }}.setting_interval('heartbeats_timeout') as written
    )
    select
        c.instance_id, h.heard_at,
        greatest(h.heard_at + case when c.is_asking then l.ask else l.beat end, w.believed_until),
        -- longer than it ever is between two words
        h.heard_at < p_now - case when c.is_asking then l.rhythm else l.beat * 0.8 end,
        -- the very ask that was answered was its last word
        coalesce(
            c.answered_at >= greatest(c.asked_at, c.beat_at) and {{ private }}.heard_at(c.answered_at, null, k.unwatched) <= p_now - l.ghost and coalesce(w.believed_until <= p_now, true),
            false
        ),
        o.owned
    from {{ private }}.pull_client as c
    join {{ private }}.instance as i on i.instance_id = c.instance_id and i.placement = 'pull' and i.is_living
    join {{ private }}.instance_load as o on o.instance_id = c.instance_id
    cross join {{ private }}.controller as k
    cross join limits as l
    cross join lateral (
        select {{ private }}.heard_at(greatest(c.asked_at, c.beat_at, c.registered_at), k.silence_counts_from, k.unwatched) as heard_at
    ) as h
    cross join lateral (
        -- one that died wrote its last row before, or in the few seconds after its last word
        select max(r.signed_at) + l.written as believed_until
        from {{ private }}.witnessed_client as r
        where r.instance_id = c.instance_id
            and r.signed_at > h.heard_at + l.rhythm
            and (coalesce(r.processing, 1) > 0 or o.owned = 0)
    ) as w
$function$;
comment on function {{ private }}.pull_states(timestamptz) is 'The living clients that ask for their streams: when each was heard, when its silence is over long, whether it is silent at all, whether it was never heard after its answer.';

create or replace function {{ private }}.pull_silence_trust()
    returns timestamptz
    language sql stable
as $function$
    select case
        when s.silent * 2 > s.clients and s.clients > 1
            -- said anew now and then, not with each look
            and coalesce(k.pull_trusted_from < n.moment + l.grace * 0.9, true)
            then n.moment + l.grace
        else k.pull_trusted_from
    end
    from {{ private }}.controller as k
    cross join (select {{ private }}.now() as moment) as n
    cross join (select {{ private }}.setting_interval('http_silence_grace') as grace) as l
    cross join lateral (
        select count(*) as clients, count(*) filter (where p.is_silent) as silent
        from {{ private }}.pull_states(n.moment) as p where p.owned > 0 and not p.is_ghost
    ) as s
$function$;
comment on function {{ private }}.pull_silence_trust() is 'From when on the silence of such clients is to be believed, as things are now; null: always.';

create or replace function {{ private }}.pull_clients_lost(p_watched text[])
    returns table (instance_id text, rule text, last_beat_at timestamptz, session_lost_at timestamptz)
    language sql stable
as $function$
    select p.instance_id, case when p.is_ghost then 'ghost' else 'silence' end, p.heard_at, null::timestamptz
    from (select {{ private }}.now() as moment) as n
    cross join {{ private }}.http_presence as k
    cross join lateral {{ private }}.pull_states(n.moment) as p
    join {{ private }}.pull_client as c on c.instance_id = p.instance_id
    cross join (select {{ private }}.setting_interval('http_absence') as absence, {{ private }}.setting_interval('http_absence_grace') as grace) as l
    where p.instance_id = any(p_watched)
        and (
            p.is_ghost
            or (
                n.moment >= p.limit_at
                and coalesce({{ private }}.pull_silence_trust() <= n.moment, true)
                and coalesce(k.seen_at > n.moment - l.absence, true)
                and not coalesce(p.heard_at <= k.returned_at and n.moment < k.returned_at + l.grace, false)
                and not coalesce(p.heard_at <= c.refused_at and n.moment < c.refused_at + l.grace, false)
            )
        )
$function$;
comment on function {{ private }}.pull_clients_lost(text[]) is 'Those of these clients that are to be declared lost now, and by which rule.';

create or replace function {{ private }}.http_server_present()
    returns void
    language sql volatile
as $function$
    update {{ private }}.http_presence as k
    set
        returned_at = case
            when k.seen_at <= {{ private }}.now() - {{ private }}.setting_interval('http_absence') then {{ private }}.now()
            else k.returned_at
        end,
        seen_at = {{ private }}.now()
$function$;
comment on function {{ private }}.http_server_present() is 'An HTTP server is there, and was away if none has said so for http_absence.';
