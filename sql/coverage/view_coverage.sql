-- Reads     active_time, gap, open_gap, stream, setting
create or replace view {{ api }}.coverage as
with
kept as (
    select
        {{ private }}.now() as now,
        {{ private }}.now() - (select s.value::interval from {{ private }}.setting as s where s.name = 'history_retention') as since
),
-- days of UTC, in any time zone of the reader: a view shows the same to all
expected as (
    select
        t.stream_id,
        d.day,
        sum(extract(epoch from least(coalesce(t.ended_at, k.now), d.day + interval '24 hours') - greatest(t.began_at, k.since, d.day))) as seconds
    from {{ private }}.active_time as t
    cross join kept as k
    cross join lateral generate_series(date_trunc('day', greatest(t.began_at, k.since), 'UTC'), least(t.ended_at, k.now), interval '24 hours') as d (day)
    where coalesce(t.ended_at, k.now) > greatest(t.began_at, k.since, d.day)
    group by t.stream_id, d.day
),
gap as (
    select g.stream_id, g.began_at, g.sure_at, g.ended_at from {{ private }}.gap as g
    union all
    select g.stream_id, g.began_at, least(g.sure_at, k.now), k.now from {{ private }}.open_gap as g cross join kept as k
),
-- nearly every gap lies in one day
lost_within_a_day as (
    select
        g.stream_id,
        date_trunc('day', g.began_at, 'UTC') as day,
        count(*) as gaps,
        extract(epoch from sum(g.ended_at - g.sure_at)) as uncovered,
        extract(epoch from sum(g.sure_at - g.began_at)) as uncertain
    from gap as g
    cross join kept as k
    where g.began_at >= k.since and g.ended_at <= date_trunc('day', g.began_at, 'UTC') + interval '24 hours'
    group by g.stream_id, date_trunc('day', g.began_at, 'UTC')
),
lost_over_midnight as (
    select
        g.stream_id,
        d.day,
        count(*) as gaps,
        sum(extract(epoch from greatest(interval '0', least(g.ended_at, d.day + interval '24 hours') - greatest(g.sure_at, d.day, k.since)))) as uncovered,
        sum(extract(epoch from greatest(interval '0', least(g.sure_at, d.day + interval '24 hours') - greatest(g.began_at, d.day, k.since)))) as uncertain
    from gap as g
    cross join kept as k
    cross join lateral generate_series(date_trunc('day', greatest(g.began_at, k.since), 'UTC'), least(g.ended_at, k.now), interval '24 hours') as d (day)
    where
        g.ended_at > greatest(k.since, d.day)
        and not (g.began_at >= k.since and g.ended_at <= date_trunc('day', g.began_at, 'UTC') + interval '24 hours')
    group by g.stream_id, d.day
),
lost as (
    select
        l.stream_id,
        l.day,
        sum(l.gaps) as gaps,
        sum(l.uncovered) as uncovered,
        sum(l.uncertain) as uncertain
    from (
        select * from lost_within_a_day
        union all
        select * from lost_over_midnight
    ) as l
    group by l.stream_id, l.day
)
select
    (e.day at time zone 'UTC')::date as day,
    e.stream_id,
    s.name,
    round(e.seconds, 3)::double precision as expected,
    round(greatest(e.seconds - coalesce(l.uncovered + l.uncertain, 0), 0), 3)::double precision as covered,
    round(coalesce(l.uncovered, 0), 3)::double precision as uncovered,
    round(coalesce(l.uncertain, 0), 3)::double precision as uncertain,
    coalesce(l.gaps, 0)::integer as gaps
from expected as e
left join lost as l on e.stream_id = l.stream_id and e.day = l.day
left join {{ private }}.stream as s on e.stream_id = s.stream_id;
comment on view {{ api }}.coverage is 'By stream and day (in UTC), as far back as history_retention: seconds in which it should have been heard, in which a confirmed owner had it, in which none had it, and of which nobody knows. The function coverage() says why. name: null when the stream was removed.';
