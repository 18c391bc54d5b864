-- Reads     gap, open_gap, stream
create or replace view {{ api }}.gaps as
select
    g.stream_id,
    s.name,
    g.cause,
    g.why,
    g.instance_id,
    g.began_at,
    g.sure_at,
    g.ended_at
from (
    select k.stream_id, k.cause, k.why, k.instance_id, k.began_at, k.sure_at, k.ended_at from {{ private }}.gap as k
    union all
    select o.stream_id, o.cause, o.why, o.instance_id, o.began_at, o.sure_at, null as ended_at from {{ private }}.open_gap as o
) as g
left join {{ private }}.stream as s on g.stream_id = s.stream_id;
comment on view {{ api }}.gaps is 'The times in which streams should have been heard and were not, or may not have been, as far back as history_retention: uncertain from began_at, uncovered from sure_at to ended_at (null: it lasts). instance_id: the owner when it began.';
