-- The fleet in one row, from counts that are kept anyway.
-- Reads     instance, instance_load, assignment, controller, settle_request, alert
create or replace view {{ api }}.fleet as
select
    i.instances,
    i.serving_instances,
    i.capacity,
    i.streams_held,
    i.streams_handed_over,
    (select count(*)::integer from {{ private }}.assignment as a where a.waiting_since is not null) + i.streams_kept as streams_waiting,
    c.paused_at is not null as balancing_paused,
    c.paused_at,
    c.paused_by,
    c.paused_reason,
    c.last_balanced_at,
    (select count(*)::integer from {{ private }}.settle_request) as settle_requests,
    (select count(*)::integer from {{ private }}.alert as t where t.resolved_at is null) as open_alerts,
    c.recovery_since,
    c.recovery_ended_at,
    c.recovery_detail
from {{ private }}.controller as c
cross join (
    select
        count(*)::integer as instances,
        count(*) filter (where n.is_living)::integer as serving_instances,
        coalesce(
            sum(n.max_streams) filter (
                where n.is_living and n.status <> 'draining' and n.standing_order is null
            ), 0
        )::integer as capacity,
        coalesce(sum(l.owned) filter (where n.status <> 'inactive'), 0)::integer as streams_held,
        coalesce(sum(l.owned) filter (where n.status = 'inactive'), 0)::integer as streams_kept,
        coalesce(sum(l.outgoing), 0)::integer as streams_handed_over
    from {{ private }}.instance as n
    inner join {{ private }}.instance_load as l on n.instance_id = l.instance_id
    where n.status <> 'removed'
) as i;
comment on view {{ api }}.fleet is 'The fleet in one row: instances, capacity (of those that may have new streams), streams held, being handed over and waiting; whether balancing is paused, by whom and why; since when recovery mode is on (balancing frozen, failover never), or when it last ended, and what failed.';
grant select on {{ api }}.fleet to {{ reader }}, {{ admin }};
