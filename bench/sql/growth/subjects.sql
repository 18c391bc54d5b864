-- What is asked about: the stream with the longest history, an instance, and a decision of yesterday.
select
    (select a.stream_id from {{ private }}.assignment as a order by a.epoch desc limit 1) as stream_id,
    (select i.instance_id from {{ private }}.instance as i order by i.instance_id offset 7 limit 1) as instance_id,
    d.decision_id,
    d.event_id
from {{ private }}.decision as d
order by d.decided_at < {{ private }}.now() - interval '1 day' desc, d.decision_id desc
limit 1
