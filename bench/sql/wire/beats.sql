-- How often an instance has beaten.
select h.beats from {{ private }}.heartbeat as h where h.instance_id = %(instance_id)s
