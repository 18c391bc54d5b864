-- Reads     instance_transition
create or replace view {{ api }}.state_machine as
select
    t.from_status,
    t.event,
    t.to_status,
    t.meaning
from {{ private }}.instance_transition as t;
comment on view {{ api }}.state_machine is 'Every step that an instance''s status can take; no other is possible.';
