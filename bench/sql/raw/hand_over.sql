-- The second step of a hand-over: the owner has stopped, the next one gets the stream.
with changed as (
    update bench_raw.assignment as a
    set
        instance_id = a.next_instance_id, next_instance_id = null, epoch = a.epoch + 1, state = 'assigned',
        assigned_at = clock_timestamp(), releasing_since = null
    where a.stream_id = any(%(stream_ids)s::bigint[])
    returning a.stream_id, a.epoch, a.decision_id, a.instance_id as to_id
)
insert into bench_raw.movement (stream_id, epoch, decision_id, from_instance_id, to_instance_id, reason, moved_at)
select c.stream_id, c.epoch, c.decision_id, %(from_id)s, c.to_id, 'raw', clock_timestamp() from changed as c
