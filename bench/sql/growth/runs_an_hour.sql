-- How many runs of jobs an hour of life has.
select sum(3600 / extract(epoch from j.schedule::interval))::integer as runs
from {{ private }}.job as j
where j.enabled and array_length(regexp_split_to_array(j.schedule, '\s+'), 1) = 2
