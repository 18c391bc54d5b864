select t.from_status, t.to_status, string_agg(t.event, ', ' order by t.event) as events
from orchestrator.state_machine as t
cross join (values ('{unknown,idle,waiting,assigned,running,releasing}'::text[])) as s(states)
where t.subject = 'assignment'
group by s.states, t.from_status, t.to_status
order by array_position(s.states, t.from_status), array_position(s.states, t.to_status)
