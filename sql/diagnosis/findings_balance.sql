-- Findings of diagnose(): balancing.
--   balancing_paused    it was paused by hand
--   recovery_mode       failures have frozen it
--   rebalancing_often   it does not come to rest
-- Reads     controller, decision, setting

create or replace function {{ private }}.findings_balance()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with often as (
        select count(*) as rebalances, sum(d.moves) as moves, min(d.decided_at) as since
        from (
            select e.decided_at, e.rule, e.moves from {{ private }}.decision as e order by e.decision_id desc limit 1000
        ) as d
        cross join {{ private }}.setting as s
        where d.rule = 'imbalance'
            and s.name = 'rebalance_cooldown'
            -- what was before the last change of the cooldown is no fault of the present one
            and d.decided_at > greatest({{ private }}.now() - interval '1 hour', s.changed_at)
        having count(*) >= 6
    )
    select case when c.paused_at <= {{ private }}.now() - interval '1 hour' then 'warning' else 'info' end, 'balancing_paused', 'fleet',
        'balancing has been paused by ' || c.paused_by || coalesce(': ' || c.paused_reason, ''),
        jsonb_build_object('paused_at', c.paused_at, 'paused_by', c.paused_by, 'reason', c.paused_reason),
        'Failover, placement and drains go on; loads drift apart. The repair ends the pause.',
        'select * from {{ api }}.resume_balancing()'
    from {{ private }}.controller as c
    where c.paused_at is not null
    union all
    select 'warning', 'recovery_mode', 'fleet', 'recovery mode is on: too many failures, so that balancing is frozen',
        jsonb_build_object('since', c.recovery_since, 'detail', c.recovery_detail),
        'Find out what fails: {{ api }}.incident_patterns and {{ api }}.failure_streaks. It ends by itself when failures have been few for recovery_quiet_time. The repair ends it now; what fails from then on can switch it on again.',
        'select * from {{ api }}.end_recovery()'
    from {{ private }}.controller as c
    where c.recovery_since is not null
    union all
    select 'warning', 'rebalancing_often', 'fleet', o.rebalances || ' rebalances for imbalance within an hour moved ' || o.moves || ' streams',
        jsonb_build_object('rebalances', o.rebalances, 'moves', o.moves, 'since', o.since, 'rebalance_cooldown', s.value),
        'Each move costs seconds of audio. Does an instance come and go, does its capacity change again and again? The repair doubles rebalance_cooldown.',
        format('select * from {{ api }}.set_setting(%L, %L)', s.name, least(greatest(2 * s.value::interval, interval '1 minute'), s.maximum::interval))
    from often as o
    join {{ private }}.setting as s on s.name = 'rebalance_cooldown'
$function$;
comment on function {{ private }}.findings_balance() is 'Findings: balancing is paused, frozen, or does not come to rest.';
