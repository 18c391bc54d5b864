-- Findings of diagnose(): streams that are not heard, or not as they should be.
--   streams_wait_for_an_instance   no instance may be given streams
--   streams_wait_for_ask           a client that asks for its streams has room
--   streams_wait_for_ability       no instance has the capabilities
--   streams_wait_for_room          those that have them are full
--   streams_refused                those that have room gave them back
--   streams_wait_with_room         they could be placed
--   handovers_stuck                owners were asked to stop long ago
--   streams_stalled                their owners run them and hear nothing
--   station_failing                it failed on instance after instance
-- Reads     assignment, requirement, refusal, stall, station_fault, stream, instance, setting, controller

create or replace function {{ private }}.findings_waiting()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with reason as materialized (
        select w.* from {{ private }}.waiting_reasons() as w
    ),
    -- one row for each reason; what lacks an ability, for each ability
    counted as (
        select
            r.reason, case when r.reason = 'no ability' then r.capabilities end as capabilities, count(*) as streams,
            min(r.waiting_since) as oldest, (array_agg(r.stream_id order by r.waiting_since, r.stream_id))[1:10] as stream_ids
        from reason as r
        group by 1, 2
    ),
    evident as (
        select
            c.*,
            case
                when c.oldest <= {{ private }}.now() - {{ private }}.setting_interval('restart_grace') then 'critical' else 'warning'
            end as severity,
            jsonb_strip_nulls(jsonb_build_object(
                'streams', c.streams, 'oldest_waiting_since', c.oldest, 'stream_ids', c.stream_ids, 'capabilities', c.capabilities
            )) as evidence
        from counted as c
    ),
    -- each refused stream goes back to the able instance whose refusal ends first, as far as that has room
    retry as (
        select format(
            'select u.stream_id, m.to_instance_id from unnest(%L::bigint[], %L::text[]) as u(stream_id, instance_id)'
            || ' cross join lateral {{ api }}.move_stream(u.stream_id, u.instance_id, %L) as m',
            array_agg(s.stream_id order by s.stream_id), array_agg(s.instance_id order by s.stream_id), 'refused, and tried again'
        ) as repair
        from (
            select f.*, row_number() over (partition by f.instance_id order by f.stream_id) as place
            from (
                select distinct on (r.stream_id) r.stream_id, p.instance_id, p.ceiling - p.planned as room
                from reason as r
                join {{ private }}.refusal as f on f.stream_id = r.stream_id
                join {{ private }}.placeable_instances() as p
                    on p.instance_id = f.instance_id and p.capabilities @> r.capabilities and p.planned < p.ceiling
                where r.reason = 'refused'
                order by r.stream_id, f.until, p.instance_id
            ) as f
        ) as s
        where s.place <= s.room
        having count(*) > 0
    )
    select e.severity, 'streams_wait_for_an_instance', 'fleet', e.streams || ' streams wait: no instance may be given any', e.evidence,
        'Start an instance. One that is late, draining, suspended or lost gets nothing new: {{ api }}.instances says which.', null
    from evident as e
    where e.reason = 'no instance'
    union all
    select e.severity, 'streams_wait_for_ask', 'fleet',
        e.streams || ' streams wait until a client that has room asks for them', e.evidence,
        'A client that starts only what its first answer names gets them when it is restarted, which it does by itself every half hour; to have them heard now, restart one that has room.', null
    from evident as e
    where e.reason = 'no ask'
    union all
    select e.severity, 'streams_wait_for_ability', array_to_string(e.capabilities, ', '),
        e.streams || ' streams wait: no instance is able', e.evidence,
        'Start an instance that registers with these capabilities, or correct what the streams require.', null
    from evident as e
    where e.reason = 'no ability'
    union all
    select e.severity, 'streams_wait_for_room', 'fleet', e.streams || ' streams wait: every able instance is full', e.evidence,
        'Start another instance, or raise max_streams where a machine has the power for it: {{ api }}.set_capacity(…).', null
    from evident as e
    where e.reason = 'no room'
    union all
    select e.severity, 'streams_refused', 'fleet',
        e.streams || ' streams wait: every instance with room gave them back lately', e.evidence,
        'They are tried again by themselves when refusal_time is over. Is the station on the air? The repair tries now.',
        (select r.repair from retry as r)
    from evident as e
    where e.reason = 'refused'
    union all
    select e.severity, 'streams_wait_with_room', 'fleet', e.streams || ' streams wait although there is room', e.evidence,
        'The jobs settle and check_balance place them by themselves within seconds: see whether a driver runs them.',
        case when c.paused_at is null then '' else 'select * from {{ api }}.resume_balancing(); ' end
        || format('select * from {{ api }}.rebalance(%L)', 'streams wait although there is room')
    from evident as e cross join {{ private }}.controller as c
    -- new ones are placed when the settle window is over
    where e.reason = 'room' and e.oldest <= {{ private }}.now() - {{ private }}.setting_interval('settle_window') - interval '10 seconds'
