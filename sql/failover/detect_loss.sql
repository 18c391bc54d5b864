-- Which instances are late, lost or forgotten, and whether silence and lost sessions are to be believed.
-- Reads     instance, heartbeat, controller, pg_locks
-- Writes    controller, instance (session_lost_at)

create or replace function {{ private }}.server_returned()
    returns boolean
    language sql stable
as $function$
    select (c.server_started_at, c.server_timeline) is distinct from ({{ private }}.server_started_at(), {{ private }}.server_timeline())
    from {{ private }}.controller as c
$function$;
comment on function {{ private }}.server_returned() is 'Whether the server was restarted or promoted since the last look.';

create or replace function {{ private }}.watch_server()
    returns boolean
    language plpgsql volatile
as $function$
declare
    v_returned boolean := {{ private }}.server_returned();
begin
    if v_returned then
        update {{ private }}.controller as c
        set
            server_started_at = {{ private }}.server_started_at(),
            server_timeline = {{ private }}.server_timeline(),
            -- the very first look follows no restart that it knows of
            sessions_trusted_from = case
                when c.server_started_at is not null then {{ private }}.now() + {{ private }}.setting_interval('restart_grace')
            end,
            silence_counts_from = {{ private }}.now();
    end if;
    return v_returned;
end
$function$;
comment on function {{ private }}.watch_server() is 'After a restart or promotion: believe no lost session for restart_grace, and count silence from now.';

create or replace function {{ private }}.sessions_changed()
    returns table (instance_id text, is_held boolean)
    language sql stable
as $function$
    with held as materialized (
        select h.session_key, h.login, pg_has_role(h.login, '{{ admin }}', 'member') as is_for_all from {{ private }}.held_sessions() as h
    ),
    -- owners that others speak for: a role with members, or one that is found by its oid only; nearly always few
    shared as materialized (
        select o.owner_role, o.owner_oid
        from (
            select distinct i.owner_role, i.owner_oid from {{ private }}.instance as i where i.session_key is not null and i.is_living
        ) as o
        left join pg_roles as r on r.rolname = o.owner_role
        where r.oid is null or exists (select from pg_auth_members as m where m.roleid = r.oid)
    ),
    -- asked once for each login, however many sessions it has
    speaker as materialized (
        select s.owner_role, l.login
        from shared as s cross join (select distinct h.login from held as h where not h.is_for_all) as l
        where {{ private }}.is_owner(l.login, s.owner_role, s.owner_oid)
    )
    select i.instance_id, i.session_lost_at is not null
    from {{ private }}.instance as i
    where i.session_key is not null
        and i.is_living
        -- looked up, not joined: that costs the same however few locks the planner expects
        and (i.session_lost_at is null) <> (
            (i.session_key, i.owner_role) in (select h.session_key, h.login from held as h)
            or i.session_key in (select h.session_key from held as h where h.is_for_all)
            or (i.session_key, i.owner_role) in (
                select h.session_key, s.owner_role from speaker as s join held as h on h.login = s.login
            )
        )
$function$;
comment on function {{ private }}.sessions_changed() is 'Instances whose session is gone or back since the last look.';

create or replace function {{ private }}.watch_sessions(p_instance_ids text[])
    returns void
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_recently timestamptz := v_now - {{ private }}.setting_interval('disconnect_grace');
    v_grace interval := {{ private }}.setting_interval('restart_grace');
begin
    update {{ private }}.instance as i
    set session_lost_at = case when s.is_held then null else v_now end
    from {{ private }}.sessions_changed() as s
    where i.instance_id = s.instance_id and i.instance_id = any(p_instance_ids);
    -- most of them at once: the network, a pooler or the server, but hardly the workers
    update {{ private }}.controller as c
    set sessions_trusted_from = s.first_lost + v_grace
    from (
        select
            min(i.session_lost_at) filter (where i.session_lost_at >= v_recently) as first_lost,
            count(*) filter (where i.session_lost_at >= v_recently) as lost,
            count(*) as attached
        from {{ private }}.instance as i
        where i.session_key is not null and i.is_living
    ) as s
    where s.lost >= 2
        and s.lost * 2 > s.attached
        and (c.sessions_trusted_from is null or c.sessions_trusted_from < s.first_lost + v_grace);
