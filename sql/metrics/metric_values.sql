-- What metrics() shows, a function per subject: rows of metric, labels, value (of a histogram the sum) and counts of buckets.
-- Reads     metric, metric_count, instance, instance_load, heartbeat, assignment, controller, alert, job, source, schema_migration

create or replace function {{ private }}.metrics_counted()
    returns table (metric text, labels jsonb, value double precision, counts bigint[])
    language sql volatile
as $function$
    select
        c.metric, case when m.labels = '{}' then jsonb '{}' else jsonb_build_object(m.labels[1], c.label) end, c.value, c.counts
    from {{ private }}.metric_count as c
    join {{ private }}.metric as m on m.metric = c.metric
$function$;
comment on function {{ private }}.metrics_counted() is 'What decisions, failures and round trips have counted.';

create or replace function {{ private }}.metrics_of_instances()
    returns table (metric text, labels jsonb, value double precision, counts bigint[])
    language sql volatile
as $function$
    select v.metric, v.labels, v.value, null::bigint[]
    from {{ private }}.instance as i
    join {{ private }}.instance_load as l on l.instance_id = i.instance_id
    join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
    cross join (select {{ private }}.now() as now) as n
    cross join lateral (select jsonb_build_object('instance_id', i.instance_id) as labels) as who
    cross join lateral (
        values
        ('orchestrator_beats_total', who.labels, h.beats::double precision),
        ('orchestrator_beats_missed_total', who.labels, h.missed),
        ('orchestrator_instance_streams', who.labels, l.owned),
        ('orchestrator_instance_max_streams', who.labels, i.max_streams),
        ('orchestrator_instance_immovable_streams', who.labels, case when i.keeps_streams and i.is_living then l.owned end),
        ('orchestrator_instance_load_ratio', who.labels, l.owned / i.max_streams::double precision),
        ('orchestrator_instance_silence_seconds', who.labels, extract(epoch from n.now - h.beat_at)),
        ('orchestrator_instance_cpu_ratio', who.labels, h.cpu_usage / 100),
        ('orchestrator_instance_memory_ratio', who.labels, h.memory_usage / 100),
        ('orchestrator_instance_clock_difference_seconds', who.labels, extract(epoch from h.beat_at - h.sent_at)),
        ('orchestrator_instance_processed_total', who.labels, h.processed_count),
        ('orchestrator_instance_errors_total', who.labels, h.error_count),
        (
            'orchestrator_instance_info',
            who.labels || jsonb_build_object('status', i.status, 'version', coalesce(i.version, ''), 'location', coalesce(i.location, '')), 1
        )
    ) as v (metric, labels, value)
    where i.status <> 'removed' and v.value is not null
$function$;
comment on function {{ private }}.metrics_of_instances() is 'What is known of each instance that is not removed.';

create or replace function {{ private }}.metrics_of_jobs()
    returns table (metric text, labels jsonb, value double precision, counts bigint[])
    language sql volatile
as $function$
    select v.metric, jsonb_build_object('job_name', j.job), v.value, v.counts
    from {{ private }}.job as j
    cross join lateral (
        values
        ('orchestrator_job_duration_seconds', j.duration_sum, j.duration_counts),
        ('orchestrator_job_lag_seconds', j.lag_sum, j.lag_counts),
        ('orchestrator_job_failures_total', j.failures, null)
    ) as v (metric, value, counts)
$function$;
comment on function {{ private }}.metrics_of_jobs() is 'How long the jobs took, how late they began and how often they failed.';

create or replace function {{ private }}.metrics_of_sources()
    returns table (metric text, labels jsonb, value double precision, counts bigint[])
    language sql volatile
as $function$
    select v.metric, jsonb_build_object('source', s.source), v.value, v.counts
    from {{ private }}.source as s
    cross join lateral (
        values
        ('orchestrator_sync_duration_seconds', s.sync_sum, s.sync_counts),
        ('orchestrator_source_failures', s.consecutive_failures, null),
        ('orchestrator_source_success_timestamp_seconds', extract(epoch from s.last_success_at), null)
    ) as v (metric, value, counts)
    where s.enabled and s.kind <> 'manual' and v.value is not null
$function$;
comment on function {{ private }}.metrics_of_sources() is 'How long the synchronisation of each source takes, and whether it succeeds.';

create or replace function {{ private }}.metrics_of_the_fleet()
    returns table (metric text, labels jsonb, value double precision, counts bigint[])
    language sql volatile
