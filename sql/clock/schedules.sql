-- When a job is next due. A schedule is an interval ('1 second') or five cron fields in UTC ('17 3 * * *'): minute, hour, day
-- of the month, month, day of the week (0 or 7 is Sunday), each *, n, n-m, */s, n-m/s or a list of those. As in cron, when both
-- days are restricted (neither begins with *) either may match.
-- Reads     its arguments only

create or replace function {{ private }}.cron_values(p_field text, p_minimum integer, p_maximum integer)
    returns integer[]
    language plpgsql immutable
as $function$
declare
    v_part text;
    v_match text[];
    v_from integer;
    v_to integer;
    v_values integer[] := array[]::integer[];
begin
    foreach v_part in array string_to_array(p_field, ',') loop
        v_match := regexp_match(v_part, '^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?$');
        v_from := coalesce(v_match[1]::integer, p_minimum);
        v_to := coalesce(v_match[2]::integer, case when v_match[1] is null or v_match[3] is not null then p_maximum else v_from end);
        if v_match is null or v_from < p_minimum or v_to > p_maximum or v_from > v_to or v_match[3]::integer = 0 then
            raise exception using
                errcode = 'OR101',
                message = 'bad argument',
                detail = jsonb_build_object('argument', 'schedule', 'given', p_field)::text,
                hint = format('a cron field is *, n, n-m, */s, n-m/s or a list of those, within %s-%s', p_minimum, p_maximum);
        end if;
        v_values := v_values || array(select generate_series(v_from, v_to, coalesce(v_match[3]::integer, 1)));
    end loop;
    return v_values;
end
$function$;
comment on function {{ private }}.cron_values(text, integer, integer) is 'The numbers that one cron field means; OR101 when it means none.';

create or replace function {{ private }}.next_cron_time(p_schedule text, p_after timestamptz)
    returns timestamptz
    language plpgsql immutable
as $function$
declare
    v_fields text[] := regexp_split_to_array(btrim(p_schedule), '\s+');
    v_minutes integer[] := {{ private }}.cron_values(v_fields[1], 0, 59);
    v_hours integer[] := {{ private }}.cron_values(v_fields[2], 0, 23);
    v_days integer[] := {{ private }}.cron_values(v_fields[3], 1, 31);
    v_months integer[] := {{ private }}.cron_values(v_fields[4], 1, 12);
    v_weekdays integer[] := {{ private }}.cron_values(v_fields[5], 0, 7);
    v_after timestamp := date_trunc('minute', p_after at time zone 'UTC');
    v_next timestamp;
begin
    -- twelve years hold every date on every weekday, a 29 February nearly so
    with matching as (
        select d.day
        from generate_series(date_trunc('day', v_after), date_trunc('day', v_after) + interval '12 years', interval '1 day') as d(day)
        where extract(month from d.day) = any(v_months)
            and case
                when left(v_fields[3], 1) <> '*' and left(v_fields[5], 1) <> '*'
                    then extract(day from d.day) = any(v_days) or {{ private }}.is_weekday(d.day, v_weekdays)
                else extract(day from d.day) = any(v_days) and {{ private }}.is_weekday(d.day, v_weekdays)
            end
        order by d.day
        limit 2 -- the first may be today and its last minute over
    )
    select min(m.day + make_interval(hours => h.hour, mins => n.minute))
    into v_next
    from matching as m
    cross join unnest(v_hours) as h(hour)
    cross join unnest(v_minutes) as n(minute)
    where m.day + make_interval(hours => h.hour, mins => n.minute) > v_after;
    return v_next at time zone 'UTC';
end
$function$;
comment on function {{ private }}.next_cron_time(text, timestamptz) is 'The first minute after a time that five cron fields match, in UTC; null when there is none.';

create or replace function {{ private }}.is_weekday(p_day timestamp, p_weekdays integer[])
    returns boolean
    language sql immutable
begin atomic
    select extract(dow from p_day)::integer = any(p_weekdays) or (extract(dow from p_day) = 0 and 7 = any(p_weekdays));
end;
comment on function {{ private }}.is_weekday(timestamp, integer[]) is 'Whether a day is one of these cron weekdays.';

create or replace function {{ private }}.is_cron(p_schedule text)
    returns boolean
    language sql immutable
begin atomic
    select btrim(p_schedule) ~ '^\S+(\s+\S+){4}$';
end;
comment on function {{ private }}.is_cron(text) is 'Whether a schedule has five fields; else it is an interval.';

create or replace function {{ private }}.next_run(p_schedule text, p_was_due timestamptz, p_now timestamptz)
    returns timestamptz
    language plpgsql immutable
as $function$
begin
    if {{ private }}.is_cron(p_schedule) then
        return coalesce({{ private }}.next_cron_time(p_schedule, p_now), 'infinity');
    end if;
    -- on its beat, but a beat that was missed is not made up for; nor is one waited for that a clock said which went back
    return least(greatest(p_was_due + p_schedule::interval, p_now + p_schedule::interval / 2), p_now + p_schedule::interval);
end
$function$;
comment on function {{ private }}.next_run(text, timestamptz, timestamptz) is 'When a job with this schedule is due after a run that was due at a time and has run now.';

create or replace function {{ private }}.check_schedule(p_schedule text)
    returns void
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_next timestamptz;
begin
    if length(p_schedule) > 200 then
        perform {{ private }}.require_argument('schedule', false, to_jsonb(left(p_schedule, 200)), 'at most 200 characters');
    elsif not {{ private }}.is_cron(p_schedule) then
        perform {{ private }}.require_interval('schedule', p_schedule::interval, '100 milliseconds', '10 years')
        where p_schedule is not null;
    end if;
    v_next := {{ private }}.next_run(p_schedule, v_now, v_now);
    if v_next > v_now + interval '10 years' then
        perform {{ private }}.require_argument(
            'schedule', false, to_jsonb(p_schedule), 'a job runs within ten years; schedule_job(…, p_enabled => false) switches it off'
        );
    end if;
exception
    when data_exception then
        perform {{ private }}.require_argument(
            'schedule', false, to_jsonb(p_schedule), 'an interval such as 10 seconds, or five cron fields such as 17 3 * * *'
        );
end
$function$;
comment on function {{ private }}.check_schedule(text) is 'Refuse (OR101) what is no schedule.';
