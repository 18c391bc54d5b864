-- Who has a stream, and how many have still to confirm that they let go of it.
select a.instance_id, a.state, (select count(*) from {{ private }}.withdrawal as w where w.stream_id = a.stream_id) as withdrawn
from {{ private }}.assignment as a
where a.stream_id = %(stream_id)s
