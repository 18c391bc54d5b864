-- Samples of the last six hours, so that the dashboard has lines to draw.
insert into {{ private }}.fleet_sample
select {{ private }}.now() - n * interval '30 seconds', f.streams_held, 0, n % 7, f.capacity, 0.05, f.serving_instances, 0
from {{ api }}.fleet as f, generate_series(1, 720) as n
