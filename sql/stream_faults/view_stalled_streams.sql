-- Reads     stall, stream, assignment, station_fault
create or replace view {{ api }}.stalled_streams as
select
    t.stream_id,
    s.name,
    {{ private }}.redact(s.url) as url,
    t.instance_id,
    t.epoch,
    t.silent_since,
    {{ private }}.now() - t.silent_since as silent_for,
    t.reported_at,
    t.restarted_at,
    f.stream_id is not null as is_station_fault
from {{ private }}.stall as t
inner join {{ private }}.stream as s on t.stream_id = s.stream_id
inner join {{ private }}.assignment as a on t.stream_id = a.stream_id and t.instance_id = a.instance_id and t.epoch = a.epoch
left join {{ private }}.station_fault as f on t.stream_id = f.stream_id;
comment on view {{ api }}.stalled_streams is 'Streams that run and are silent: since when, when they were last restarted where they are, and whether their station is to blame. url: without what may be a secret; the view streams has it whole.';
