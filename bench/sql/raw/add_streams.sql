-- The stations that were added wait here, too.
insert into bench_raw.assignment (stream_id, requirement_id, waiting_since)
select a.stream_id, a.requirement_id, a.waiting_since
from {{ private }}.assignment as a
join {{ private }}.stream as s on s.stream_id = a.stream_id
where s.external_id like 'added-%'
