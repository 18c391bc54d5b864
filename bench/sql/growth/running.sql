-- Streams that run, in no order that means anything, with their instances.
select a.stream_id, a.instance_id, i.incarnation
from {{ private }}.assignment as a
join {{ private }}.instance as i on i.instance_id = a.instance_id
where a.state = 'running'
order by hashint8(a.stream_id)