end
$function$;
comment on function {{ private }}.watch_sessions(text[]) is 'Note which of these instances'' attached sessions are gone or back, and whether most of them went together.';

create or replace function {{ private }}.watched_instances()
    returns text[]
    language sql stable
as $function$
    with limits as materialized (
        select {{ private }}.now() - least(
            {{ private }}.setting_interval('heartbeat_warning'), {{ private }}.setting_interval('heartbeat_timeout'),
            (select min(i.lease) from {{ private }}.instance as i where i.lease is not null),
            (
                select least(
                    {{ private }}.setting_interval('http_ask_timeout'), {{ private }}.setting_interval('http_beat_timeout'),
                    {{ private }}.setting_interval('http_ghost_timeout')
                )
                where exists (select from {{ private }}.pull_client)
            )
        ) as silent_since
    )
    select array(
        select i.instance_id
        from {{ private }}.instance as i
        where i.is_living
            -- nearly always few; and that is looked up, not joined, so that the planner need not know it
            and i.instance_id = any(
                array(
                    select h.instance_id from {{ private }}.heartbeat as h where h.beat_at <= (select l.silent_since from limits as l)
                    union
                    select u.instance_id from {{ private }}.instance as u
                    where u.is_unusual and (u.session_lost_at is not null or u.suspended_until is not null)
                )
            )
    )
$function$;
comment on function {{ private }}.watched_instances() is 'Living instances that may be late or lost: silent for as long as the first limit or the shortest lease, without their session, or restarting.';

create or replace function {{ private }}.silent_together(p_watched text[])
    returns timestamptz
    language sql stable
as $function$
    with limits as materialized (
        select
            {{ private }}.now() as now, {{ private }}.setting_interval('heartbeat_warning') as warning,
            {{ private }}.setting_interval('heartbeat_interval') + {{ private }}.setting_interval('disconnect_grace') as together
    ),
    silent as materialized (
        select s.heard_at, l.together
        from {{ private }}.instance as i
        join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
        cross join {{ private }}.controller as c
        cross join limits as l
        cross join lateral (select {{ private }}.heard_at(h.beat_at, greatest(c.silence_counts_from, c.generation_at), c.unwatched)) as s(heard_at)
        where i.instance_id = any(p_watched)
            and i.is_living
            and i.placement = 'push'
            and i.suspended_until is null
            and l.now >= s.heard_at + least(i.lease, l.warning)
    ),
    latest as (
        select max(s.heard_at) as heard_at from silent as s
    ),
    near as (
        select l.heard_at, count(*) as instances
        from silent as s join latest as l on s.heard_at >= l.heard_at - s.together
        group by l.heard_at
    )
    select n.heard_at
    from near as n
    where case
        when n.instances >= 2 then n.instances > (
            select count(*) / 2 from {{ private }}.instance as i
            where i.is_living and i.placement = 'push' and i.suspended_until is null
        )
    end
$function$;
comment on function {{ private }}.silent_together(text[]) is 'When the last of them was heard, if most instances fell silent together (their last beats no further apart than one interval and the grace); else null.';

create or replace function {{ private }}.silence_trust(p_watched text[])
    returns timestamptz
    language sql stable
as $function$
    select case
        -- none was left; now one is there, and the others have their time from here
        when c.silence_trusted_from = 'infinity' and {{ private }}.any_instance_is_placeable() then l.now + l.grace
        -- most are silent together: noticed once for each time, and never later than when it is first looked for
        when coalesce(c.silence_trusted_from, '-infinity') < s.last_beat_at + l.timeout + l.grace
            then greatest(s.last_beat_at + l.timeout, l.now) + l.grace
        -- no longer: the others have their time from here
        when s.last_beat_at is null and c.silence_trusted_from > l.now + l.grace and c.silence_trusted_from < 'infinity'
            then l.now + l.grace
        else c.silence_trusted_from
    end
    from {{ private }}.controller as c
    cross join {{ private }}.silent_together(p_watched) as s(last_beat_at)
    cross join (
        select
            {{ private }}.now() as now, {{ private }}.setting_interval('heartbeat_timeout') as timeout,
            {{ private }}.setting_interval('restart_grace') as grace
    ) as l
