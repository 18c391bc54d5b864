select '' as "Views", '`' || c.relname || '`' as "view", obj_description(c.oid, 'pg_class') as "shows"
from pg_class as c
where c.relnamespace = 'orchestrator'::regnamespace and c.relkind = 'v'
order by c.relname;

select '' as "Tables", '`' || c.relname || '`' as "table", obj_description(c.oid, 'pg_class') as "one row is"
from pg_class as c
where c.relnamespace = 'orchestrator_private'::regnamespace and c.relkind = 'r'
order by c.relname;

select
    '' as "Settings", '`' || s.name || '`' as "setting", s.default_value as "default",
    coalesce(s.minimum || ' … ' || s.maximum, array_to_string(s.allowed, ', ')) as "bounds", s.description as "meaning"
from orchestrator.settings as s
order by s.name;

select '' as "Jobs", '`' || j.job || '`' as "job", j.schedule, j.runs_in as "runs in", j.description as "does"
from orchestrator.jobs as j
order by j.job;

select
    '' as "Metrics", '`' || m.metric || '`' as "metric", m.kind, array_to_string(m.labels, ', ') as "labels", m.help as "meaning",
    coalesce(array_to_string(m.bounds, ' '), '') as "buckets (s)"
from orchestrator_private.metric as m
order by m.metric;

select
    '' as "State machine of an instance", t.from_status as "from", t.event, t.to_status as "to", t.meaning
from orchestrator.state_machine as t
where t.subject = 'instance'
order by t.from_status, t.event;

select
    '' as "State machine of an assignment", t.from_status as "from", t.event, t.to_status as "to", t.meaning
from orchestrator.state_machine as t
where t.subject = 'assignment'
order by array_position('{unknown,idle,waiting,assigned,running,releasing}', t.from_status), t.to_status, t.event;
