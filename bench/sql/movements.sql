-- What a decision moved, for the raw statements to do again.
select
    array_agg(m.stream_id order by m.stream_id) as stream_ids,
    array_agg(m.from_instance_id order by m.stream_id) as from_ids,
    array_agg(m.to_instance_id order by m.stream_id) as to_ids
from {{ private }}.movement as m
where m.decision_id = (select max(d.decision_id) from {{ private }}.decision as d)
