-- Findings of diagnose(): settings that make no sense, alone or together. set_setting refuses what breaks the timing
-- inequalities; what is found here was written past it, came with an upgrade, or is allowed and unwise.
--   setting_out_of_bounds   a value that set_setting would refuse
--   settings_contradict     values that do not fit together
--   lease_too_short         an instance's own limit of silence is shorter than two beats
--   lease_too_long          it is longer than max_lease: the instance is refused when it registers next
-- Reads     setting, instance

create or replace function {{ private }}.timing_settings()
    returns table (reset text, to_default text, is_right boolean)
    language sql volatile
as $function$
    with timing as (
        select s.name, s.value::interval as value, s.default_value::interval as default_value, s.default_value as written
        from {{ private }}.setting as s
        where s.name in ('heartbeat_interval', 'heartbeat_warning', 'heartbeat_timeout', 'removal_timeout', 'max_lease')
    ),
    -- the five as they are (reset is null), and with one of them at its default
    tried as (
        select r.name as reset, r.written, t.name, case when t.name = r.name then t.default_value else t.value end as value
        from timing as t
        cross join (select null as name, null as written union all select d.name, d.written from timing as d) as r
    ),
    five as (
        select
            t.reset, t.written,
            max(t.value) filter (where t.name = 'heartbeat_interval') as beat,
            max(t.value) filter (where t.name = 'heartbeat_warning') as warning,
            max(t.value) filter (where t.name = 'heartbeat_timeout') as timeout,
            max(t.value) filter (where t.name = 'removal_timeout') as removal,
            max(t.value) filter (where t.name = 'max_lease') as max_lease
        from tried as t
        group by t.reset, t.written
    )
    select
        f.reset, f.written,
        2 * f.beat <= least(f.warning, f.max_lease) and f.warning < f.timeout and greatest(f.timeout, f.max_lease) < f.removal
    from five as f
$function$;
comment on function {{ private }}.timing_settings() is 'Whether the timing inequalities hold, as things are (reset is null) and with one setting at its default.';

