-- Reads     fleet_sample
create or replace view {{ api }}.fleet_samples as
select
    s.sampled_at,
    s.streams_held,
    s.streams_waiting,
    s.streams_handed_over,
    s.capacity,
    s.imbalance,
    s.serving_instances,
    s.lost_instances
from {{ private }}.fleet_sample as s;
comment on view {{ api }}.fleet_samples is 'The fleet over time, a row every half minute: streams held, waiting and being handed over, capacity, imbalance (0 to 1), instances serving and lost. Kept for history_retention.';
grant select on {{ api }}.fleet_samples to {{ reader }}, {{ admin }};
