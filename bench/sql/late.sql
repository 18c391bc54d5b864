-- Instances have not been heard for longer than heartbeat_warning.
update {{ private }}.heartbeat as h set beat_at = {{ private }}.now() - interval '100 seconds' where h.instance_id = any(%(instance_ids)s::text[])
