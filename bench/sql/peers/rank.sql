-- Every stream to the instance that its rank says, modulo how many there are: what is written when nothing is remembered.
-- Only rows that change are written and journalled.
with decided as (
    insert into bench_raw.decision (decided_at, rule, trigger, actor)
    values (clock_timestamp(), 'rank', 'bench', session_user)
    returning decision_id
),
present as (
    select i.instance_id, row_number() over (order by i.instance_id) - 1 as place
    from bench_raw.instance as i
    order by i.instance_id
    limit %(instances)s
),
wanted as (
    select a.stream_id, a.instance_id as from_id, (rank() over (order by a.stream_id) - 1) %% %(instances)s as place
    from bench_raw.assignment as a
),
changed as (
    update bench_raw.assignment as a
    set
        instance_id = p.instance_id, epoch = a.epoch + 1, state = 'assigned', decision_id = d.decision_id,
        assigned_at = clock_timestamp(), waiting_since = null
    from wanted as w join present as p on p.place = w.place, decided as d
    where a.stream_id = w.stream_id and w.from_id is distinct from p.instance_id
    returning a.stream_id, a.epoch, a.decision_id, w.from_id, a.instance_id as to_id
)
insert into bench_raw.movement (stream_id, epoch, decision_id, from_instance_id, to_instance_id, reason, moved_at)
select c.stream_id, c.epoch, c.decision_id, c.from_id, c.to_id, 'rank', clock_timestamp() from changed as c
