-- The history of {{ days }} days, {{ decisions }} decisions a day with {{ moves }} movements each, behind a fleet that runs. Straight into
-- the tables and set by set; what this fleet has decided so far is forgotten first. No trigger fires: the foreign keys and counters
-- are right by construction, and health() and diagnose() are asked afterwards.
--
-- Each stream's movements are a chain: epochs 1, 2, 3 …, each from where the one before ended, and the last one to where the stream
-- is now. Some streams move several times as often as others. Details of decisions have the size that they have in life: the loads
-- of all instances that took part.

set local session_replication_role = replica;
set local work_mem = '512MB';
select setseed(0.5);

update {{ private }}.assignment set decision_id = null;
truncate {{ private }}.movement, {{ private }}.decision, {{ private }}.fleet_sample, {{ private }}.job_run;

insert into {{ private }}.decision (
    decided_at, rule, trigger, actor, detail, moves, least_moves, still_waiting, duration, event_id
)
select
    h.at, h.rule, case when h.rule = 'lost' then 'silence' else 'watch_instances' end, 'driver', jsonb_build_object(
        'instances', jsonb_build_array('worker-' || lpad(h.instance::text, 5, '0')),
        'loads', (
            select jsonb_agg(jsonb_build_object(
                'instance_id', 'worker-' || lpad(((h.instance + n) % {{ instances }} + 1)::text, 5, '0'),
                'max_streams', 100, 'before', 60 + n % 3, 'after', 61 + n % 3
            ))
            from generate_series(0, {{ moves }}) as n
        ),
        'thresholds', h.thresholds, 'instances_notified', {{ moves }} + 1
    ), {{ moves }}, {{ moves }}, 0, interval '20 milliseconds', gen_random_uuid()
from (
    select
        {{ private }}.now() - (d + 1) * interval '1 day' / {{ decisions }} as at,
        (array['lost', 'lost', 'lost', 'lost', 'joined', 'joined', 'joined', 'goodbye', 'failing stream', 'imbalance'])[1 + d % 10] as rule,
        1 + floor({{ instances }} * random())::integer as instance,
        t.thresholds
    from generate_series({{ days * decisions }} - 1, 0, -1) as d
    cross join (select {{ private }}.thresholds() as thresholds) as t
) as h;

insert into {{ private }}.movement (stream_id, epoch, decision_id, from_instance_id, to_instance_id, reason, moved_at)
select
    c.stream_id, c.epoch, d.decision_id, lag(c.to_id) over (partition by c.stream_id order by c.epoch), c.to_id, d.rule, d.decided_at
from (
    select
        m.stream_id, m.decision_id, row_number() over w as epoch,
        case
            when lead(m.number) over w is null then a.instance_id
            else 'worker-' || lpad((1 + hashint8(m.number) % {{ instances }} + case when hashint8(m.number) < 0 then {{ instances }} - 1 else 0 end)::text, 5, '0')
        end as to_id
    from (
        select n as number, 1 + floor({{ streams }} * random() ^ 1.2)::bigint as stream_id, f.first + n / {{ moves }} as decision_id
        from generate_series(0, {{ days * decisions * moves }} - 1) as n
        cross join (select min(o.decision_id) as first from {{ private }}.decision as o) as f
    ) as m
    join {{ private }}.assignment as a on a.stream_id = m.stream_id
    window w as (partition by m.stream_id order by m.number)
) as c
join {{ private }}.decision as d on d.decision_id = c.decision_id
order by d.decision_id, c.stream_id;

update {{ private }}.assignment as a
set epoch = l.epoch, decision_id = m.decision_id, assigned_at = m.moved_at
from (select o.stream_id, max(o.epoch) as epoch from {{ private }}.movement as o group by o.stream_id) as l
join {{ private }}.movement as m on m.stream_id = l.stream_id and m.epoch = l.epoch
where a.stream_id = l.stream_id;
update {{ private }}.instance_load as l
set digest = c.digest
from (
    select a.instance_id, bit_xor({{ private }}.digest_of(a.stream_id, a.epoch)) as digest
    from {{ private }}.assignment as a
    group by a.instance_id
) as c
where l.instance_id = c.instance_id;