$function$;
comment on function {{ private }}.silence_trust(text[]) is 'From when on silence is to be believed, as things are now; infinity while none is left. Null: always.';

create or replace function {{ private }}.silence_trusted_from()
    returns timestamptz
    language sql stable
as $function$
    select case
        -- when none can take anything, nothing moves
        when {{ private }}.any_instance_is_placeable() then coalesce(nullif(c.silence_trusted_from, 'infinity'), '-infinity')
        else '-infinity'
    end
    from {{ private }}.controller as c
$function$;
comment on function {{ private }}.silence_trusted_from() is 'From when on silence is believed.';

create or replace function {{ private }}.instances_lost(p_watched text[])
    returns table (instance_id text, rule text, last_beat_at timestamptz, session_lost_at timestamptz)
    language sql stable
as $function$
    -- looked up once, not for each instance
    with limits as materialized (
        select
            {{ private }}.now() as now, {{ private }}.setting_interval('heartbeat_timeout') as timeout,
            {{ private }}.setting_interval('disconnect_grace') as grace
    ),
    watched as (
        select
            i.instance_id, i.session_lost_at, i.suspended_until, i.lease, h.beat_at,
            {{ private }}.heard_at(h.beat_at, greatest(c.silence_counts_from, c.generation_at), c.unwatched) as heard_at,
            {{ private }}.heard_at(h.beat_at, c.generation_at, c.unwatched) as spoke_at, c.sessions_trusted_from, l.now, l.timeout, l.grace
        from {{ private }}.instance as i
        join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
        cross join {{ private }}.controller as c
        cross join limits as l
        where i.instance_id = any(p_watched)
            and i.is_living
            and i.placement = 'push'
    )
    select w.instance_id, r.rule, w.beat_at, w.session_lost_at
    from watched as w
    cross join lateral (
        select case
            when w.suspended_until is not null
                then case when w.now >= w.suspended_until and w.now >= w.spoke_at + coalesce(w.lease, '0') then 'suspension over' end
            when w.now >= w.heard_at + coalesce(w.lease, w.timeout) and w.now >= (select {{ private }}.silence_trusted_from()) then 'silence'
            when w.session_lost_at <= w.now - w.grace
                and w.beat_at <= w.now - w.grace
                and w.now >= coalesce(w.sessions_trusted_from, '-infinity')
                and (w.lease is null or w.now >= w.spoke_at + w.lease) then 'session lost'
        end as rule
    ) as r
    where r.rule is not null
    union all
    select p.instance_id, p.rule, p.last_beat_at, p.session_lost_at from {{ private }}.pull_clients_lost(p_watched) as p
$function$;
comment on function {{ private }}.instances_lost(text[]) is 'Those of these instances that are to be declared lost now, and by which rule.';

create or replace function {{ private }}.instances_late(p_watched text[])
    returns table (instance_id text)
    language sql stable
as $function$
    with limits as materialized (
        select {{ private }}.now() - {{ private }}.setting_interval('heartbeat_warning') as late_since
    )
    select i.instance_id
    from {{ private }}.instance as i
    join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
    cross join {{ private }}.controller as c
    cross join limits as l
    where i.instance_id = any(p_watched)
        and i.is_placeable
        and i.suspended_until is null
        and {{ private }}.heard_at(h.beat_at, greatest(c.silence_counts_from, c.generation_at), c.unwatched) <= l.late_since
$function$;
comment on function {{ private }}.instances_late(text[]) is 'Those of these instances that are to be warned of now.';

create or replace function {{ private }}.instances_forgotten()
    returns table (instance_id text)
    language sql stable
as $function$
    select i.instance_id
    from {{ private }}.instance as i
    where i.is_unusual and i.status = 'inactive' and i.status_changed_at <= {{ private }}.now() - {{ private }}.setting_interval('removal_timeout')
$function$;
comment on function {{ private }}.instances_forgotten() is 'Instances that were lost long ago and are to be removed now.';