create or replace function {{ private }}.findings_settings()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with setting as materialized (
        select s.name, s.value, s.default_value, s.minimum, s.maximum, s.allowed, s.kind from {{ private }}.setting as s
    ),
    duration as materialized (
        select jsonb_object_agg(s.name, s.value) as all_of_them from setting as s where s.kind = 'interval'
    ),
    d as materialized (
        select
            (a.all_of_them ->> 'heartbeat_interval')::interval as heartbeat_interval,
            (a.all_of_them ->> 'heartbeat_timeout')::interval as heartbeat_timeout,
            (a.all_of_them ->> 'max_lease')::interval as max_lease,
            (a.all_of_them ->> 'restart_grace')::interval as restart_grace,
            (a.all_of_them ->> 'handoff_timeout')::interval as handoff_timeout,
            (a.all_of_them ->> 'transaction_timeout')::interval as transaction_timeout,
            (a.all_of_them ->> 'network_timeout')::interval as network_timeout,
            (a.all_of_them ->> 'stall_timeout')::interval as stall_timeout,
            (a.all_of_them ->> 'alert_reminder')::interval as alert_reminder,
            (a.all_of_them ->> 'alert_message_interval')::interval as alert_message_interval
        from duration as a
    ),
    unwise as (
        select r.name, r.other, r.why, r.better
        from d
        cross join lateral (
            values
            ('restart_grace', 'heartbeat_interval', d.restart_grace < d.heartbeat_interval, 'after a restart sessions are believed before all have beaten', 2 * d.heartbeat_interval),
            ('handoff_timeout', 'heartbeat_timeout', d.handoff_timeout >= d.heartbeat_timeout, 'a hand-over would wait for an owner that is lost meanwhile', d.heartbeat_timeout / 2),
            ('transaction_timeout', 'lock_timeout (5 s)', d.transaction_timeout <= interval '5 seconds', 'a call that waits for a lock is ended before it can give up', interval '30 seconds'),
            ('network_timeout', 'heartbeat_timeout', d.network_timeout >= d.heartbeat_timeout, 'a worker that waits for an answer is lost before it has waited', d.heartbeat_timeout / 2),
            ('stall_timeout', 'heartbeat_interval', d.stall_timeout < d.heartbeat_interval, 'a stalled stream is told with a beat, and not before', d.heartbeat_interval),
            ('alert_message_interval', 'alert_reminder', d.alert_message_interval >= d.alert_reminder, 'every message would be a reminder', d.alert_reminder / 2)
        ) as r(name, other, is_unwise, why, better)
        where r.is_unwise
    ),
    short as (
        select i.instance_id, i.lease, d.heartbeat_interval
        from {{ private }}.instance as i cross join d
        where i.is_living and i.lease < 2 * d.heartbeat_interval
    ),
    long as (
        select i.instance_id, i.lease, d.max_lease
        from {{ private }}.instance as i cross join d
        where i.is_living and i.lease > d.max_lease
    )
    select 'critical', 'settings_contradict', 'settings of heartbeats',
        'they break 2 × heartbeat_interval ≤ heartbeat_warning < heartbeat_timeout < removal_timeout, or 2 × heartbeat_interval ≤ max_lease < removal_timeout',
        (
            select jsonb_object_agg(s.name, s.value) from setting as s
            where s.name in ('heartbeat_interval', 'heartbeat_warning', 'heartbeat_timeout', 'removal_timeout', 'max_lease')
        ),
        'Instances are warned of or lost while they are well, or not when they are gone. The repair resets the one setting that mends it; without one, reset them by hand.',
        (
            select format('select * from {{ api }}.set_setting(%L, %L)', f.reset, f.to_default)
            from {{ private }}.timing_settings() as f where f.is_right and f.reset is not null
            order by f.reset
            limit 1
        )
    from {{ private }}.timing_settings() as t
    where t.reset is null and not t.is_right
    union all
    select 'warning', 'settings_contradict', 'setting ' || u.name, 'it does not fit ' || u.other || ': ' || u.why,
        jsonb_build_object(u.name, (select s.value from setting as s where s.name = u.name), u.other, (select s.value from setting as s where s.name = u.other)),
        'Change one of the two.',
        format('select * from {{ api }}.set_setting(%L, %L)', u.name, u.better)
    from unwise as u
    union all
    select 'warning', 'lease_too_short', 'instance ' || s.instance_id, 'its lease is ' || s.lease || ', shorter than two beats: one lost beat, and it is lost',
        jsonb_build_object('lease', s.lease, 'heartbeat_interval', s.heartbeat_interval),
        'Start it with a longer lease; or let all beat more often, as the repair does.',
        format('select * from {{ api }}.set_setting(%L, %L)', 'heartbeat_interval', greatest(date_trunc('second', s.lease / 2), interval '1 second'))
    from short as s
    union all
    select 'warning', 'lease_too_long', 'instance ' || l.instance_id,
        'its lease is ' || l.lease || ', longer than max_lease: gone, it is not lost for so long, and it is refused when it registers next',
        jsonb_build_object('lease', l.lease, 'max_lease', l.max_lease),
        'Start it with a shorter lease; or allow leases of this length, as the repair does.',
        format('select * from {{ api }}.set_setting(%L, %L)', 'max_lease', l.lease)
    from long as l
$function$;
comment on function {{ private }}.findings_settings() is 'Findings: settings that make no sense, alone or together.';

create or replace function {{ private }}.setting_is_right(p_setting {{ private }}.setting)
    returns boolean
    language plpgsql stable
as $function$
begin
    return case (p_setting).kind
        when 'interval' then (p_setting).value::interval between (p_setting).minimum::interval and (p_setting).maximum::interval
        when 'integer' then (p_setting).value::integer between (p_setting).minimum::numeric and (p_setting).maximum::numeric
        when 'number' then (p_setting).value::numeric between (p_setting).minimum::numeric and (p_setting).maximum::numeric
        when 'boolean' then (p_setting).value::boolean is not null
        else (p_setting).value = any((p_setting).allowed)
    end;
exception
    when data_exception then
        return false;
end
$function$;
comment on function {{ private }}.setting_is_right({{ private }}.setting) is 'Whether the value is one of its kind, and within its bounds.';

create or replace function {{ private }}.findings_bounds()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    select 'critical', 'setting_out_of_bounds', 'setting ' || s.name,
        'its value is ' || s.value || ', and it may be ' || coalesce('from ' || s.minimum || ' to ' || s.maximum, array_to_string(s.allowed, ', ')),
        jsonb_build_object('value', s.value, 'default', s.default_value, 'minimum', s.minimum, 'maximum', s.maximum, 'allowed', s.allowed),
        'What reads it may fail. The repair sets its default.',
        format('select * from {{ api }}.set_setting(%L, %L)', s.name, s.default_value)
    from {{ private }}.setting as s
    where not {{ private }}.setting_is_right(s)
$function$;
comment on function {{ private }}.findings_bounds() is 'Findings: settings whose values cannot be read, or are out of bounds.';
