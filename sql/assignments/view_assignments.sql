-- Reads     assignment, stream, instance
create or replace view {{ api }}.assignments as
select
    a.stream_id,
    s.name,
    a.instance_id,
    a.epoch,
    case when i.status = 'inactive' then 'waiting' else a.state end as state,
    a.next_instance_id,
    a.pinned_to,
    a.assigned_at,
    a.releasing_since,
    a.decision_id
from {{ private }}.assignment as a
inner join {{ private }}.stream as s on a.stream_id = s.stream_id
inner join {{ private }}.instance as i on a.instance_id = i.instance_id
where a.instance_id is not null;
comment on view {{ api }}.assignments is 'Who has which stream now, under which epoch, and what is being handed over to whom. state waiting: its instance is lost, and no other could take it.';
