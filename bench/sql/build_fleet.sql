-- A fleet in its first minute: every instance alive, every stream waiting. Straight into the tables, set by set; the
-- triggers keep the counters.
-- The beats lie in the future, so that no instance falls silent while the benchmark takes its time.

insert into {{ private }}.instance (
    instance_id, status, status_event, status_changed_at, max_streams, owner_role, registered_at
)
select format('worker-%s', lpad(n::text, 5, '0')), 'registered', 'register', {{ private }}.now(), {{ max_streams }}, session_user, {{ private }}.now()
from generate_series(1, {{ instances }}) as n;
update {{ private }}.instance set status = 'active', status_event = 'beat';

insert into {{ private }}.instance_load (instance_id) select i.instance_id from {{ private }}.instance as i;
insert into {{ private }}.heartbeat (instance_id, incarnation, beat_at)
select i.instance_id, i.incarnation, {{ private }}.now() + interval '1 day' from {{ private }}.instance as i;

insert into {{ private }}.stream (external_id, name, url, requirement_id, created_at, updated_at)
select n::text, 'Station ' || n, 'http://stations.example/' || n, r.requirement_id, {{ private }}.now(), {{ private }}.now()
from (select {{ private }}.requirement_of('{}') as requirement_id) as r, generate_series(1, {{ streams }}) as n;
insert into {{ private }}.assignment (stream_id, requirement_id, waiting_since)
select s.stream_id, s.requirement_id, {{ private }}.now() from {{ private }}.stream as s;

-- Events are answered at once: the benchmark does not wait for more of them. No job looks for imbalance by the way.
update {{ private }}.setting set value = '0 seconds' where name = 'settle_window';
update {{ private }}.controller
set server_started_at = {{ private }}.server_started_at(), server_timeline = {{ private }}.server_timeline();
insert into {{ private }}.settle_request (requested_at, reason) values ({{ private }}.now(), 'streams');
