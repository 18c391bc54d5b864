-- Reads     clock_step
create or replace view {{ api }}.clock_steps as
select
    c.clock_step_id,
    c.found_at,
    c.clock_said,
    c.step,
    c.is_measured,
    c.found_by
from {{ private }}.clock_step as c;
comment on view {{ api }}.clock_steps is 'Steps of the server''s clock. found_at: when, by the clock as it goes now; clock_said: what it said then, after the step. is_measured: a driver measured it; else the clock went back at least so far.';
