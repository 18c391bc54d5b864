-- Parts of health(): one function per component.
-- Reads     instance, instance_load, requirement_load, assignment, job, source, controller, failure_count

create or replace function {{ private }}.miscounts(p_part integer default 0, p_parts integer default 1)
    returns table (instance_id text, counted jsonb, recounted jsonb)
    language sql volatile
as $function$
    with recount as (
        select
            a.instance_id, count(*) as owned, count(*) filter (where a.releasing_since is not null) as outgoing,
            count(*) filter (where a.releasing_since is null and a.pinned_to is null) as movable,
            coalesce(bit_xor({{ private }}.digest_of(a.stream_id, a.epoch)) filter (where a.releasing_since is null), 0) as digest
        from {{ private }}.assignment as a
        where a.instance_id is not null and (p_parts = 1 or abs(hashtext(a.instance_id) % p_parts) = p_part)
        group by a.instance_id
    ),
    coming as (
        select a.next_instance_id as instance_id, count(*) as incoming
        from {{ private }}.assignment as a
        where a.next_instance_id is not null
        group by a.next_instance_id
    ),
    standing_by as (
        select s.instance_id, count(*) as standbys, bit_xor({{ private }}.digest_of(s.stream_id, s.number)) as standby_digest
        from {{ private }}.standby as s
        where s.ended_at is null
        group by s.instance_id
    ),
    movable as (
        select r.instance_id, sum(r.movable) as movable from {{ private }}.requirement_load as r group by r.instance_id
    ),
    compared as (
        select
            l.instance_id,
            jsonb_build_object(
                'owned', l.owned, 'incoming', l.incoming, 'outgoing', l.outgoing, 'movable', coalesce(m.movable, 0), 'digest', l.digest,
                'standbys', l.standbys, 'standby_digest', l.standby_digest
            ) as counted,
            jsonb_build_object(
                'owned', coalesce(r.owned, 0), 'incoming', coalesce(c.incoming, 0), 'outgoing', coalesce(r.outgoing, 0),
                'movable', coalesce(r.movable, 0), 'digest', coalesce(r.digest, 0),
                'standbys', coalesce(s.standbys, 0), 'standby_digest', coalesce(s.standby_digest, 0)
            ) as recounted
        from {{ private }}.instance_load as l
        left join recount as r on r.instance_id = l.instance_id
        left join coming as c on c.instance_id = l.instance_id
        left join standing_by as s on s.instance_id = l.instance_id
        left join movable as m on m.instance_id = l.instance_id
        where p_parts = 1 or abs(hashtext(l.instance_id) % p_parts) = p_part
    )
    select c.instance_id, c.counted, c.recounted from compared as c where c.counted <> c.recounted
$function$;
comment on function {{ private }}.miscounts(integer, integer) is 'Instances whose counts or digest differ from a recount of the assignments; there should never be one. Of all, or of one part of so many.';

create or replace function {{ private }}.check_integrity()
    returns table (status text, finding text, detail jsonb)
    language sql volatile
