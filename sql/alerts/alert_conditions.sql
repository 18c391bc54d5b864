-- What is wrong now: a function per kind of alert, each returning the alerts that should be open. Where a figure wavers about
-- its limit, an alert that is open stays so until the figure is clearly below it.
-- Reads     instance, heartbeat, source, assignment, job, controller, failure_streak, activity_sample, station_fault, alert

create or replace function {{ private }}.alert_is_open(p_code text, p_subject text)
    returns boolean
    language sql stable
begin atomic
    select exists (select from {{ private }}.alert as a where a.code = p_code and a.subject = p_subject and a.resolved_at is null);
end;
comment on function {{ private }}.alert_is_open(text, text) is 'Whether this alert is open.';

create or replace function {{ private }}.no_active_instance()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    -- an instance was there once, and none has beaten for so long, whichever its status; the time of a server that was
    -- itself away does not count
    select
        'no_active_instance', '', 'critical', 'no instance has been active for ' || {{ private }}.setting_text('no_instance_alert'),
        jsonb_build_object('last_active_at', max(h.beat_at), 'waiting', {{ private }}.count_waiting(1000))
    from {{ private }}.heartbeat as h
    having greatest(max(h.beat_at), case when max(h.beat_at) is not null then {{ private }}.on_this_clock({{ private }}.server_started_at()) end)
        <= {{ private }}.now() - {{ private }}.setting_interval('no_instance_alert')
$function$;
comment on function {{ private }}.no_active_instance() is 'Alert: no instance has beaten for no_instance_alert.';

create or replace function {{ private }}.lost_sources()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select
        'source_lost', s.source, 'critical', 'the source could not be synchronised ' || s.consecutive_failures || ' times in a row',
        jsonb_build_object('last_success_at', s.last_success_at, 'last_error', {{ private }}.redact_in(s.last_error))
    from {{ private }}.source as s
    where s.enabled and s.consecutive_failures >= 3
$function$;
comment on function {{ private }}.lost_sources() is 'Alert, for each source: it could not be synchronised three times in a row.';

create or replace function {{ private }}.waiting_streams()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select
        'streams_waiting', '', 'warning', 'streams wait for an instance with room and ability',
        jsonb_build_object('waiting', {{ private }}.count_waiting(1000), 'oldest', w.oldest)
    from (
        select min(a.waiting_since) as oldest
        from (
            select a.waiting_since
            from {{ private }}.assignment as a
            where a.waiting_since is not null
            order by a.requirement_id, a.waiting_since, a.stream_id -- as the index has them, so that it is read and not the table
            limit 1000
        ) as a
        union all
        -- what lost instances keep because no other can take it
        select min(i.status_changed_at)
        from {{ private }}.instance as i
        join {{ private }}.instance_load as l on l.instance_id = i.instance_id
        where i.status = 'inactive' and l.owned > 0
        order by oldest
        limit 1
    ) as w
    where w.oldest <= {{ private }}.now() - {{ private }}.setting_interval('streams_waiting_alert')
$function$;
comment on function {{ private }}.waiting_streams() is 'Alert: streams have waited for streams_waiting_alert.';

create or replace function {{ private }}.error_rates()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    -- what was done between two samples; counters that went back began anew with a new process
    with step as (
        select
            s.instance_id, s.processed_count, s.error_count, lag(s.processed_count) over samples as processed_before,
            lag(s.error_count) over samples as errors_before
        from {{ private }}.activity_sample as s
        where s.sampled_at >= {{ private }}.now() - interval '5 minutes'
        window samples as (partition by s.instance_id order by s.sampled_at)
    ),
    done as (
        select
            d.instance_id,
            d.processed_count - case when d.is_new then 0 else d.processed_before end as processed,
            d.error_count - case when d.is_new then 0 else d.errors_before end as errors
        from (select s.*, s.processed_count < s.processed_before or s.error_count < s.errors_before as is_new from step as s) as d
        where d.processed_before is not null
    ),
    -- of each instance, and of the fleet
    rate as (
        select
            coalesce(d.instance_id, '') as subject, sum(d.errors) as errors, sum(d.processed + d.errors) as work,
            sum(d.errors) / nullif(sum(d.processed + d.errors), 0) as rate
        from done as d
        group by grouping sets ((d.instance_id), ())
    )
    select
        'error_rate', r.subject, 'warning',
        format('%s%% of the work of %s failed in the last 5 minutes', round(100 * r.rate, 1), coalesce(nullif(r.subject, ''), 'the fleet')),
        jsonb_build_object('errors', r.errors, 'work', r.work, 'rate', round(r.rate, 4))
    from rate as r
    where r.work >= 20
        and r.rate > {{ private }}.setting_number('error_rate_alert') * case when {{ private }}.alert_is_open('error_rate', r.subject) then 0.8 else 1 end
