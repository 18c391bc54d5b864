-- Findings of diagnose(): instances that are not as they should be.
--   instance_late               no beat for heartbeat_warning
--   instance_lost               declared lost, and not back
--   instance_flapping           it comes and goes
--   instance_above_share        it has more than its share, and others could take some
--   instance_overfull           it has more than max_streams
--   instance_without_listener   it beats, but its session is gone
--   pooler_between              a worker's connection cannot hold a session
--   clock_differs               its clock is not the database's
--   instance_out_of_step        it could not be brought in step
--   breaker_open                its circuit breaker is not closed
--   owner_missing               the role that its name belongs to was dropped
-- Reads     instance, heartbeat, instance_load, requirement_load, requirement, repair, setting, controller, pg_stat_activity

create or replace function {{ private }}.findings_presence()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with limits as materialized (
        select
            {{ private }}.now() as now, {{ private }}.setting_interval('heartbeat_timeout') as timeout,
            {{ private }}.setting_interval('disconnect_grace') as grace
    ),
    there as (
        select i.*, 'instance ' || i.instance_id as subject, h.beat_at, h.sent_at, h.breaker, h.breaker_opened, l.now, l.timeout, l.grace
        from {{ private }}.instance as i
        join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
        cross join limits as l
        where i.status <> 'removed'
    ),
    -- workers that are connected, by the name that they give their connection
    connected as (
        select distinct a.application_name from pg_stat_activity as a where a.datname = current_database()
    )
    select 'warning', 'instance_late', t.subject, 'no beat for ' || date_trunc('second', t.now - t.beat_at),
        jsonb_build_object('beat_at', t.beat_at, 'lost_at', t.beat_at + coalesce(t.lease, t.timeout)),
        'Look at its process, its machine and the network between. It is lost, and its streams go to others, at the time in the evidence.',
        null
    from there as t
    where t.status = 'warning'
    union all
    select 'warning', 'instance_lost', t.subject, 'it was declared lost and is not back',
        jsonb_build_object('lost_at', t.status_changed_at, 'beat_at', t.beat_at, 'decision_id', t.lost_by_decision_id),
        'Start it again; its streams are with others. If it is not to come back, the repair removes it, until {{ api }}.readmit_instance(…).',
        format('select * from {{ api }}.remove_instance(%L, %L)', t.instance_id, 'lost, and not to come back')
    from there as t
    where t.status = 'inactive'
    union all
    select 'warning', 'instance_flapping', t.subject, 'it comes and goes: ' || t.crashes || ' crashes and ' || t.losses || ' losses in a row',
        jsonb_build_object('crashes', t.crashes, 'losses', t.losses, 'last_lost_at', t.last_lost_at, 'probation_until', t.probation_until),
        'Find out why: its log, its memory, its network. The repair takes it out of service without losing a second, until {{ api }}.undrain_instance(…).',
        format('select * from {{ api }}.drain_instance(%L, %L)', t.instance_id, 'it comes and goes')
    from there as t
    where (t.crashes >= 3 or t.losses >= 3 or t.probation_until > t.now) and t.standing_order is null
    union all
    select 'warning', 'instance_without_listener', t.subject, 'it beats, but its session is gone: it hears of changes only when it beats',
        jsonb_build_object('session_lost_at', t.session_lost_at, 'beat_at', t.beat_at),
        'Restart its process, or find out what cuts its connection (a firewall, a pooler). Should it die now, that is seen after '
        || coalesce(t.lease, t.timeout) || ' of silence only.',
        null
    from there as t
    where (t.is_placeable or t.status = 'draining')
        and t.session_lost_at <= t.now - t.grace
        and t.beat_at > t.session_lost_at
    union all
    select 'warning', 'pooler_between', t.subject, 'its worker is connected and holds no session: a pooler in transaction mode stands between',
        jsonb_build_object('registered_at', t.registered_at, 'beat_at', t.beat_at),
        'Connect it to the server itself, or through a pool in session mode: now it polls, and its death is seen after '
        || coalesce(t.lease, t.timeout) || ' of silence only.',
        null
    from there as t
    join connected as c on c.application_name = left('worker_shim {{ api }}.' || t.instance_id, 63)
    where (t.is_placeable or t.status = 'draining')
        and t.session_key is null
        and t.registered_at <= t.now - interval '1 minute'
        and t.beat_at > t.registered_at
    union all
    select 'warning', 'clock_differs', t.subject,
        'its clock is ' || abs(round(extract(epoch from t.sent_at - t.beat_at)::numeric, 1))
        || case when t.sent_at > t.beat_at then ' s ahead of' else ' s behind' end || ' the database''s',
        jsonb_build_object('sent_at', t.sent_at, 'beat_at', t.beat_at),
        'Let its machine follow a time server (timedatectl set-ntp true). Nothing here goes by its clock, but its log cannot be read beside ours.',
        null
    from there as t
    where (t.is_placeable or t.status = 'draining')
        and abs(extract(epoch from t.sent_at - t.beat_at)) > 5
    union all
    select 'warning', 'breaker_open', t.subject, 'its circuit breaker is ' || t.breaker || ': its calls of the database fail',
        jsonb_build_object('breaker', t.breaker, 'opened', t.breaker_opened, 'beat_at', t.beat_at),
        'It keeps what it has and tries again by itself. {{ api }}.incident_patterns says what fails.',
        null
    from there as t
    where t.breaker <> 'closed' and t.is_living
    union all
    select 'warning', 'owner_missing', t.subject, 'its name belongs to ' || t.owner_role || ', a role that was dropped',
        jsonb_build_object('login', t.owner_role, 'status', t.status),
        'No process but an administrator''s can speak for it. When none of it lives, any worker login may register under its name. '
        || 'The repair shares the name among all worker logins: put the name of a login or a group role of your own in its place.',
        format('select * from {{ api }}.set_instance_owner(%L, %L)', t.instance_id, '{{ worker }}')
    from there as t
    where {{ private }}.present_owner(t.owner_role, t.owner_oid) is null
    union all
    select 'warning', 'instance_out_of_step', t.subject, 'it does not run what it should, after ' || r.attempts || ' attempts to bring it in step',
        jsonb_build_object('attempts', r.attempts, 'since', r.since, 'difference', r.difference),
        'It registers anew by itself after three attempts. When that does not help, restart its process.',
        null
    from there as t
    join (
        select o.instance_id, max(o.attempt) as attempts, min(o.found_at) as since,
            (array_agg(o.difference order by o.repair_id desc))[1] as difference
        from {{ private }}.repair as o
        where o.repaired_at is null
        group by o.instance_id
    ) as r on r.instance_id = t.instance_id
    where r.attempts >= 3 or r.since <= t.now - 2 * {{ private }}.setting_interval('heartbeat_interval')
