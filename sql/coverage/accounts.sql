-- What the record of gaps says of a time. Every figure of coverage comes from here; the view coverage alone counts by day itself.
-- Reads     gap, open_gap, active_time, assignment, heartbeat, setting

create or replace function {{ private }}.gaps_between(p_from timestamptz, p_to timestamptz)
    returns table (
        stream_id bigint, cause text, why text, instance_id text, began_at timestamptz, sure_at timestamptz, ended_at timestamptz
    )
    language sql stable
as $function$
    select
        g.stream_id, g.cause, g.why, g.instance_id, greatest(g.began_at, p_from), least(greatest(g.sure_at, g.began_at, p_from), p_to),
        least(g.ended_at, p_to)
    from {{ private }}.gap as g
    where g.ended_at > p_from and g.began_at < p_to
    union all
    select
        g.stream_id, g.cause, g.why, g.instance_id, greatest(g.began_at, p_from), least(greatest(g.sure_at, g.began_at, p_from), p_to), p_to
    from {{ private }}.open_gap as g
    where g.began_at < p_to
$function$;
comment on function {{ private }}.gaps_between(timestamptz, timestamptz) is 'The gaps of a time that is not later than now, as far as they lie in it: uncertain from began_at, uncovered from sure_at to ended_at.';

create or replace function {{ private }}.active_between(p_from timestamptz, p_to timestamptz)
    returns table (active_time_id bigint, stream_id bigint, began_at timestamptz, ended_at timestamptz, last_owner text)
    language sql stable
as $function$
    select t.active_time_id, t.stream_id, greatest(t.began_at, p_from), least(coalesce(t.ended_at, p_to), p_to), t.instance_id
    from {{ private }}.active_time as t
    where t.began_at < p_to and (t.ended_at is null or t.ended_at > p_from)
$function$;
comment on function {{ private }}.active_between(timestamptz, timestamptz) is 'When streams should have been heard within a time that is not later than now.';

create or replace function {{ private }}.silent_owners()
    returns text[]
    language sql stable
as $function$
    select coalesce(array_agg(h.instance_id), '{}') from {{ private }}.heartbeat as h where h.progressing is null
$function$;
comment on function {{ private }}.silent_owners() is 'Instances that do not say with which streams they make progress: callbacks that report nothing, and those that speak HTTP.';

create or replace function {{ private }}.unwitnessed_between(p_from timestamptz, p_to timestamptz, p_owners text[])
    returns table (stream_id bigint, seconds double precision)
    language sql stable
as $function$
    -- what lies before a gap belongs to the owner that it ended; what lies after the last, to the one there is
    with mark as (
        select g.stream_id, g.instance_id as owner, g.began_at as until, g.ended_at as since
        from {{ private }}.gaps_between(p_from, p_to) as g
        union all
        select t.stream_id, null, t.began_at, t.began_at from {{ private }}.active_between(p_from, p_to) as t
        union all
        select
            t.stream_id,
            coalesce(
                (
                    select g.instance_id from {{ private }}.gap as g
                    where g.stream_id = t.stream_id and g.ended_at > p_to and g.began_at >= p_to
                    order by g.ended_at
                    limit 1
                ),
                t.last_owner, a.instance_id
            ),
            t.ended_at, t.ended_at
        from {{ private }}.active_between(p_from, p_to) as t
        left join {{ private }}.assignment as a on a.stream_id = t.stream_id
    ),
    part as (
        select m.stream_id, m.owner, m.until, lag(m.since) over (partition by m.stream_id order by m.until, m.since) as since
        from mark as m
    )
    select p.stream_id, extract(epoch from sum(p.until - p.since))::double precision
    from part as p
    where p.owner = any(p_owners) and p.until > p.since
    group by p.stream_id
$function$;
comment on function {{ private }}.unwitnessed_between(timestamptz, timestamptz, text[]) is 'For how long these owners had which streams between their gaps.';

create or replace function {{ private }}.kept_from(p_from timestamptz)
    returns timestamptz
    language sql stable
as $function$
    select greatest(p_from, {{ private }}.now() - {{ private }}.setting_interval('history_retention'))
$function$;
comment on function {{ private }}.kept_from(timestamptz) is 'From when on gaps are kept, not before this moment.';

create or replace function {{ private }}.coverage_of_day(p_day timestamptz)
    returns table (whole_day double precision, uncovered double precision, uncertain double precision, worst jsonb, causes jsonb)
    language sql stable
as $function$
    with lost as materialized (
        select
            g.stream_id, g.cause, extract(epoch from sum(g.ended_at - g.sure_at))::double precision as uncovered,
            extract(epoch from sum(g.sure_at - g.began_at))::double precision as uncertain
        from {{ private }}.gaps_between(p_day, least({{ private }}.now(), p_day + interval '24 hours')) as g
        group by g.stream_id, g.cause
    )
    select t.whole_day, coalesce(c.uncovered, 0), coalesce(c.uncertain, 0), coalesce(w.worst, '[]'), coalesce(c.causes, '{}')
    from (
        -- what is active now stays so
        select coalesce(sum({{ private }}.seconds_between(greatest(a.began_at, p_day), least(a.ended_at, p_day + interval '24 hours'))), 0) as whole_day
        from {{ private }}.active_time as a
        where a.began_at < p_day + interval '24 hours' and (a.ended_at is null or a.ended_at > p_day)
    ) as t
    cross join (
        select
            sum(k.uncovered) as uncovered, sum(k.uncertain) as uncertain,
            jsonb_object_agg(k.cause, round((k.uncovered + k.uncertain)::numeric, 1)) as causes
        from (select l.cause, sum(l.uncovered) as uncovered, sum(l.uncertain) as uncertain from lost as l group by l.cause) as k
    ) as c
    cross join (
        select jsonb_agg(jsonb_build_object('stream_id', s.stream_id, 'seconds', round(s.seconds::numeric, 1)) order by s.seconds desc, s.stream_id) as worst
        from (
            select l.stream_id, sum(l.uncovered + l.uncertain) as seconds from lost as l group by l.stream_id order by 2 desc, 1 limit 10
        ) as s
    ) as w
$function$;
comment on function {{ private }}.coverage_of_day(timestamptz) is 'Seconds of all streams in the day that begins at this moment: expected in the whole day as it looks now, uncovered and uncertain so far, with the ten worst streams and the causes.';

create or replace function {{ private }}.today()
    returns timestamptz
    language sql stable
as $function$
    select date_trunc('day', {{ private }}.now(), 'UTC')
$function$;
comment on function {{ private }}.today() is 'When this day began, in UTC.';
