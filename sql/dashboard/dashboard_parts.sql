-- Parts of http_dashboard(): each a part of the page. Moments are ISO 8601, durations seconds.
-- Reads     the public views

create or replace function {{ private }}.dashboard_instances(p_limit integer)
    returns jsonb
    language sql volatile
as $function$
    -- where there are too many, those that need a look are shown
    with shown as (
        select i.*
        from {{ api }}.instances as i
        where i.status <> 'removed'
        order by i.status in ('active', 'registered') and i.in_step and i.session_lost_at is null, i.instance_id
        limit p_limit
    )
    select coalesce(jsonb_agg(
        jsonb_build_object(
            'instance_id', s.instance_id, 'status', s.status, 'status_since', s.status_since,
            'streams', s.assigned_streams, 'max_streams', s.max_streams, 'incoming', s.incoming, 'outgoing', s.outgoing,
            'load_percentage', s.load_percentage, 'fair_share', s.fair_share,
            'last_heartbeat', s.last_heartbeat,
            'in_step', s.in_step, 'session_lost_at', s.session_lost_at, 'suspended_until', s.suspended_until,
            'standing_order', s.standing_order, 'keeps_streams', s.keeps_streams and s.status <> 'inactive', 'probation_until', s.probation_until, 'stalled_streams', s.stalled_streams,
            'cpu_usage', s.cpu_usage, 'memory_usage', s.memory_usage, 'version', s.version, 'location', s.location
        )
        order by s.instance_id
    ), '[]')
    from shown as s
$function$;
comment on function {{ private }}.dashboard_instances(integer) is 'The instances of the dashboard, at most so many.';

create or replace function {{ private }}.dashboard_handovers(p_limit integer)
    returns jsonb
    language sql volatile
as $function$
    with shown as (
        select a.stream_id, s.name, a.instance_id, a.next_instance_id, a.releasing_since
        from {{ private }}.assignment as a
        join {{ private }}.stream as s on s.stream_id = a.stream_id
        where a.releasing_since is not null
        order by a.releasing_since, a.stream_id
        limit p_limit
    )
    select coalesce(jsonb_agg(
        jsonb_build_object(
            'stream_id', s.stream_id, 'name', s.name, 'from', s.instance_id, 'to', s.next_instance_id, 'since', s.releasing_since
        )
        order by s.releasing_since, s.stream_id
    ), '[]')
    from shown as s
$function$;
comment on function {{ private }}.dashboard_handovers(integer) is 'The hand-overs in flight, the oldest first, at most so many.';

create or replace function {{ private }}.dashboard_decisions(p_limit integer)
    returns jsonb
    language sql volatile
as $function$
    with shown as (
        select d.* from {{ private }}.decision as d order by d.decision_id desc limit p_limit
    )
    select coalesce(jsonb_agg(
        jsonb_build_object(
            'decision_id', s.decision_id, 'decided_at', s.decided_at, 'rule', s.rule, 'trigger', s.trigger, 'actor', s.actor,
            'reason', s.reason, 'moves', s.moves, 'least_moves', s.least_moves, 'still_waiting', s.still_waiting,
            'thresholds', coalesce(s.detail -> 'thresholds', '{}'),
            'loads', coalesce((
                select jsonb_agg(l.load order by l.place)
                from jsonb_array_elements(s.detail -> 'loads') with ordinality as l(load, place)
                where l.place <= 50
            ), '[]'),
            'detail', s.detail - '{loads,thresholds,instances_notified}'::text[]
        )
        order by s.decision_id desc
    ), '[]')
    from shown as s
$function$;
comment on function {{ private }}.dashboard_decisions(integer) is 'The last so many decisions, with what they went by.';

create or replace function {{ private }}.dashboard_alerts(p_limit integer)
    returns jsonb
    language sql volatile
as $function$
    -- those that are open, the worst first, and those that were closed within the hour
    with shown as (
        select a.*, row_number() over (
            order by a.resolved_at desc nulls first, {{ private }}.severity_rank(a.severity) desc, a.opened_at desc, a.alert_id
        ) as place
        from {{ private }}.alert as a
        where a.resolved_at is null or a.resolved_at > {{ private }}.now() - interval '1 hour'
        order by place
        limit p_limit
    )
    select coalesce(jsonb_agg(
        jsonb_build_object(
            'alert_id', s.alert_id, 'code', s.code, 'subject', s.subject, 'severity', s.severity, 'message', s.message,
            'opened_at', s.opened_at, 'acknowledged_at', s.acknowledged_at, 'acknowledged_by', s.acknowledged_by, 'resolved_at', s.resolved_at
        )
        order by s.place
    ), '[]')
    from shown as s
