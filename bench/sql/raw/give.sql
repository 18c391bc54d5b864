-- Give streams to their new owners and write down that it was done; the instances in p_lost are marked as lost.
with decided as (
    insert into bench_raw.decision (decided_at, rule, trigger, actor, moves, least_moves)
    values (clock_timestamp(), 'raw', 'bench', session_user, cardinality(%(stream_ids)s::bigint[]), cardinality(%(stream_ids)s::bigint[]))
    returning decision_id
),
lost as (
    update bench_raw.instance as i
    set status = 'inactive', status_event = 'lost', status_changed_at = clock_timestamp()
    where i.instance_id = any(%(lost)s::text[])
),
changed as (
    update bench_raw.assignment as a
    set
        instance_id = c.to_id, epoch = a.epoch + 1, state = 'assigned', decision_id = d.decision_id,
        assigned_at = clock_timestamp(), waiting_since = null
    from unnest(%(stream_ids)s::bigint[], %(from_ids)s::text[], %(to_ids)s::text[]) as c(stream_id, from_id, to_id), decided as d
    where a.stream_id = c.stream_id
    returning a.stream_id, a.epoch, a.decision_id, c.from_id, a.instance_id as to_id
)
insert into bench_raw.movement (stream_id, epoch, decision_id, from_instance_id, to_instance_id, reason, moved_at)
select c.stream_id, c.epoch, c.decision_id, c.from_id, c.to_id, 'raw', clock_timestamp() from changed as c