$function$;
comment on function {{ private }}.findings_presence() is 'Findings: instances that are late, lost, flapping, cut off, wrong about the time, or out of step.';

create or replace function {{ private }}.findings_shares()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with placeable as materialized (
        select p.*, sum(p.planned) over () * p.weight / sum(p.weight) over () as share from {{ private }}.placeable_instances() as p
    ),
    limits as materialized (
        select
            {{ private }}.setting_number('max_stream_difference') as streams,
            {{ private }}.setting_number('imbalance_threshold') as load,
            (select min(p.planned / p.max_streams::double precision) from placeable as p) as lowest_load,
            c.paused_at is not null as is_paused
        from {{ private }}.controller as c
    ),
    above as (
        select p.*
        from placeable as p cross join limits as l
        where p.planned > p.share
            and (
                round((p.planned - p.share)::numeric, 6) > l.streams
                or round((p.planned / p.max_streams::double precision - l.lowest_load)::numeric, 6) > l.load
            )
            -- an instance below its share could take some of what it has
            and exists (
                select from {{ private }}.requirement_load as m
                join {{ private }}.requirement as r on r.requirement_id = m.requirement_id
                join placeable as o on o.capabilities @> r.capabilities and o.planned < least(floor(o.share), o.ceiling)
                where m.instance_id = p.instance_id and m.movable > 0
            )
    ),
    overfull as (
        select i.instance_id, i.max_streams, l.owned - l.outgoing as kept
        from {{ private }}.instance as i
        join {{ private }}.instance_load as l on l.instance_id = i.instance_id
        where i.is_living and i.placement = 'push' and i.status <> 'draining' and l.owned - l.outgoing > i.max_streams
    )
    select 'warning', 'instance_above_share', 'instance ' || a.instance_id,
        'it has ' || a.planned || ' streams, and its fair share is ' || round(a.share::numeric, 1),
        jsonb_build_object(
            'streams', a.planned, 'fair_share', round(a.share::numeric, 1), 'max_streams', a.max_streams,
            'max_stream_difference', l.streams, 'imbalance_threshold', l.load, 'balancing_paused', l.is_paused
        ),
        case
            when l.is_paused then 'Balancing is paused; the repair ends the pause and makes the load even.'
            else 'The job check_balance makes the load even once in rebalance_cooldown; the repair does so now, with the least possible moves.'
        end,
        case when l.is_paused then 'select * from {{ api }}.resume_balancing(); ' else '' end
        || format('select * from {{ api }}.rebalance(%L)', 'above its share')
    from above as a cross join limits as l
    union all
    select 'warning', 'instance_overfull', 'instance ' || o.instance_id,
        'it has ' || o.kept || ' streams, and max_streams is ' || o.max_streams,
        jsonb_build_object('streams', o.kept, 'max_streams', o.max_streams),
        'Its capacity was lowered. What is too much goes to others as they have room; without room it stays, rather than be unheard.',
        case when exists (select from placeable as p where p.planned < p.ceiling)
            then case when l.is_paused then 'select * from {{ api }}.resume_balancing(); ' else '' end
                || format('select * from {{ api }}.rebalance(%L)', 'above its capacity')
        end
    from overfull as o cross join limits as l
$function$;
comment on function {{ private }}.findings_shares() is 'Findings: instances that have more than their share, or more than they may.';
