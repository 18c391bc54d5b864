-- The first step of a hand-over: the owners are asked to stop.
with decided as (
    insert into bench_raw.decision (decided_at, rule, trigger, actor, moves, least_moves)
    values (clock_timestamp(), 'raw', 'bench', session_user, cardinality(%(stream_ids)s::bigint[]), cardinality(%(stream_ids)s::bigint[]))
    returning decision_id
)
update bench_raw.assignment as a
set state = 'releasing', next_instance_id = c.to_id, decision_id = d.decision_id, releasing_since = clock_timestamp()
from unnest(%(stream_ids)s::bigint[], %(to_ids)s::text[]) as c(stream_id, to_id), decided as d
where a.stream_id = c.stream_id
