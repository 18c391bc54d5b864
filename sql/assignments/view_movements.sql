-- Reads     movement, decision
create or replace view {{ api }}.movements as
select
    m.stream_id,
    m.epoch,
    m.moved_at,
    m.from_instance_id,
    m.to_instance_id,
    m.reason,
    m.decision_id,
    d.rule,
    d.actor,
    d.event_id
from {{ private }}.movement as m
inner join {{ private }}.decision as d on m.decision_id = d.decision_id;
comment on view {{ api }}.movements is 'Every change of hands of every stream, with the decision that caused it. No to_instance_id: it had no owner afterwards.';
