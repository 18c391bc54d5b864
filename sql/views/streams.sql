-- Reads     stream, assignment, requirement
create or replace view {{ api }}.streams as
select
    s.stream_id,
    s.name,
    s.url,
    s.active,
    a.state,
    a.instance_id,
    a.epoch,
    a.next_instance_id,
    a.pinned_to,
    a.assigned_at,
    a.waiting_since,
    s.region,
    r.capabilities as required_capabilities,
    s.source,
    s.external_id,
    s.metadata,
    s.created_at,
    s.updated_at
from {{ private }}.stream as s
inner join {{ private }}.assignment as a on s.stream_id = a.stream_id
inner join {{ private }}.requirement as r on s.requirement_id = r.requirement_id;
comment on view {{ api }}.streams is 'Every station: what it is and who hears it now. state: idle (not active), waiting (nobody has room or the ability), assigned, running, releasing.';