$function$;
comment on function {{ private }}.error_rates() is 'Alert, for each instance and for the fleet: more than error_rate_alert of the last five minutes'' work failed, of twenty pieces at least. Over below 80 % of that.';

create or replace function {{ private }}.short_memories()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select
        'memory', i.instance_id, 'warning', format('%s uses %s%% of its memory', i.instance_id, round(h.memory_usage::numeric)),
        jsonb_build_object('memory_usage', h.memory_usage, 'limit', l.most)
    from {{ private }}.instance as i
    join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
    cross join (select {{ private }}.setting_number('memory_alert') as most) as l
    where i.is_living
        and h.memory_usage > l.most - case when {{ private }}.alert_is_open('memory', i.instance_id) then 5 else 0 end
$function$;
comment on function {{ private }}.short_memories() is 'Alert, for each live instance: it uses more memory than memory_alert. Over five points below that.';

create or replace function {{ private }}.no_driver()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select
        'no_driver', '', 'critical', 'no driver runs: jobs have been due for ' || date_trunc('second', o.overdue),
        jsonb_build_object('overdue', date_trunc('second', o.overdue), 'job', o.job)
    from {{ private }}.overdue_job() as o
$function$;
comment on function {{ private }}.no_driver() is 'Alert: jobs of the database have been due for no_driver_alert, and no driver runs them. Opened by a beat, as no job can.';

create or replace function {{ private }}.failing_calls()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    -- a reporter that has fallen silent says nothing either way
    select c.*
    from {{ private }}.failure_streak as s
    cross join lateral {{ private }}.streak_condition(s) as c
    where s.ended_at is null
        and s.consecutive > {{ private }}.setting_number('consecutive_failures_alert')
        and s.last_failed_at > {{ private }}.now() - interval '10 minutes'
$function$;
comment on function {{ private }}.failing_calls() is 'Alert, for each reporter: more failures in a row than consecutive_failures_alert, the last of them within ten minutes (R4.2).';

create or replace function {{ private }}.recovery_is_on()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select
        'recovery_mode', '', 'warning', 'too much fails: balancing is frozen until it has been quiet for ' || {{ private }}.setting_text('recovery_quiet_time'),
        c.recovery_detail || jsonb_build_object('recovery_since', c.recovery_since)
    from {{ private }}.controller as c
    where c.recovery_since is not null
$function$;
comment on function {{ private }}.recovery_is_on() is 'Alert: recovery mode is on (R4.3).';

create or replace function {{ private }}.failing_jobs()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    -- without these three nothing fails over
    select
        'job_failing', j.job, case when j.consecutive_failures >= 10 and j.job in ('watch_instances', 'settle', 'finish_handoffs') then 'critical' else 'warning' end,
        'the job ' || j.job || ' failed ' || j.consecutive_failures || ' times in a row',
        jsonb_build_object('last_error', {{ private }}.redact_in(j.last_result))
    from {{ private }}.job as j
    where j.enabled and j.consecutive_failures >= 3
$function$;
comment on function {{ private }}.failing_jobs() is 'Alert, for each job: it failed three times in a row; critical after ten, when failover hangs on it.';

create or replace function {{ private }}.failing_stations()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select
        'station_failing', f.stream_id::text, 'warning', 'the station ' || left(s.name, 200) || ' fails on every instance that tries',
        jsonb_build_object('stream_id', f.stream_id, 'found_at', f.found_at, 'last_failed_at', f.last_failed_at, 'evidence', f.evidence)
    from {{ private }}.station_fault as f
    join {{ private }}.stream as s on s.stream_id = f.stream_id
$function$;
comment on function {{ private }}.failing_stations() is 'Alert, for each station that fails by its own fault.';

create or replace function {{ private }}.instances_on_probation()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select
        'instance_on_probation', i.instance_id, 'warning', i.instance_id || ' came and went too often and gets no streams that others have room for',
        jsonb_build_object('until', i.probation_until, 'crashes', i.crashes, 'losses', i.losses, 'last_lost_at', i.last_lost_at)
    from {{ private }}.instance as i
    where i.probation_until > {{ private }}.now() and i.status <> 'removed'
