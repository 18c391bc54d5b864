-- An owner that falls silent and is not lost yet: streams that a standby hears are that one's after standby_takeover. The fence makes
-- it safe, also while the silent one goes on. A lease is not cut short, and silence that is not believed is none: that of most
-- together counts restart_grace later, as that of instances does. The others of its streams wait for its loss.
-- Locks     assignment rows (by id); callers that write hold the decision lock and the instances' rows
-- Reads     instance, heartbeat, controller, standby
-- Writes    assignment, standby, movement, withdrawal, decision, instance, metric_count

create or replace function {{ private }}.owners_to_take_over_from()
    returns table (instance_id text, heard_at timestamptz)
    language sql volatile
as $function$
    with limits as materialized (
        select {{ private }}.now() as now, {{ private }}.setting_interval('standby_takeover') as takeover, {{ private }}.setting_interval('restart_grace') as grace
        -- nearly always there are none, and then nothing else is read
        where exists (select from {{ private }}.standby as s where s.state = 'hearing')
    ),
    silent as materialized (
        select i.instance_id, s.heard_at, i.lease, l.now, l.takeover, l.grace
        from limits as l
        cross join {{ private }}.controller as c
        join {{ private }}.heartbeat as h on h.beat_at <= l.now - l.takeover
        join {{ private }}.instance as i on i.instance_id = h.instance_id
        cross join lateral (select {{ private }}.heard_at(h.beat_at, greatest(c.silence_counts_from, c.generation_at), c.unwatched)) as s(heard_at)
        where i.is_living
            and i.placement = 'push'
            -- a client over HTTP is lost by its own rules
            and not i.metadata ? 'http'
            and i.suspended_until is null
            and s.heard_at <= l.now - l.takeover
    ),
    together as (
        select count(*) >= 2 and count(*) * 2 > (
            select count(*) from {{ private }}.instance as i where i.is_living and i.placement = 'push' and i.suspended_until is null
        ) as most
        from silent
    )
    select s.instance_id, s.heard_at
    from silent as s
    cross join together as t
    where s.heard_at <= s.now - greatest(s.takeover + case when t.most then s.grace else '0' end, s.lease)
        and coalesce({{ private }}.promise_over_at(s.instance_id) <= s.now, true)
        and exists (
            select from {{ private }}.promotable_standbys(array(
                select a.stream_id
                from {{ private }}.assignment as a
                join {{ private }}.standby as b on b.stream_id = a.stream_id and b.state = 'hearing'
                where a.instance_id = s.instance_id
            ))
        )
    order by s.instance_id
$function$;
comment on function {{ private }}.owners_to_take_over_from() is 'Instances that have been silent for so long that the standbys of their streams are to own these now, and since when they count as silent.';

create or replace function {{ private }}.take_over(p_instance_ids text[])
    returns {{ private }}.decision
    language plpgsql volatile
as $function$
declare
    v_decision_id bigint := {{ private }}.open_decision(
        'standby takeover', 'watch_instances', 'an owner is silent, and standbys hear its streams',
        (
            select jsonb_build_object('instances', to_jsonb(p_instance_ids), 'evidence', jsonb_agg(to_jsonb(s) order by s.instance_id))
            from {{ private }}.owners_to_take_over_from() as s
            where s.instance_id = any(p_instance_ids)
        )
    );
    v_decision {{ private }}.decision;
begin
    perform {{ private }}.promote_standbys(
        v_decision_id,
        array(
            select a.stream_id from {{ private }}.assignment as a
            where a.instance_id = any(p_instance_ids)
            order by a.stream_id
        ),
        true
    );
    -- it gets nothing before it is heard again
    perform {{ private }}.step_instance(i.instance_id, 'late')
    from {{ private }}.instance as i
    where i.instance_id = any(p_instance_ids) and i.is_placeable;
    v_decision := {{ private }}.close_decision(v_decision_id);
    perform {{ private }}.count_failover(v_decision);
    return v_decision;
end
$function$;
comment on function {{ private }}.take_over(text[]) is 'The standbys that hear what these silent instances have own it now.';
