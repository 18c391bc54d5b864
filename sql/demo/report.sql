-- What the ledger says: views, so that anybody can look into each figure.

create view music_log.acts as
select
    act_id,
    act,
    description,
    began_at,
    lead(began_at) over acts_in_order as ended_at,
    floor(extract(epoch from began_at))::bigint - 1 as first_second,
    floor(extract(epoch from lead(began_at) over acts_in_order))::bigint - 2 as last_second
from music_log.act
window acts_in_order as (order by act_id);
comment on view music_log.acts is 'The acts with their ends. The second that was just over when an act began belongs to it: it was still in the hands of the workers, and what happened to them happened to it.';

create view music_log.stations as
select index as station from public.streams;
comment on view music_log.stations is 'All stations that should be heard.';

create view music_log.seconds as
select
    second,
    count(distinct station) as stations_heard,
    count(distinct station) = (select count(*) from music_log.stations) as is_complete
from music_log.heard
group by second;
comment on view music_log.seconds is 'How many stations were heard in each second.';

create view music_log.accounted as
select
    (select min(second) from music_log.seconds where is_complete) as first_second,
    (select max(last_second) from music_log.acts) as last_second;
comment on view music_log.accounted is 'The seconds that count: from the first in which everything was heard to the last that was over when the demo ended.';

create view music_log.lost as
select acts.act_id, stations.station, expected.second
from music_log.accounted
cross join lateral generate_series(accounted.first_second, accounted.last_second) as expected (second)
cross join music_log.stations
inner join music_log.acts on expected.second between acts.first_second and acts.last_second
where not exists (
    select from music_log.heard where heard.second = expected.second and heard.station = stations.station
);
comment on view music_log.lost is 'Each second of a station that counts and is not in the ledger, with the act in which it fell.';

create view music_log.written_twice as
select station, second, count(*) - 1 as too_many, array_agg(format('%s under epoch %s', instance_id, epoch) order by epoch, written_at) as writers
from music_log.heard
group by station, second
having count(*) > 1;
comment on view music_log.written_twice is 'Each second that is in the ledger more than once, and who wrote it.';

create view music_log.misheard as
with
stations_of_stream as (
    select stream_id, count(distinct station) as stations from music_log.heard group by stream_id
),
streams_of_station as (
    select station, count(distinct stream_id) as streams from music_log.heard group by station
)
select heard.*
from music_log.heard
inner join stations_of_stream using (stream_id)
inner join streams_of_station using (station)
where
    stations_of_stream.stations > 1
    or streams_of_station.streams > 1
    or extract(epoch from heard.heard_at) - heard.second not between 1 and 10;
comment on view music_log.misheard is 'Rows that cannot be true: a stream with two stations, or a second that was heard before it was over or long after.';

create view music_log.lost_without_a_move as
select lost.act_id, lost.station, lost.second
from music_log.lost
where not exists (
    select
    from music_log.heard
    inner join music_log.movement using (stream_id)
    inner join music_log.acts on movement.moved_at >= acts.began_at and movement.moved_at < acts.ended_at
    where heard.station = lost.station and acts.act_id = lost.act_id
);
comment on view music_log.lost_without_a_move is 'Lost seconds of stations that did not change hands in that act: nothing excuses them.';

create view music_log.lost_without_a_gap as
select lost.act_id, lost.station, lost.second
from music_log.lost
where not exists (
    select
    from music_log.heard
    inner join music_log.gap using (stream_id)
    where
        heard.station = lost.station
        -- the ledger knows whole seconds only: of one that was heard in part nothing is written
        and gap.began_at <= to_timestamp(lost.second + 2)
        and coalesce(gap.ended_at, 'infinity') >= to_timestamp(lost.second - 1)
);
comment on view music_log.lost_without_a_gap is 'Lost seconds of which the orchestrator''s account of coverage says that they were heard.';

