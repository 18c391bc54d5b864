-- The instances that were lost beat again, and will tomorrow. What the benchmark did to them is not held against them.
with forgiven as (
    update {{ private }}.instance as i
    set crashes = 0, losses = 0, probation_until = null, probation_event_id = null
    where i.instance_id = any(%(instance_ids)s::text[])
)
update {{ private }}.heartbeat as h
set beat_at = {{ private }}.now() + interval '1 day'
where h.instance_id = any(%(instance_ids)s::text[])