$function$;
comment on function {{ private }}.instances_on_probation() is 'Alert, for each instance on probation.';

create or replace function {{ private }}.stepped_clock()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select 'clock_stepped', '', 'warning', s.finding, s.detail from {{ private }}.recent_clock_steps() as s
$function$;
comment on function {{ private }}.stepped_clock() is 'Alert: the server''s clock stepped within the last hour.';

create or replace function {{ private }}.held_up_decisions()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select 'decisions_held_up', h.login, h.severity, h.finding, h.detail from {{ private }}.recent_hold_ups() as h
$function$;
comment on function {{ private }}.held_up_decisions() is 'Alert, for each login: its sessions kept decisions waiting within the last hour.';

create or replace function {{ private }}.full_notification_queue()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select
        'notify_queue_filling', '', 'warning', format(
            'the queue of notifications is %s %% full: workers get no hints and learn of changes at their beats', round((100 * q.used)::numeric)
        ),
        jsonb_build_object(
            'used', q.used,
            'longest_transaction', jsonb_build_object('pid', q.pid, 'login', q.login, 'program', q.application_name, 'database', q.database)
        )
    from {{ private }}.notification_queue() as q
    where q.used > case when {{ private }}.alert_is_open('notify_queue_filling', '') then 0.4 else 0.5 end
$function$;
comment on function {{ private }}.full_notification_queue() is 'Alert: the queue of notifications is more than half full, and hints are left out. Over below 40 %.';

create or replace function {{ private }}.days_below_target()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    -- what is lost so far is held against the whole day: a short gap soon after midnight is no bad day yet
    select
        'coverage_below_target', d.day, 'warning', format(
            'at most %s %% of %s can be covered: %s s of all streams were not heard, or it is not known',
            round((100 * (1 - (c.uncovered + c.uncertain) / nullif(c.whole_day, 0)))::numeric, 3), d.day, round((c.uncovered + c.uncertain)::numeric)
        ),
        jsonb_build_object(
            'day', d.day, 'target', l.target, 'expected', round(c.whole_day::numeric), 'uncovered', round(c.uncovered::numeric, 1),
            'uncertain', round(c.uncertain::numeric, 1), 'seconds_by_cause', c.causes, 'worst_streams', c.worst
        )
    from (
        select b.began_at, to_char(b.began_at at time zone 'UTC', 'YYYY-MM-DD') as day
        from (values ({{ private }}.today()), ({{ private }}.today() - interval '24 hours')) as b(began_at)
    ) as d
    cross join lateral {{ private }}.coverage_of_day(d.began_at) as c
    cross join (select {{ private }}.setting_number('coverage_target') as target) as l
    where c.uncovered + c.uncertain > (1 - l.target) * c.whole_day
$function$;
comment on function {{ private }}.days_below_target() is 'Alert, for this day and the one before (in UTC): so much of it was not heard that it falls below coverage_target.';

create or replace function {{ private }}.alert_conditions()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select c.* from {{ private }}.no_active_instance() as c
    union all
    select c.* from {{ private }}.lost_sources() as c
    union all
    select c.* from {{ private }}.waiting_streams() as c
    union all
    select c.* from {{ private }}.error_rates() as c
    union all
    select c.* from {{ private }}.short_memories() as c
    union all
    select c.* from {{ private }}.no_driver() as c
    union all
    select c.* from {{ private }}.failing_calls() as c
    union all
    select c.* from {{ private }}.recovery_is_on() as c
    union all
    select c.* from {{ private }}.failing_jobs() as c
    union all
    select c.* from {{ private }}.failing_stations() as c
    union all
    select c.* from {{ private }}.instances_on_probation() as c
    union all
    select c.* from {{ private }}.rivals_for_a_name() as c
    union all
    select c.* from {{ private }}.streams_heard_twice() as c
    union all
    select c.* from {{ private }}.clients_with_unknown_lists() as c
    union all
    select c.* from {{ private }}.http_server_is_away() as c
    union all
    select c.* from {{ private }}.capacities_out_of_range() as c
    union all
    select c.* from {{ private }}.stepped_clock() as c
    union all
    select c.* from {{ private }}.held_up_decisions() as c
    union all
    select c.* from {{ private }}.full_notification_queue() as c
    union all
    select c.* from {{ private }}.days_below_target() as c
$function$;
comment on function {{ private }}.alert_conditions() is 'What is wrong now, one row per alert that should be open.';
