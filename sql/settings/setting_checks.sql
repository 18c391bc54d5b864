-- What a setting may be, alone and together with the others.
-- Reads     setting

create or replace function {{ private }}.refuse_setting(p_name text, p_value text, p_why text, p_hint text)
    returns void
    language plpgsql volatile
as $function$
begin
    raise exception using
        errcode = 'OR108',
        message = 'the setting cannot have this value',
        detail = jsonb_build_object('name', p_name, 'value', {{ private }}.redact(p_value), 'why', p_why)::text,
        hint = p_hint;
end
$function$;
comment on function {{ private }}.refuse_setting(text, text, text, text) is 'Refuse with OR108.';

create or replace function {{ private }}.setting_value(p_setting {{ private }}.setting, p_value text)
    returns text
    language plpgsql volatile
as $function$
declare
    v_name text := (p_setting).name;
    v_bounds text := format('from %s to %s', (p_setting).minimum, (p_setting).maximum);
begin
    if p_value is null then
        perform {{ private }}.refuse_setting(v_name, p_value, 'a setting has a value', 'its default is ' || (p_setting).default_value);
    elsif (p_setting).kind = 'interval' then
        if p_value::interval not between (p_setting).minimum::interval and (p_setting).maximum::interval
            or not {{ private }}.is_plain(p_value::interval)
        then
            perform {{ private }}.refuse_setting(v_name, p_value, 'out of bounds', v_bounds);
        end if;
        return p_value::interval::text;
    elsif (p_setting).kind in ('integer', 'number') then
        if p_value::numeric not between (p_setting).minimum::numeric and (p_setting).maximum::numeric or p_value::numeric = 'NaN' then
            perform {{ private }}.refuse_setting(v_name, p_value, 'out of bounds', v_bounds);
        elsif (p_setting).kind = 'integer' and p_value::numeric <> trunc(p_value::numeric) then
            perform {{ private }}.refuse_setting(v_name, p_value, 'not an integer', v_bounds);
        end if;
        return p_value::numeric::text;
    elsif (p_setting).kind = 'boolean' then
        return p_value::boolean::text;
    elsif not p_value = any((p_setting).allowed) then
        perform {{ private }}.refuse_setting(v_name, p_value, 'not one of the allowed values', array_to_string((p_setting).allowed, ', '));
    end if;
    return p_value;
exception
    when data_exception then
        perform {{ private }}.refuse_setting(v_name, p_value, 'not a value of kind ' || (p_setting).kind, coalesce(v_bounds, 'for example ' || (p_setting).default_value));
        return null; -- refused
end
$function$;
comment on function {{ private }}.setting_value({{ private }}.setting, text) is 'The value in its canonical form, or OR108.';

create or replace function {{ private }}.check_settings()
    returns void
    language plpgsql volatile
as $function$
declare
    v_interval interval := {{ private }}.setting_interval('heartbeat_interval');
    v_warning interval := {{ private }}.setting_interval('heartbeat_warning');
    v_timeout interval := {{ private }}.setting_interval('heartbeat_timeout');
    v_removal interval := {{ private }}.setting_interval('removal_timeout');
    v_max_lease interval := {{ private }}.setting_interval('max_lease');
    v_broken text;
begin
    -- 2 × heartbeat_interval ≤ heartbeat_warning: one lost beat is no reason to worry
    v_broken := case
        when 2 * v_interval > v_warning
            then format('2 × heartbeat_interval ≤ heartbeat_warning (2 × %s ≤ %s)', v_interval, v_warning)
        when v_warning >= v_timeout then format('heartbeat_warning < heartbeat_timeout (%s < %s)', v_warning, v_timeout)
        when v_timeout >= v_removal then format('heartbeat_timeout < removal_timeout (%s < %s)', v_timeout, v_removal)
        -- else no instance could have a lease, or one would be forgotten before it is over
        when 2 * v_interval > v_max_lease then format('2 × heartbeat_interval ≤ max_lease (2 × %s ≤ %s)', v_interval, v_max_lease)
        when v_max_lease >= v_removal then format('max_lease < removal_timeout (%s < %s)', v_max_lease, v_removal)
    end;
    if v_broken is not null then
        raise exception using
            errcode = 'OR108',
            message = 'the settings would not fit together: ' || v_broken,
            detail = jsonb_build_object(
                'broken', v_broken, 'heartbeat_interval', v_interval, 'heartbeat_warning', v_warning,
                'heartbeat_timeout', v_timeout, 'removal_timeout', v_removal, 'max_lease', v_max_lease
            )::text,
            hint = 'change the other setting first, or choose a value that keeps the inequality';
    end if;
end
$function$;
comment on function {{ private }}.check_settings() is 'Refuse (OR108) settings that break the timing inequalities.';

create or replace function {{ private }}.standbys_are_on()
    returns boolean
    language sql stable
begin atomic
    select
        exists (select from {{ private }}.setting as s where s.name = 'standbys' and s.value = '1')
        or exists (select from {{ private }}.stream as t where t.standby);
end;
comment on function {{ private }}.standbys_are_on() is 'Whether any stream is to have a standby.';

create or replace function {{ private }}.least_standby_window()
    returns table (window_length interval, reason text)
    language sql stable
as $function$
    select n.noticed_after + interval '15 seconds', n.reason
    from (
        values
        ({{ private }}.setting_interval('disconnect_grace'), 'disconnect_grace'),
        ({{ private }}.setting_interval('standby_takeover'), 'standby_takeover'),
        ({{ private }}.setting_interval('stall_timeout') + {{ private }}.setting_interval('heartbeat_interval'), 'stall_timeout + heartbeat_interval'),
        ({{ private }}.setting_interval('restart_grace'), 'restart_grace'),
        (
            (select max(i.lease) from {{ private }}.instance as i where i.is_living and i.stop_within is not null),
            'the longest lease of an instance that stops by itself'
        )
    ) as n(noticed_after, reason)
    where n.noticed_after is not null
    order by n.noticed_after desc
    limit 1
$function$;
comment on function {{ private }}.least_standby_window() is 'How long standby_window has to be at least, and for what: by whichever rule an owner is lost, its standby still has what was heard before.';

create or replace function {{ private }}.check_standby_window()
    returns void
    language plpgsql volatile
as $function$
declare
    v_window interval := {{ private }}.setting_interval('standby_window');
    v_least record;
    v_broken text;
begin
    select l.window_length, l.reason into v_least from {{ private }}.least_standby_window() as l;
    if v_window < v_least.window_length then
        v_broken := format('%s + 15 seconds ≤ standby_window (%s ≤ %s)', v_least.reason, v_least.window_length, v_window);
        raise exception using
            errcode = 'OR108',
            message = 'the settings would not fit together: ' || v_broken,
            detail = jsonb_build_object('broken', v_broken, 'standby_window', v_window, 'at_least', v_least.window_length)::text,
            hint = 'change the other setting first, or choose a value that keeps the inequality';
    end if;
end
$function$;
comment on function {{ private }}.check_standby_window() is 'Refuse (OR108) a window of standbys that is shorter than a loss can take to be noticed.';