create view music_log.report as
select
    acts.act_id,
    acts.act,
    acts.description,
    acts.began_at,
    acts.ended_at,
    (
        select count(*) from music_log.movement
        where movement.moved_at >= acts.began_at and movement.moved_at < acts.ended_at
    )::integer as moves,
    (
        select coalesce(sum(decision.least_moves), 0) from music_log.decision
        where decision.decided_at >= acts.began_at and decision.decided_at < acts.ended_at
    )::integer as least_moves,
    greatest(
        0,
        coalesce(
            (select max(lost.second) + 1 from music_log.lost where lost.act_id = acts.act_id),
            (
                -- Before the first complete second nothing is lost yet: the start lasts until it.
                select accounted.first_second from music_log.accounted
                where accounted.first_second between acts.first_second and acts.last_second
            ),
            0
        ) - extract(epoch from acts.began_at)
    )::double precision as seconds_until_all_heard,
    (select count(*) from music_log.lost where lost.act_id = acts.act_id)::integer as seconds_lost,
    (
        select count(*) from music_log.lost_without_a_move where lost_without_a_move.act_id = acts.act_id
    )::integer as seconds_lost_without_a_move,
    (
        select count(*) from music_log.lost_without_a_gap where lost_without_a_gap.act_id = acts.act_id
    )::integer as seconds_lost_without_a_gap,
    (
        -- in the ledger's grain: of a second that was heard in part nothing is written
        select coalesce(sum(
            floor(extract(epoch from least(coalesce(gap.ended_at, acts.ended_at), acts.ended_at)))
            - floor(extract(epoch from greatest(gap.began_at, acts.began_at))) + 2
        ), 0)
        from music_log.gap
        where gap.began_at < acts.ended_at and coalesce(gap.ended_at, acts.ended_at) > acts.began_at
    )::integer as seconds_not_covered,
    (
        select coalesce(sum(written_twice.too_many), 0) from music_log.written_twice
        where written_twice.second between acts.first_second and acts.last_second
    )::integer as seconds_written_twice,
    (
        select count(*) from music_log.refused
        where refused.refused_at >= acts.began_at and refused.refused_at < acts.ended_at
    )::integer as writes_refused
from music_log.acts
where acts.ended_at is not null;
comment on view music_log.report is 'The closing report: one row per act, every figure from the ledger.';

create view music_log.totals as
select
    (select count(*) from music_log.stations)::integer as stations,
    (select count(*) from music_log.heard)::integer as seconds_written,
    (
        select count(*) from music_log.heard, music_log.accounted
        where heard.second between accounted.first_second and accounted.last_second
    )::integer as seconds_heard,
    (
        select (accounted.last_second - accounted.first_second + 1) * (select count(*) from music_log.stations)
        from music_log.accounted
    )::integer as seconds_sung,
    (select count(*) from music_log.lost)::integer as seconds_lost,
    (select count(*) from music_log.lost_without_a_move)::integer as seconds_lost_without_a_move,
    (select coalesce(sum(too_many), 0) from music_log.written_twice)::integer as seconds_written_twice,
    (select count(*) from music_log.misheard)::integer as seconds_misheard,
    (select count(*) from music_log.refused)::integer as writes_refused,
    (
        select coalesce(bool_and(not exists (
            select from music_log.lost where lost.station = stations.station and lost.second = accounted.last_second
        )), false) and bool_and(accounted.first_second is not null)
        from music_log.stations, music_log.accounted
    ) as all_heard_at_the_end;
comment on view music_log.totals is 'The whole demo in one row. The laws: nothing written twice, nothing misheard, nothing lost without a move, all heard at the end.';

create view music_log.laws as
select 1 as law_id, 'every station is heard at the end' as law, all_heard_at_the_end as holds, null::text as breach
from music_log.totals
union all
select 2, 'no second is written twice', seconds_written_twice = 0, format('%s seconds were', seconds_written_twice)
from music_log.totals
union all
select
    3, 'no second is lost by a station that was not moved', seconds_lost_without_a_move = 0,
    format('%s seconds were', seconds_lost_without_a_move)
from music_log.totals
union all
select 4, 'the sound says what the ledger says', seconds_misheard = 0, format('%s rows cannot be true', seconds_misheard)
from music_log.totals
union all
select
    5, 'a restart of the database moves nothing and loses nothing', moves = 0 and seconds_lost = 0,
    format('%s streams moved, %s seconds were lost', moves, seconds_lost)
from music_log.report
where act = 'restart'
order by law_id;
comment on view music_log.laws is 'What must hold in every run. The demo fails when one does not.';

-- What the live table shows.
create function music_log.watch()
    returns table (
        stations integer, stations_heard integer, last_complete_second bigint, seconds_written bigint, writes_refused bigint
    )
    language sql volatile
    set search_path = pg_catalog, pg_temp
begin atomic
    select
        (select count(*) from music_log.stations)::integer,
        -- The second before the last: the last one may still be on its way through the workers.
        (
            select count(distinct heard.station) from music_log.heard
            where heard.second = floor(extract(epoch from statement_timestamp()))::bigint - 2
        )::integer,
        (
            select max(seconds.second) from music_log.seconds
            where seconds.is_complete and seconds.second > extract(epoch from statement_timestamp()) - 60
        ),
        (select count(*) from music_log.heard),
        (select count(*) from music_log.refused);
end;
comment on function music_log.watch() is 'Stations heard in the second before the last, the last second in which all were heard, rows written and refused.';

-- Who heard how many stations in the second before the last.
create function music_log.watch_listeners()
    returns table (instance_id text, stations_heard integer)
    language sql volatile
    set search_path = pg_catalog, pg_temp
begin atomic
    select heard.instance_id, count(*)::integer
    from music_log.heard
    where heard.second = floor(extract(epoch from statement_timestamp()))::bigint - 2
    group by heard.instance_id;
end;
comment on function music_log.watch_listeners() is 'How many stations each instance heard in the second before the last.';
