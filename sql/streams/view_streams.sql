-- Reads     stream, assignment, requirement, instance
create or replace view {{ api }}.streams as
select
    s.stream_id,
    s.name,
    s.url,
    s.active,
    case when i.status = 'inactive' then 'waiting' else a.state end as state,
    a.instance_id,
    a.epoch,
    a.next_instance_id,
    a.pinned_to,
    a.assigned_at,
    case when i.status = 'inactive' then i.status_changed_at else a.waiting_since end as waiting_since,
    s.region,
    r.capabilities as required_capabilities,
    s.source,
    s.external_id,
    s.metadata,
    s.created_at,
    s.updated_at,
    s.number,
    s.standby
from {{ private }}.stream as s
inner join {{ private }}.assignment as a on s.stream_id = a.stream_id
inner join {{ private }}.requirement as r on s.requirement_id = r.requirement_id
left join {{ private }}.instance as i on a.instance_id = i.instance_id;
comment on view {{ api }}.streams is 'Every station: what it is and who hears it now. state: idle (not active), waiting (no living instance has room or the ability; instance_id then names the lost instance, if any, that keeps the stream until another else can take it), assigned, running, releasing. number: its id in its source as a number, by which clients that speak HTTP know it. standby: whether it is to have a standby; null: as the setting standbys says.';
