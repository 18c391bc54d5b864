-- One connection holds the session locks of all instances: as many locks as a real fleet has, without its sessions.
select count(*) from {{ private }}.instance as i cross join lateral {{ api }}.attach_session(i.instance_id, i.incarnation)
