-- All that is done every so often is done {{ times }} times as often.
update {{ private }}.job as j
set schedule = (j.schedule::interval / {{ times }})::text, next_run_at = {{ private }}.now()
where array_length(regexp_split_to_array(j.schedule, '\s+'), 1) = 2;
update {{ private }}.setting as s
set value = greatest(s.value::interval / {{ times }}, interval '1 second')::text
where s.name = 'heartbeat_interval'
