-- Reads     repair
create or replace view {{ api }}.repairs as
select
    r.repair_id,
    r.instance_id,
    r.incarnation,
    r.found_at,
    r.found_by,
    r.attempt,
    r.repaired_by,
    r.repaired_at,
    r.difference
from {{ private }}.repair as r;
comment on view {{ api }}.repairs is 'Every attempt to bring a worker in step with its assignments: what differed, who found it, how it was repaired and when the worker was next in step.';
