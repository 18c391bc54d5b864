-- Every instance has just beaten.
update {{ private }}.heartbeat as h set beat_at = {{ private }}.now()
