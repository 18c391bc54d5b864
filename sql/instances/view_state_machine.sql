-- Reads     instance_transition, assignment_transition
create or replace view {{ api }}.state_machine as
select
    t.from_status,
    t.event,
    t.to_status,
    t.meaning,
    'instance' as subject
from {{ private }}.instance_transition as t
union all
select
    t.from_state,
    t.event,
    t.to_state,
    t.meaning,
    'assignment'
from {{ private }}.assignment_transition as t;
comment on view {{ api }}.state_machine is 'Every step that an instance''s status and an assignment''s state can take (subject says whose it is); no other is possible.';
