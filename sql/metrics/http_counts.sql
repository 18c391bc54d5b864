-- Numbers that several answers of the HTTP face hold.
-- Reads     instance, instance_load, heartbeat, assignment, controller, alert, job

create or replace function {{ private }}.http_instance_rows()
    returns table (
        instance_id text, status text, max_streams integer, streams integer, load_percentage numeric, may_have_streams boolean,
        processed bigint, errors bigint, performance numeric, cpu_usage real, memory_usage real,
        registered_at timestamptz, last_heartbeat timestamptz, location text, version text, streams_changed_at timestamptz,
        beats bigint, missed integer, last_sent timestamptz, may_be_moved boolean
    )
    language sql volatile
as $function$
    select
        i.instance_id, i.status, i.max_streams, l.owned, round(100.0 * l.owned / i.max_streams, 1),
        i.is_living and i.status <> 'draining' and i.standing_order is null,
        h.processed_count, h.error_count,
        -- the part of its work that succeeds, as the strategy performance weighs it
        round(coalesce(h.processed_count / nullif(h.processed_count + h.error_count, 0)::numeric, 1), 3),
        h.cpu_usage, h.memory_usage,
        i.registered_at, h.beat_at, i.location, i.version, l.changed_at,
        h.beats, h.missed, h.sent_at, i.placement = 'push'
    from {{ private }}.instance as i
    join {{ private }}.instance_load as l on l.instance_id = i.instance_id
    join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
    where i.status <> 'removed'
$function$;
comment on function {{ private }}.http_instance_rows() is 'The instances that are known and not removed, with their loads and what their beats said.';

create or replace function {{ private }}.http_fleet_row()
    returns table (
        total integer, active integer, inactive integer, warning integer, capacity bigint, streams bigint, load numeric, imbalance numeric
    )
    language sql volatile
as $function$
    select
        count(*)::integer,
        count(*) filter (where i.status <> 'inactive' and i.status <> 'warning')::integer,
        count(*) filter (where i.status = 'inactive')::integer,
        count(*) filter (where i.status = 'warning')::integer,
        coalesce(sum(i.max_streams) filter (where i.may_have_streams), 0),
        coalesce(sum(i.streams) filter (where i.status <> 'inactive'), 0),
        round(coalesce(100.0 * sum(i.streams) filter (where i.status <> 'inactive') / nullif(sum(i.max_streams) filter (where i.may_have_streams), 0), 0), 1),
        coalesce(
            max(i.load_percentage) filter (where i.may_have_streams and i.may_be_moved)
            - min(i.load_percentage) filter (where i.may_have_streams and i.may_be_moved), 0
        )
    from {{ private }}.http_instance_rows() as i
$function$;
comment on function {{ private }}.http_fleet_row() is 'The fleet in one row; load and imbalance in percent of capacity.';

create or replace function {{ private }}.http_stream_counts()
    returns table (total bigint, active bigint, inactive bigint, assigned bigint, running bigint, releasing bigint, waiting bigint)
    language sql volatile
as $function$
    -- what a lost instance keeps, because no other could take it, waits
    with held as (
        select case when i.status = 'inactive' then 'waiting' else a.state end as state
        from {{ private }}.assignment as a
        left join {{ private }}.instance as i on i.instance_id = a.instance_id
    )
    select
        count(*),
        count(*) filter (where h.state <> 'idle'),
        count(*) filter (where h.state = 'idle'),
        count(*) filter (where h.state in ('assigned', 'running', 'releasing')),
        count(*) filter (where h.state = 'running'),
        count(*) filter (where h.state = 'releasing'),
        count(*) filter (where h.state = 'waiting')
    from held as h
$function$;
comment on function {{ private }}.http_stream_counts() is 'The streams in one row; assigned are those that an instance has which is not lost, also while they are handed over.';

create or replace function {{ private }}.http_uptime()
    returns double precision
    language sql volatile
as $function$
    select round(extract(epoch from {{ private }}.now() - {{ private }}.on_this_clock({{ private }}.server_started_at())))::double precision
$function$;
comment on function {{ private }}.http_uptime() is 'For how many seconds the database server, which is the orchestrator, has been up.';

create or replace function {{ private }}.drivers_connected()
    returns bigint
    language sql volatile
as $function$
    select count(*)
    from pg_stat_activity as s
    -- the one connection of a driver that listens; those that it opens for a purpose name that as well
    where s.datname = current_database() and s.application_name ~ '^orchestrator:run [^ ]+$'
$function$;
comment on function {{ private }}.drivers_connected() is 'How many drivers have a connection to this database.';

create or replace function {{ private }}.http_system_row()
    returns table (
        open_alerts bigint, jobs_failing bigint, jobs_overdue bigint, drivers bigint, is_paused boolean, is_recovering boolean,
        last_balanced_at timestamptz
    )
    language sql volatile
as $function$
    select
        (select count(*) from {{ private }}.alert as a where a.resolved_at is null),
        j.failing,
        j.overdue,
        {{ private }}.drivers_connected(),
        c.paused_at is not null,
        c.recovery_since is not null,
        c.last_balanced_at
    from {{ private }}.controller as c
    cross join (
        select
            count(*) filter (where j.consecutive_failures > 0) as failing,
            -- a job that runs at this moment is not overdue
            count(*) filter (where greatest(j.next_run_at, j.claimed_until) < {{ private }}.now() - interval '30 seconds') as overdue
        from {{ private }}.job as j
        where j.enabled
    ) as j
$function$;
comment on function {{ private }}.http_system_row() is 'How the system stands in one row: alerts, jobs, drivers, brakes.';
