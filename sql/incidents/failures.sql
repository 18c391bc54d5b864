-- Failures: how many, whose, how many in a row, and of what kind (R4). A failure is a call or a round that failed in the end,
-- not each of its tries. Refusals that are answers (OR1xx the caller's mistake, OR4xx refused by policy) are none.
-- Times come as ages, so that no two clocks have to agree.
-- Reporters  an instance's id; driver:NAME, job:NAME, source:NAME
-- Locks      failure_count, failure_streak (the reporter's own), incident_pattern, alert (the reporter's own), metric_count, in this order;
--            the rows of each in the order of their keys: callers who report the same at once wait and never deadlock
-- Writes     failure_count, failure_streak, incident_pattern, alert, alert_delivery, metric_count

create or replace function {{ private }}.pattern_of(p_message text)
    returns text
    language plpgsql immutable parallel safe
as $function$
declare
    v_text text := {{ private }}.redact(left(p_message, 2000));
begin
    v_text := regexp_replace(v_text, '[[:alpha:]][[:alnum:]+.-]*://\S+', '<address>', 'g');
    v_text := regexp_replace(v_text, '(?<![[:alnum:]])''[^'']*''|"[^"]*"|«[^»]*»|“[^”]*”', '<text>', 'g');
    v_text := regexp_replace(v_text, '\m[[:xdigit:]]{8}-[[:xdigit:]]{4}-[[:xdigit:]]{4}-[[:xdigit:]]{4}-[[:xdigit:]]{12}\M', '<uuid>', 'g');
    v_text := regexp_replace(v_text, '\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?(Z|UTC|[+-]\d\d(:?\d\d)?))?)?', '<time>', 'g');
    v_text := regexp_replace(v_text, '\d{1,3}(\.\d{1,3}){3}(:\d+)?|(?<![[:alnum:]:])([[:xdigit:]]{0,4}:){2,7}[[:xdigit:]]{1,4}', '<address>', 'g');
    v_text := regexp_replace(v_text, '\m0x[[:xdigit:]]+\M|\m(?=[a-fA-F]*\d)[[:xdigit:]]{8,}\M', '<hex>', 'g');
    v_text := regexp_replace(v_text, '\d+(\.\d+)?', '<n>', 'g');
    v_text := btrim(regexp_replace(v_text, '\s+', ' ', 'g'));
    return left(coalesce(nullif(v_text, ''), 'no message'), 300);
end
$function$;
comment on function {{ private }}.pattern_of(text) is 'A message with placeholders for what differs from one occurrence to the next: numbers, quoted texts, addresses, times and identifiers.';

create or replace function {{ private }}.note_patterns(p_reporter text, p_incidents jsonb)
    returns void
    language plpgsql volatile
as $function$
declare
    v_most constant integer := 10000;
    v_new boolean;
begin
    with noted as (
        insert into {{ private }}.incident_pattern as p (pattern, sqlstate, occurrences, first_seen_at, last_seen_at, example)
        select
            i.pattern, i.sqlstate, sum(i.occurrences), min(i.first_seen_at), max(i.last_seen_at),
            (array_agg(i.example order by i.last_seen_at desc))[1]
        from (
            select
                {{ private }}.pattern_of(e.message) as pattern,
                coalesce(substring(e.sqlstate from '^[0-9A-Z]{5}$'), '') as sqlstate,
                coalesce(e.occurrences, 1) as occurrences,
                coalesce(e.first_seen_at, {{ private }}.now()) as first_seen_at,
                coalesce(e.last_seen_at, {{ private }}.now()) as last_seen_at,
                {{ private }}.redact_in(
                    jsonb_build_object('reporter', p_reporter, 'function', e.function, 'message', e.message, 'detail', e.detail)
                ) as example
            from jsonb_to_recordset(p_incidents) as e(
                "function" text, sqlstate text, message text, detail text, occurrences bigint,
                first_seen_at timestamptz, last_seen_at timestamptz
            )
        ) as i
        group by i.pattern, i.sqlstate
        order by i.pattern, i.sqlstate
        on conflict (pattern, sqlstate) do update
        set
            occurrences = p.occurrences + excluded.occurrences,
            first_seen_at = least(p.first_seen_at, excluded.first_seen_at),
            last_seen_at = greatest(p.last_seen_at, excluded.last_seen_at),
            example = excluded.example
        returning p.xmax = 0 as is_new
    )
    select bool_or(n.is_new) into v_new from noted as n;
    if v_new then
        -- texts without end are bounded by number: what was not seen for longest goes, but for what a session is writing
        delete from {{ private }}.incident_pattern as p
        where (p.pattern, p.sqlstate) in (
            select o.pattern, o.sqlstate
            from {{ private }}.incident_pattern as o
            order by o.last_seen_at
            limit greatest((select count(*) from {{ private }}.incident_pattern) - v_most, 0)
            for update skip locked
        );
    end if;
end
$function$;
comment on function {{ private }}.note_patterns(text, jsonb) is 'Count these incidents by their patterns: [{"function", "sqlstate", "message", "detail", "occurrences", "first_seen_at", "last_seen_at"}]. No more than 10,000 patterns are kept.';

create or replace function {{ private }}.read_failures(p_failures jsonb, p_now timestamptz)
    returns table (
        "function" text, sqlstate text, message text, detail text, occurrences bigint,
        first_seen_at timestamptz, last_seen_at timestamptz, consecutive integer, is_over boolean
    )
    language sql stable
as $function$
    select
        left(f.function, 200), f.sqlstate, left(f.message, 4000), left(f.detail, 4000), f.occurrences,
        p_now - greatest(f.first_ago, f.last_ago) * interval '1 second', p_now - least(f.first_ago, f.last_ago) * interval '1 second',
        f.consecutive, f.is_over
    from (
        select
            e.function, e.sqlstate, e.message, e.detail,
            -- no client fails a million times between two reports, nor remembers more than a day
            least(greatest(coalesce(e.count, 1), 1), 1000000)::bigint as occurrences,
            least(greatest(coalesce(e.consecutive, 1), 0), 1000000)::integer as consecutive,
            least(greatest(coalesce(e.first_ago, e.last_ago, 0), 0), 86400)::float8 as first_ago,
            least(greatest(coalesce(e.last_ago, 0), 0), 86400)::float8 as last_ago,
            coalesce(e.over, false) as is_over
        from jsonb_to_recordset(p_failures) as e(
            "function" text, sqlstate text, message text, detail text, "count" numeric, first_ago numeric, last_ago numeric,
            consecutive numeric, "over" boolean
        )
    ) as f
    where coalesce(f.sqlstate, '') !~ '^OR[14]'
$function$;
comment on function {{ private }}.read_failures(jsonb, timestamptz) is 'Failures as a reporter tells them, with its ages as times; without refusals, which are answers.';

create or replace function {{ private }}.check_failures(p_failures jsonb)
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.require_argument(
        'p_failures', case when jsonb_typeof(p_failures) = 'array' then jsonb_array_length(p_failures) <= 100 end,
        to_jsonb(left(p_failures::text, 200)), 'an array of at most 100 failures'
    );
    perform {{ private }}.read_failures(p_failures, {{ private }}.now());
exception
    when data_exception then
        raise exception using
            errcode = 'OR101',
            message = 'bad argument',
            detail = jsonb_build_object('argument', 'p_failures', 'given', left(p_failures::text, 200), 'problem', left(sqlerrm, 200))::text,
            hint = 'objects with function, sqlstate, message and detail (texts), count, first_ago, last_ago (seconds), consecutive (numbers) and over (boolean)';
end
$function$;
comment on function {{ private }}.check_failures(jsonb) is 'Refuse (OR101) a report of failures that cannot be read.';

create or replace function {{ private }}.failure_bucket(p_at timestamptz)
    returns timestamptz
    language sql immutable parallel safe
begin atomic
    select date_bin('10 seconds', p_at, timestamptz '2000-01-01 00:00:00+00');
end;
comment on function {{ private }}.failure_bucket(timestamptz) is 'The ten seconds that a moment belongs to.';

create or replace function {{ private }}.count_failures(p_reporter text, p_failures jsonb, p_now timestamptz)
    returns bigint
    language sql volatile
as $function$
    -- those that were many are spread evenly over the time between the first and the last, in steps of ten seconds
    with told as (
        select
            f.occurrences, {{ private }}.failure_bucket(f.first_seen_at) as first_bucket,
            (extract(epoch from {{ private }}.failure_bucket(f.last_seen_at) - {{ private }}.failure_bucket(f.first_seen_at)) / 10)::bigint + 1 as buckets
        from {{ private }}.read_failures(p_failures, p_now) as f
    ),
    spread as (
        select
            t.first_bucket + n.n * interval '10 seconds' as bucket,
            (n.n + 1) * t.occurrences / t.buckets - n.n * t.occurrences / t.buckets as failures
        from told as t
        cross join lateral generate_series(0, t.buckets - 1) as n(n)
    ),
    counted as (
        insert into {{ private }}.failure_count as c (bucket, reporter, failures)
        select s.bucket, p_reporter, least(sum(s.failures), 1000000000)
        from spread as s
        where s.failures > 0 and s.bucket > p_now - interval '1 hour'
        group by s.bucket
        order by s.bucket
        on conflict (bucket, reporter) do update set failures = least(c.failures::bigint + excluded.failures, 1000000000)
    )
    select coalesce(sum(t.occurrences), 0)::bigint from told as t
$function$;
comment on function {{ private }}.count_failures(text, jsonb, timestamptz) is 'Count failures into the ten seconds in which they happened, an hour back at most; returns how many there were in all.';

create or replace function {{ private }}.streak_condition(p_streak {{ private }}.failure_streak)
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql stable
as $function$
    select
        'consecutive_failures', (p_streak).reporter, 'critical',
        (p_streak).reporter || ' failed ' || (p_streak).consecutive || ' times in a row',
        jsonb_strip_nulls(jsonb_build_object(
            'consecutive', (p_streak).consecutive, 'began_at', (p_streak).began_at, 'last_failed_at', (p_streak).last_failed_at,
            'ended_at', (p_streak).ended_at, 'last_error', (p_streak).last_error
        ))
$function$;
comment on function {{ private }}.streak_condition({{ private }}.failure_streak) is 'What an alert says of failures in a row.';

create or replace function {{ private }}.note_streak(p_reporter text, p_failures jsonb, p_now timestamptz)
    returns void
    language plpgsql volatile
as $function$
declare
    v_streak {{ private }}.failure_streak;
begin
    insert into {{ private }}.failure_streak as s (reporter, consecutive, began_at, last_failed_at, ended_at, last_error)
    select
        p_reporter, max(f.consecutive), min(f.first_seen_at), max(f.last_seen_at), case when bool_and(f.is_over) then p_now end,
        (array_agg(
            {{ private }}.redact_in(jsonb_build_object('function', f.function, 'sqlstate', f.sqlstate, 'message', f.message))
            order by f.consecutive desc, f.last_seen_at desc
        ))[1]
    from {{ private }}.read_failures(p_failures, p_now) as f
    having count(*) > 0
    on conflict (reporter) do update
    set
        -- while it lasts it is told again and again, each time longer; what ended is followed by a new one
        consecutive = case when s.ended_at is null then greatest(s.consecutive, excluded.consecutive) else excluded.consecutive end,
        began_at = case when s.ended_at is null then least(s.began_at, excluded.began_at) else excluded.began_at end,
        last_failed_at = greatest(s.last_failed_at, excluded.last_failed_at),
        ended_at = excluded.ended_at,
        last_error = excluded.last_error
    returning * into v_streak;
    -- told at once, also when it is over already: the database itself may have been what could not be reached
    if v_streak.consecutive > {{ private }}.setting_number('consecutive_failures_alert') then
        perform {{ private }}.open_alert(c.code, c.subject, c.severity, c.message, c.detail)
        from {{ private }}.streak_condition(v_streak) as c;
    end if;
end
$function$;
comment on function {{ private }}.note_streak(text, jsonb, timestamptz) is 'How many failures in a row a reporter has seen; too many open an alert at once (R4.2).';

create or replace function {{ private }}.record_call_failures(p_reporter text, p_failures jsonb)
    returns bigint
    language plpgsql volatile
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_counted bigint := {{ private }}.count_failures(p_reporter, p_failures, v_now);
begin
    if v_counted > 0 then
        perform {{ private }}.note_patterns(
            p_reporter, (select jsonb_agg(to_jsonb(f)) from {{ private }}.read_failures(p_failures, v_now) as f)
        );
    end if;
    return v_counted;
end
$function$;
comment on function {{ private }}.record_call_failures(text, jsonb) is 'Count failures and their patterns: [{"function", "sqlstate", "message", "detail", "count", "first_ago", "last_ago"}], ages in seconds.';

create or replace function {{ private }}.count_retries(p_failures jsonb)
    returns void
    language plpgsql volatile
as $function$
begin
    insert into {{ private }}.metric_count as c (metric, label, value)
    select 'orchestrator_retries_total', f.class, sum(f.occurrences)
    from (
        select
            r.occurrences,
            case
                when r.sqlstate ~ '^(OR2|55P03|40001|40P01)' then 'contention'
                when r.sqlstate is null or r.sqlstate ~ '^(08|57P0[123]|53300)' then 'unavailable'
                when r.sqlstate ~ '^OR3' then 'fenced'
                else 'other'
            end as class
        from {{ private }}.read_failures(p_failures, {{ private }}.now()) as r
    ) as f
    group by f.class
    order by f.class
    on conflict (metric, label) do update set value = c.value + excluded.value;
end
$function$;
comment on function {{ private }}.count_retries(jsonb) is 'Calls failed and were left for later: how many of which class. The last thing that a report writes.';

create or replace function {{ private }}.report_failures_of(p_reporter text, p_failures jsonb)
    returns table (recorded integer, recovery boolean)
    language plpgsql volatile
as $function$
declare
    v_recorded bigint;
begin
    perform {{ private }}.check_failures(p_failures);
    v_recorded := {{ private }}.record_call_failures(p_reporter, p_failures);
    perform {{ private }}.note_streak(p_reporter, p_failures, {{ private }}.now());
    perform {{ private }}.count_retries(p_failures);
    return query select v_recorded::integer, c.recovery_since is not null from {{ private }}.controller as c;
end
$function$;
comment on function {{ private }}.report_failures_of(text, jsonb) is 'What report_failures and record_failures do: count, patterns, failures in a row.';