-- the run that made the decision, and one that only found a late instance
insert into {{ private }}.job_run (job, started_at, finished_at, run_by, outcome, result, event_id)
select 'watch_instances', r.at, r.at + interval '20 milliseconds', 'driver-' || r.number % 2, 'done', r.result, r.event_id
from (
    select d.decided_at as at, d.decision_id as number, jsonb_build_object('lost', d.detail -> 'instances', 'moved', d.moves) as result, d.event_id
    from {{ private }}.decision as d
    union all
    select d.decided_at - interval '10 seconds', d.decision_id, jsonb_build_object('late', d.detail -> 'instances'), gen_random_uuid()
    from {{ private }}.decision as d
    order by 1
) as r;

insert into {{ private }}.fleet_sample
select {{ private }}.now() - n * interval '30 seconds', f.streams_held, 0, n % 7, f.capacity, 0.05, f.serving_instances, 0
from {{ api }}.fleet as f, generate_series({{ days * 2880 }}, 1, -1) as n;

-- one alert for twenty decisions, told twice to one target, and closed
with opened as (
    insert into {{ private }}.alert (code, subject, severity, message, opened_at, updated_at, resolved_at, event_id)
    select 'instance_on_probation', d.detail -> 'instances' ->> 0, 'warning', 'it comes and goes', d.decided_at, d.decided_at,
        d.decided_at + interval '10 minutes', d.event_id
    from {{ private }}.decision as d
    where d.decision_id % 20 = 0
    order by d.decision_id
    returning alert_id, opened_at, resolved_at
)
insert into {{ private }}.alert_delivery (alert_id, event, target, happened_at, state, attempts, sent_by, changed_at)
select o.alert_id, e.event, 'log', e.at, 'sent', 1, 'driver-0', e.at
from opened as o
cross join lateral (values ('opened', o.opened_at), ('resolved', o.resolved_at)) as e(event, at);

-- one repair for five decisions
insert into {{ private }}.repair (instance_id, incarnation, found_at, found_by, attempt, difference, repaired_by, repaired_at)
select d.detail -> 'instances' ->> 0, 1, d.decided_at, 'heartbeat', 1, '{"missing": [17], "surplus": []}', 'commands', d.decided_at + interval '30 seconds'
from {{ private }}.decision as d
where d.decision_id % 5 = 0
order by d.decision_id;

insert into {{ private }}.plan (planned_at, planned_by, fingerprint)
select d.decided_at, 'admin', md5(d.decision_id::text) from {{ private }}.decision as d where d.decision_id % 1000 = 0;
insert into {{ private }}.plan_move (plan_id, stream_id, from_instance_id, to_instance_id)
select p.plan_id, 1 + n, 'worker-00001', 'worker-00002' from {{ private }}.plan as p, generate_series(0, 99) as n;

insert into {{ private }}.incident_pattern (pattern, sqlstate, occurrences, first_seen_at, last_seen_at, example)
select 'connection to # failed, in the way no. ' || n, '08006', n, {{ private }}.now() - n * interval '1 hour',
    {{ private }}.now() - n * interval '1 minute', '{"function": "heartbeat", "message": "connection failed"}'
from generate_series(1, 1000) as n;
insert into {{ private }}.failure_streak (reporter, consecutive, began_at, last_failed_at, ended_at)
select i.instance_id, 2, {{ private }}.now() - interval '2 hours', {{ private }}.now() - interval '1 hour', {{ private }}.now() - interval '59 minutes'
from {{ private }}.instance as i;

-- what took the streams of each instance last
update {{ private }}.instance as i
set lost_by_decision_id = l.decision_id
from (select o.detail -> 'instances' ->> 0 as instance_id, max(o.decision_id) as decision_id from {{ private }}.decision as o where o.rule = 'lost' group by 1) as l
where i.instance_id = l.instance_id
