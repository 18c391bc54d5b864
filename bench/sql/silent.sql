-- Instances have not been heard for an hour.
update {{ private }}.heartbeat as h set beat_at = {{ private }}.now() - interval '1 hour' where h.instance_id = any(%(instance_ids)s::text[])
