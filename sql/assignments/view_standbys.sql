-- Reads     standby, assignment
create or replace view {{ api }}.standbys as
select
    s.stream_id,
    s.instance_id,
    s.state,
    s.assigned_at,
    s.heard_since,
    a.instance_id as owner_id,
    s.number
from {{ private }}.standby as s
inner join {{ private }}.assignment as a on s.stream_id = a.stream_id
where s.ended_at is null;
comment on view {{ api }}.standbys is 'Which instance hears which stream beside its owner. state: assigned (it has not said yet that it hears), hearing. heard_since: since when it hears. number: below zero; stands in commands, acknowledgements and digests where an owner says its epoch.';