as $function$
    -- every look recounts some two thousand streams, and the next another part: one after the other in turn, a second each
    with part as materialized (
        select greatest(ceil(sum(l.owned) / 2000.0), 1)::integer as parts from {{ private }}.instance_load as l
    ),
    turn as materialized (
        select coalesce(p.parts, 1) as parts, (floor(extract(epoch from {{ private }}.now()))::bigint % coalesce(p.parts, 1))::integer as part
        from part as p
    ),
    wrong as (
        select 'counts of ' || m.instance_id || ' differ from a recount' as finding
        from turn as t cross join lateral {{ private }}.miscounts(t.part, t.parts) as m
        union all
        select i.instance_id || ' holds more than max_streams'
        from {{ private }}.instance as i join {{ private }}.instance_load as l on l.instance_id = i.instance_id
        where l.owned - l.outgoing > i.max_streams and i.status <> 'inactive' and i.status_changed_at < {{ private }}.now() - interval '1 minute'
            and exists (select from {{ private }}.placeable_instances() as p where p.planned < p.ceiling)
        union all
        select 'the counters add up to ' || c.counted || ' streams, and ' || c.held || ' are held'
        from (
            select (select coalesce(sum(l.owned), 0) from {{ private }}.instance_load as l) as counted, count(a.instance_id) as held
            from {{ private }}.assignment as a
        ) as c
        cross join turn as t
        where c.counted <> c.held and t.parts > 1
        union all
        -- an assignment is of a stream, so equal numbers mean that none is missing
        select 'stream ' || s.stream_id || ' has no assignment row'
        from {{ private }}.stream as s
        where (select count(*) from {{ private }}.stream) <> (select count(*) from {{ private }}.assignment)
            and not exists (select from {{ private }}.assignment as a where a.stream_id = s.stream_id)
    )
    select
        case when count(w.finding) = 0 then 'healthy' else 'unhealthy' end,
        case
            when count(w.finding) > 0 then count(w.finding) || ' things are not as they must be: {{ api }}.diagnose() says more'
            when t.parts = 1 then 'counts and digests equal a recount'
            else 'counts and digests equal a recount of one part in ' || t.parts
        end,
        jsonb_build_object('findings', coalesce(jsonb_agg(w.finding) filter (where w.finding is not null), '[]'), 'parts', t.parts, 'part', t.part)
    from turn as t left join wrong as w on true
    group by t.parts, t.part
$function$;
comment on function {{ private }}.check_integrity() is 'Health of the record itself: all sums, and a recount of one part of the instances after the other. diagnose() recounts all of them.';

create or replace function {{ private }}.check_instances()
    returns table (status text, finding text, detail jsonb)
    language sql volatile
as $function$
    with counted as (
        select
            count(*) filter (where i.is_placeable or i.status = 'draining') as well,
            count(*) filter (where i.status = 'warning') as late,
            count(*) filter (where i.status = 'inactive') as lost,
            count(*) filter (where i.status <> 'removed') as total,
            -- as it was installed
            count(*) filter (where i.status <> 'removed') = 0
                and not exists (select from {{ private }}.assignment as a where a.state <> 'idle') as is_idle
        from {{ private }}.instance as i
    )
    select
        case
            when c.is_idle then 'healthy'
            when c.well + c.late = 0 then 'unhealthy'
            when c.late + c.lost > 0 then 'degraded'
            else 'healthy'
        end,
        case
            when c.is_idle then 'no instance is there, and no stream to listen to'
            when c.well + c.late = 0 then 'no instance is there to listen'
            when c.late + c.lost > 0 then c.late || ' late, ' || c.lost || ' lost, of ' || c.total
            else c.well || ' instances'
        end,
        jsonb_build_object('total', c.total, 'well', c.well, 'late', c.late, 'lost', c.lost)
    from counted as c
$function$;
comment on function {{ private }}.check_instances() is 'Health of the fleet.';

create or replace function {{ private }}.check_streams()
    returns table (status text, finding text, detail jsonb)
    language sql volatile
as $function$
    with counted as (
        select
            coalesce(sum(l.owned) filter (where i.status <> 'inactive'), 0) as held, {{ private }}.count_waiting(1000000) as waiting,
            least(
                (select min(a.waiting_since) from {{ private }}.assignment as a where a.waiting_since is not null),
                min(i.status_changed_at) filter (where i.status = 'inactive' and l.owned > 0)
            ) as oldest,
            (select coalesce(sum(p.ceiling - p.planned), 0) from {{ private }}.placeable_instances() as p where p.planned < p.ceiling) as room
        from {{ private }}.instance_load as l
        join {{ private }}.instance as i on i.instance_id = l.instance_id
    )
    select
        case
            when c.waiting = 0 then 'healthy'
            when c.oldest > {{ private }}.now() - {{ private }}.setting_interval('restart_grace') then 'degraded'
            else 'unhealthy'
        end,
        case
            when c.waiting = 0 then c.held || ' streams, all with an instance'
            when c.room = 0 and exists (select from {{ private }}.waiting_reasons() as w where w.reason = 'no ask')
                then c.waiting || ' streams wait until a client that has room asks for them'
            when not exists (select from {{ private }}.placeable_instances()) then c.waiting || ' streams wait: no instance is there to take them'
            when c.room = 0 then c.waiting || ' streams wait: every instance is full'
            else c.waiting || ' streams wait, with room for ' || c.room
        end,
        jsonb_build_object('held', c.held, 'waiting', c.waiting, 'oldest_waiting_since', c.oldest, 'room', c.room)
    from counted as c
