-- The instance that was lost beats again, and will tomorrow.
update {{ private }}.heartbeat as h set beat_at = {{ private }}.now() + interval '1 day' where h.instance_id = %(instance_id)s