as $function$
    with fleet as materialized (
        select f.capacity, f.load, f.imbalance from {{ private }}.http_fleet_row() as f
    ),
    stream as materialized (
        select t.* from {{ private }}.http_stream_counts() as t
    ),
    system as materialized (
        select s.* from {{ private }}.http_system_row() as s
    )
    select 'orchestrator_instances', jsonb_build_object('status', k.status), count(i.instance_id)::double precision, null::bigint[]
    from (select distinct t.to_status as status from {{ private }}.instance_transition as t) as k
    left join {{ private }}.instance as i on i.status = k.status
    group by k.status
    union all
    select 'orchestrator_streams', jsonb_build_object('state', v.state), v.streams, null
    from stream as t
    cross join lateral (
        values
        ('idle', t.inactive), ('waiting', t.waiting), ('assigned', t.assigned - t.running - t.releasing),
        ('running', t.running), ('releasing', t.releasing)
    ) as v (state, streams)
    union all
    select 'orchestrator_standbys', jsonb_build_object('hears', k.hears), count(s.number), null
    from (values ('no', 'assigned'), ('yes', 'hearing')) as k (hears, state)
    left join {{ private }}.standby as s on s.state = k.state
    group by k.hears
    union all
    select 'orchestrator_open_alerts', jsonb_build_object('severity', k.severity), count(a.alert_id), null
    from (values ('info'), ('warning'), ('critical')) as k (severity)
    left join {{ private }}.alert as a on a.severity = k.severity and a.resolved_at is null
    group by k.severity
    union all
    select
        'orchestrator_info',
        jsonb_build_object('migration', max(g.version)::text, 'postgresql', split_part(current_setting('server_version'), ' ', 1)), 1, null
    from {{ private }}.schema_migration as g
    union all
    select v.metric, '{}', v.value, null
    from fleet as f
    cross join system as s
    cross join lateral (
        values
        ('orchestrator_capacity_streams', f.capacity::double precision),
        ('orchestrator_load_ratio', f.load / 100),
        ('orchestrator_imbalance_ratio', f.imbalance / 100),
        ('orchestrator_balancing_paused', s.is_paused::integer),
        ('orchestrator_last_balanced_timestamp_seconds', extract(epoch from s.last_balanced_at)),
        ('orchestrator_start_time_seconds', extract(epoch from {{ private }}.server_started_at())),
        ('orchestrator_drivers', s.drivers),
        ('orchestrator_recovery_mode', s.is_recovering::integer),
        ('orchestrator_jobs_overdue', s.jobs_overdue),
        ('orchestrator_jobs_failing', s.jobs_failing)
    ) as v (metric, value)
    where v.value is not null
$function$;
comment on function {{ private }}.metrics_of_the_fleet() is 'How the fleet as a whole stands.';

create or replace function {{ private }}.metric_series(p_with_instances boolean)
    returns table (
        metric text, part text, kind text, unit text, help text, bounds double precision[], labels jsonb, value double precision,
        counts bigint[]
    )
    language sql volatile
as $function$
    with found as (
        select v.* from {{ private }}.metrics_counted() as v
        union all
        select v.* from {{ private }}.metrics_of_instances() as v where p_with_instances
        union all
        select v.* from {{ private }}.metrics_of_jobs() as v
        union all
        select v.* from {{ private }}.metrics_of_sources() as v
        union all
        select v.* from {{ private }}.metrics_of_the_fleet() as v
    )
    select
        m.metric, m.part, m.kind, m.unit, m.help, m.bounds, f.labels, f.value,
        case when m.kind = 'histogram' then coalesce(f.counts, array_fill(0::bigint, array[cardinality(m.bounds) + 1])) end
    from found as f
    join {{ private }}.metric as m on m.metric = f.metric
$function$;
comment on function {{ private }}.metric_series(boolean) is 'All that is measured with its definition; with or without what belongs to one instance each.';

create or replace function {{ private }}.http_buckets(p_bounds double precision[], p_counts bigint[])
    returns jsonb
    language sql immutable
as $function$
    select jsonb_object_agg(b.bound, b.count)
    from (
        select coalesce(p_bounds[u.place]::text, '+Inf') as bound, sum(u.count) over (order by u.place) as count
        from unnest(p_counts) with ordinality as u(count, place)
    ) as b
$function$;
comment on function {{ private }}.http_buckets(double precision[], bigint[]) is 'How many observations were at most each of a histogram''s bounds.';

create or replace function {{ private }}.http_series()
    returns jsonb
    language sql volatile
as $function$
    with series as (
        select
            s.part, s.metric,
            jsonb_agg(
                jsonb_build_object('labels', s.labels) || case
                    when s.kind = 'histogram' then jsonb_build_object(
                        'count', (select sum(u.n) from unnest(s.counts) as u(n)), 'sum', s.value,
                        'buckets', {{ private }}.http_buckets(s.bounds, s.counts)
                    )
                    else jsonb_build_object('value', s.value)
                end
                order by s.labels
            ) as rows
        from {{ private }}.metric_series(false) as s
        group by s.part, s.metric
    )
    select jsonb_object_agg(p.part, p.series)
    from (select s.part, jsonb_object_agg(s.metric, s.rows) as series from series as s group by s.part) as p
$function$;
comment on function {{ private }}.http_series() is 'What is measured and does not belong to one instance, by the part of GET /metrics and by name.';
