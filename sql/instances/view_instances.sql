-- Reads     instance, instance_load, heartbeat, pg_roles
create or replace view {{ api }}.instances as
select
    i.instance_id,
    i.status,
    i.status_changed_at as status_since,
    i.incarnation,
    i.max_streams,
    l.owned as assigned_streams,
    l.incoming,
    l.outgoing,
    round(100.0 * l.owned / i.max_streams, 1) as load_percentage,
    case
        -- nothing can be moved off a client that asks for its streams, so shares are those of the others
        when i.placement = 'push' and i.is_living and i.status <> 'draining' and i.standing_order is null then round(
            least(
                sum(l.owned) filter (where i.placement = 'push' or not i.is_living) over () * i.max_streams::numeric
                / nullif(sum(i.max_streams) filter (
                    where i.placement = 'push' and i.is_living and i.status <> 'draining' and i.standing_order is null
                ) over (), 0),
                i.max_streams
            ), 1
        )
        else 0
    end as fair_share,
    h.beat_at as last_heartbeat,
    {{ private }}.now() - h.beat_at as silent_for,
    h.in_step,
    i.session_key is not null and i.session_lost_at is null as has_session,
    i.session_lost_at,
    i.suspended_until,
    i.standing_order,
    i.lease,
    h.processed_count,
    h.error_count,
    h.cpu_usage,
    h.memory_usage,
    h.last_activity,
    i.capabilities,
    i.version,
    i.location,
    i.registered_at,
    coalesce(o.rolname, i.owner_role)::text as login,
    i.metadata,
    i.stop_within,
    h.attempts as repair_attempts,
    h.progressing,
    h.progress_at,
    h.stalled as stalled_streams,
    h.breaker,
    h.breaker_opened,
    i.crashes,
    i.losses,
    i.probation_until,
    i.placement,
    i.keeps_streams,
    -- a role that was dropped is found by diagnose()
    i.status = 'removed' and i.standing_order is null and not i.name_is_reserved as name_is_free,
    l.standbys as standby_streams
from {{ private }}.instance as i
inner join {{ private }}.instance_load as l on i.instance_id = l.instance_id
inner join {{ private }}.heartbeat as h on i.instance_id = h.instance_id
-- its present name, if it was renamed
left join pg_catalog.pg_roles as o on o.oid = coalesce((select r.oid from pg_catalog.pg_roles as r where r.rolname = i.owner_role), i.owner_oid);
comment on view {{ api }}.instances is 'Every instance that was ever registered: its status, load, fair share (in streams, by capacity), last beat and what it says of itself. placement: push, or pull for a client that asks for its streams, which has no fair share. keeps_streams: it hears on what is taken from it, so its streams cannot be moved while it lives. login: the login or group role that its name belongs to. name_is_free: any worker login may register under its name, and owns it then. standby_streams: streams that it hears as their standby, each of which takes a place beside its own.';
