-- Reads     station_fault, stream, assignment
create or replace view {{ api }}.failing_stations as
select
    f.stream_id,
    s.name,
    {{ private }}.redact(s.url) as url,
    a.instance_id,
    f.found_at,
    f.last_failed_at,
    f.failures,
    f.evidence
from {{ private }}.station_fault as f
inner join {{ private }}.stream as s on f.stream_id = s.stream_id
inner join {{ private }}.assignment as a on f.stream_id = a.stream_id;
comment on view {{ api }}.failing_stations is 'Stations that failed on instance after instance: their own fault. They stay where they are. evidence: which instances failed, with which errors, when. url: without what may be a secret; the view streams has it whole.';
