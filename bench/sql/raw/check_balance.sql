-- How far apart are the loads, and does a stream wait? From the counters, as if they came for nothing.
select
    max(l.owned::double precision / i.max_streams) - min(l.owned::double precision / i.max_streams),
    exists (select from bench_raw.assignment as a where a.waiting_since is not null)
from bench_raw.instance as i
join {{ private }}.instance_load as l on l.instance_id = i.instance_id
