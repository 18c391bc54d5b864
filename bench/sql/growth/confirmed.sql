-- How many streams each instance runs that beats.
select h.instance_id, count(a.stream_id)::integer as streams
from {{ private }}.heartbeat as h
left join {{ private }}.assignment as a on a.instance_id = h.instance_id and a.state = 'running'
where h.status = 'active'
group by h.instance_id
