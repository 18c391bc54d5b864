-- One beat of an instance that runs what it should.
select count(*)
from {{ private }}.instance_load as l
join {{ private }}.instance as i on i.instance_id = l.instance_id
cross join lateral {{ api }}.heartbeat(l.instance_id, i.incarnation, l.digest) as c
where l.instance_id = %(instance_id)s