$function$;
comment on function {{ private }}.dashboard_alerts(integer) is 'The alerts that are open, and those that were closed within the hour; at most so many.';

create or replace function {{ private }}.dashboard_jobs()
    returns jsonb
    language sql volatile
as $function$
    select jsonb_agg(
        jsonb_build_object(
            'job', j.job, 'schedule', j.schedule, 'enabled', j.enabled, 'next_run_at', j.next_run_at, 'last_started_at', j.last_started_at,
            'last_duration', extract(epoch from j.last_duration), 'last_outcome', j.last_outcome, 'runs', j.runs, 'failures', j.failures,
            'consecutive_failures', j.consecutive_failures, 'description', j.description,
            'overdue', j.enabled and greatest(j.next_run_at, j.claimed_until) < {{ private }}.now() - interval '30 seconds'
        )
        order by j.job
    )
    from {{ private }}.job as j
$function$;
comment on function {{ private }}.dashboard_jobs() is 'The jobs, and whether they are half a minute overdue.';

create or replace function {{ private }}.dashboard_coverage()
    returns jsonb
    language sql volatile
as $function$
    -- of the whole day, so that nothing changes while nothing is lost
    select jsonb_build_object(
        'day', to_char({{ private }}.today() at time zone 'UTC', 'YYYY-MM-DD'),
        'target', round(100 * {{ private }}.setting_number('coverage_target')::numeric, 3),
        'percentage', coalesce(round((100 * (1 - (c.uncovered + c.uncertain) / nullif(c.whole_day, 0)))::numeric, 3), 100),
        'lost', round((c.uncovered + c.uncertain)::numeric, 1),
        'causes', c.causes,
        'worst', coalesce((
            select jsonb_agg(w.value || jsonb_build_object('name', s.name) order by w.place)
            from jsonb_array_elements(c.worst) with ordinality as w(value, place)
            left join {{ private }}.stream as s on s.stream_id = (w.value ->> 'stream_id')::bigint
        ), '[]')
    )
    from {{ private }}.coverage_of_day({{ private }}.today()) as c
$function$;
comment on function {{ private }}.dashboard_coverage() is 'What was not heard of this day (in UTC) so far, by cause, with the ten worst streams.';

create or replace function {{ private }}.dashboard_history(p_for interval, p_points integer)
    returns jsonb
    language sql volatile
as $function$
    -- of each part of the time the worst, so that no peak is lost
    with part as (
        select
            date_bin(p_for / p_points, s.sampled_at, timestamptz '2000-01-01') as at,
            min(s.streams_held) as held, max(s.streams_waiting) as waiting, max(s.streams_handed_over) as handed_over,
            min(s.capacity) as capacity, max(s.imbalance) as imbalance, min(s.serving_instances) as serving, max(s.lost_instances) as lost
        from {{ private }}.fleet_sample as s
        where s.sampled_at > (select {{ private }}.now() - p_for) -- asked once, so that the index is of use
        group by 1
    )
    select coalesce(jsonb_agg(to_jsonb(p) order by p.at), '[]') from part as p
$function$;
comment on function {{ private }}.dashboard_history(interval, integer) is 'The fleet over the last time, in so many parts: the least held, capacity and serving, the most waiting, handed over, imbalanced and lost of each.';

create or replace function {{ private }}.dashboard_verdict(p_health jsonb, p_findings jsonb)
    returns text
    language sql volatile
as $function$
    -- what health() says, and no better than the worst alert that is open; a warning of diagnose() alone is not trouble yet
    select case
        when p_health @@ '$[*].status == "unhealthy"' or p_findings @@ '$[*].severity == "critical"' or a.worst = 3 then 'unhealthy'
        when p_health @@ '$[*].status == "degraded"' or a.worst = 2 then 'degraded'
        else 'healthy'
    end
    from (select max({{ private }}.severity_rank(t.severity)) as worst from {{ private }}.alert as t where t.resolved_at is null) as a
$function$;
comment on function {{ private }}.dashboard_verdict(jsonb, jsonb) is 'How the fleet is, in a word: healthy, degraded or unhealthy.';