$function$;
comment on function {{ private }}.findings_waiting() is 'Findings: streams that wait, by reason.';

create or replace function {{ private }}.findings_streams()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with stuck as (
        select a.instance_id, count(*) as streams, min(a.releasing_since) as oldest,
            (array_agg(a.stream_id order by a.releasing_since, a.stream_id))[1:10] as stream_ids
        from {{ private }}.assignment as a
        join {{ private }}.instance as i on i.instance_id = a.instance_id
        where a.releasing_since is not null
            -- an instance that stops by its own clock is left the time of its lease
            and a.releasing_since <= {{ private }}.now() - interval '10 seconds' - greatest(
                {{ private }}.setting_interval('handoff_timeout'), case when i.stop_within is not null then i.lease end
            )
        group by a.instance_id
    ),
    stalled as (
        select s.instance_id, count(*) as streams, min(s.silent_since) as oldest, l.owned - l.outgoing as running,
            (array_agg(s.stream_id order by s.silent_since, s.stream_id))[1:10] as stream_ids
        from {{ private }}.stall as s
        join {{ private }}.assignment as a on a.stream_id = s.stream_id and a.instance_id = s.instance_id and a.epoch = s.epoch
        join {{ private }}.instance_load as l on l.instance_id = s.instance_id
        where a.state in ('assigned', 'running')
            -- what is the station's own fault is no fault of the instance; a stall is told with every beat for as long as it lasts
            and not exists (select from {{ private }}.station_fault as f where f.stream_id = s.stream_id)
            and s.reported_at > {{ private }}.now() - 3 * {{ private }}.setting_interval('heartbeat_interval')
        group by s.instance_id, l.owned, l.outgoing
    ),
    failing as (
        select f.*, s.name, s.url, s.source, count(*) over () as stations
        from {{ private }}.station_fault as f
        join {{ private }}.stream as s on s.stream_id = f.stream_id
        where s.active
        order by f.found_at, f.stream_id
        limit 50
    )
    select 'warning', 'handovers_stuck', 'instance ' || k.instance_id,
        k.streams || ' streams that it was asked to let go were not taken from it in time',
        jsonb_build_object('streams', k.streams, 'oldest_releasing_since', k.oldest, 'stream_ids', k.stream_ids),
        'The job finish_handoffs takes them: see whether a driver runs it, and whether anybody has room for them. The repair runs what is due.',
        'select * from {{ api }}.run_due_jobs()'
    from stuck as k
    union all
    select 'warning', 'streams_stalled', 'instance ' || t.instance_id,
        'it runs ' || t.running || ' streams and hears nothing of ' || t.streams,
        jsonb_build_object('stalled', t.streams, 'running', t.running, 'oldest_silent_since', t.oldest, 'stream_ids', t.stream_ids),
        case
            when t.streams >= t.running then 'All of its streams are silent: its machine or network is at fault, not the stations. The repair hands them to others.'
            else 'They are restarted where they are, then moved, by themselves. Listen to the stations: they may be off the air.'
        end,
        case when t.streams >= t.running then format('select * from {{ api }}.drain_instance(%L, %L)', t.instance_id, 'every stream of it is silent') end
    from stalled as t
    union all
    select 'warning', 'station_failing', 'stream ' || f.stream_id, f.name || ' failed on instance after instance: none can hear it',
        jsonb_build_object(
            'name', f.name, 'url', {{ private }}.redact(f.url), 'source', f.source, 'found_at', f.found_at, 'last_failed_at', f.last_failed_at,
            'failures', f.failures, 'evidence', f.evidence, 'stations_failing', f.stations
        ),
        'Correct its address where it comes from (source ' || f.source || '). The repair switches it off until then.',
        format('select * from {{ api }}.set_stream_active(%s, false)', f.stream_id)
    from failing as f
$function$;
comment on function {{ private }}.findings_streams() is 'Findings: streams that are stuck in a hand-over, stalled, or fail everywhere.';
