-- What came to an instance or left it, the latest first.
select *
from {{ api }}.movements
where from_instance_id = %(instance_id)s or to_instance_id = %(instance_id)s
order by moved_at desc
limit 50
