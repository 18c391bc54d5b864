-- Who is there, and what each should be running.
select i.instance_id, i.incarnation, i.max_streams, l.digest, l.owned
from {{ private }}.instance as i
join {{ private }}.instance_load as l on l.instance_id = i.instance_id
order by i.instance_id