$function$;
comment on function {{ private }}.check_streams() is 'Health of the assignments.';

create or replace function {{ private }}.check_jobs()
    returns table (status text, finding text, detail jsonb)
    language sql volatile
as $function$
    with late as (
        select j.job, j.consecutive_failures, {{ private }}.now() - greatest(j.next_run_at, coalesce(j.claimed_until, j.next_run_at)) as overdue
        from {{ private }}.job as j
        where j.enabled
            and (j.consecutive_failures > 0 or greatest(j.next_run_at, coalesce(j.claimed_until, j.next_run_at)) < {{ private }}.now() - interval '30 seconds')
    )
    select
        case
            when count(*) = 0 then 'healthy'
            when bool_or(l.job in ('watch_instances', 'settle', 'finish_handoffs') and (l.overdue > interval '30 seconds' or l.consecutive_failures > 2))
                then 'unhealthy'
            else 'degraded'
        end,
        case when count(*) = 0 then 'jobs run on time' else 'overdue or failing: ' || string_agg(l.job, ', ' order by l.job) end,
        coalesce(jsonb_agg(to_jsonb(l) order by l.job), '[]')
    from late as l
$function$;
comment on function {{ private }}.check_jobs() is 'Health of the jobs: whether any driver is there and what it runs succeeds.';

create or replace function {{ private }}.check_sources()
    returns table (status text, finding text, detail jsonb)
    language sql volatile
as $function$
    select
        case when count(*) filter (where s.consecutive_failures > 0) = 0 then 'healthy' else 'degraded' end,
        case
            when count(*) = 0 then 'no source to synchronise'
            when count(*) filter (where s.consecutive_failures > 0) = 0 then count(*) || ' sources synchronised'
            else 'failing: ' || string_agg(s.source, ', ' order by s.source) filter (where s.consecutive_failures > 0)
        end,
        coalesce(jsonb_agg(jsonb_build_object(
            'source', s.source, 'last_success_at', s.last_success_at, 'consecutive_failures', s.consecutive_failures
        ) order by s.source), '[]')
    from {{ private }}.source as s
    where s.enabled and s.kind = 'postgresql'
$function$;
comment on function {{ private }}.check_sources() is 'Health of the sources.';

create or replace function {{ private }}.check_recovery()
    returns table (status text, finding text, detail jsonb)
    language sql volatile
as $function$
    select
        case when c.recovery_since is null then 'healthy' else 'degraded' end,
        case
            when c.recovery_since is null then f.failures || ' failures in the last minute'
            else 'recovery mode: balancing is frozen, ' || f.failures || ' failures in the last minute'
        end,
        jsonb_build_object(
            'failures', f.failures, 'threshold', {{ private }}.setting_number('recovery_failures_per_minute'),
            'recovery_since', c.recovery_since, 'reporters', {{ private }}.failing_reporters({{ private }}.now() - interval '1 minute')
        )
    from {{ private }}.controller as c
    cross join (select {{ private }}.failures_per_minute({{ private }}.now() - interval '1 minute') as failures) as f
$function$;
comment on function {{ private }}.check_recovery() is 'Health of the calls: how many fail, and whether that is so many that recovery mode is on.';

create or replace function {{ private }}.check_clock()
    returns table (status text, finding text, detail jsonb)
    language sql volatile
as $function$
    select
        case when w.back is not null then 'unhealthy' when s.finding is not null then 'degraded' else 'healthy' end,
        case
            when w.back is not null
                then format('the clock went back by at least %s s, and nobody has looked at the fleet since', round(extract(epoch from w.back), 1))
            else coalesce(s.finding, 'no step of the clock within an hour')
        end,
        coalesce(s.detail, '{}')
    from (select {{ private }}.clock_went_back() as back) as w
    left join {{ private }}.recent_clock_steps() as s on true
$function$;
comment on function {{ private }}.check_clock() is 'Health of the server''s clock: whether it stepped within an hour.';
