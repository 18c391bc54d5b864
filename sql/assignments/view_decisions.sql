-- Reads     decision
create or replace view {{ api }}.decisions as
select
    d.decision_id,
    d.decided_at,
    d.rule,
    d.trigger,
    d.actor,
    d.reason,
    d.moves,
    d.least_moves,
    d.still_waiting,
    d.duration,
    d.detail,
    d.event_id
from {{ private }}.decision as d;
comment on view {{ api }}.decisions is 'Every decision: the rule, what set it off and who, streams moved or asked to move, the least number that could have reached the same loads, and in detail the loads and thresholds of that moment.';
