-- Job: notice instances that are late, lost or forgotten (R1.2, R4.1).
--   session    the lock of the attached session is gone, and no beat for disconnect_grace
--   silence    no beat for the instance's lease, or else heartbeat_timeout
-- A lease is a promise: nobody is declared lost before it is over, by whichever rule. When the server was restarted or
-- promoted, or most sessions vanished together, it is the database that was away and not the fleet: sessions are believed
-- again after restart_grace, and silence counts from the server's return.
-- Locks     decision (only when an instance is lost); instance (by id); stream and assignment rows (by id)
-- Writes    controller, instance, assignment, decision, movement
-- Notifies  each affected instance

create or replace function {{ private }}.watch_server()
    returns boolean
    language plpgsql volatile
as $function$
declare
    v_returned boolean;
begin
    update {{ private }}.controller as c
    set
        server_started_at = {{ private }}.server_started_at(),
        server_timeline = {{ private }}.server_timeline(),
        sessions_trusted_from = {{ private }}.now() + {{ private }}.setting_interval('restart_grace'),
        silence_counts_from = {{ private }}.now()
    where (c.server_started_at, c.server_timeline)
        is distinct from ({{ private }}.server_started_at(), {{ private }}.server_timeline())
    returning true into v_returned;
    return coalesce(v_returned, false);
end
$function$;
comment on function {{ private }}.watch_server() is 'Whether the server was restarted or promoted since the last look; then nobody is lost by the session rule for restart_grace.';

create or replace function {{ private }}.watch_sessions()
    returns integer
    language plpgsql volatile
as $function$
declare
    v_held bigint[] := array(select s.session_key from {{ private }}.held_sessions() as s);
    v_now timestamptz := {{ private }}.now();
    v_changed integer;
begin
    update {{ private }}.instance as i
    set session_lost_at = case when i.session_key = any(v_held) then null else v_now end
    where i.session_key is not null
        and (i.session_lost_at is null) <> (i.session_key = any(v_held))
        and i.status in ('registered', 'active', 'warning', 'recovering', 'draining');
    get diagnostics v_changed = row_count;
    if v_changed = 0 then
        return 0;
    end if;
    -- most of them at once: the network, a pooler or the server, but hardly the workers
    update {{ private }}.controller as c
    set sessions_trusted_from = s.first_lost + {{ private }}.setting_interval('restart_grace')
    from (
        select
            min(i.session_lost_at) filter (where i.session_lost_at > v_now - {{ private }}.setting_interval('disconnect_grace')) as first_lost,
            count(*) filter (where i.session_lost_at > v_now - {{ private }}.setting_interval('disconnect_grace')) as lost,
            count(*) as attached
        from {{ private }}.instance as i
        where i.session_key is not null and i.status in ('registered', 'active', 'warning', 'recovering', 'draining')
    ) as s
    where s.lost >= 2
        and s.lost * 2 > s.attached
        and (c.sessions_trusted_from is null or c.sessions_trusted_from < s.first_lost + {{ private }}.setting_interval('restart_grace'));
    return v_changed;
end
$function$;
comment on function {{ private }}.watch_sessions() is 'Notice which attached sessions are gone or back, and whether most of them went together.';

create or replace function {{ private }}.instances_lost()
    returns table (instance_id text, rule text, last_beat_at timestamptz, session_lost_at timestamptz)
    language sql volatile
as $function$
    with watched as (
        select
            i.instance_id, i.lease, i.session_lost_at, i.suspended_until, h.beat_at,
            greatest(h.beat_at, c.silence_counts_from) as heard_at, c.sessions_trusted_from, {{ private }}.now() as now
        from {{ private }}.instance as i
        join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
        cross join {{ private }}.controller as c
        where i.status in ('registered', 'active', 'warning', 'recovering', 'draining')
    )
    select w.instance_id, r.rule, w.beat_at, w.session_lost_at
    from watched as w
    cross join lateral (
        select case
            when w.suspended_until is not null
                then case when w.now >= w.suspended_until and w.now >= w.beat_at + coalesce(w.lease, '0') then 'suspension over' end
            when w.now >= w.heard_at + coalesce(w.lease, {{ private }}.setting_interval('heartbeat_timeout')) then 'silence'
            when w.session_lost_at <= w.now - {{ private }}.setting_interval('disconnect_grace')
                and w.beat_at <= w.now - {{ private }}.setting_interval('disconnect_grace')
                and w.now >= coalesce(w.sessions_trusted_from, '-infinity')
                and (w.lease is null or w.now >= w.beat_at + w.lease) then 'session lost'
        end as rule
    ) as r
    where r.rule is not null
$function$;
comment on function {{ private }}.instances_lost() is 'Instances that are to be declared lost now, and by which rule.';

create or replace function {{ private }}.watch_instances()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_result jsonb := '{}';
    v_ids text[];
    v_lost record;
    v_decision {{ private }}.decision;
begin
    if {{ private }}.watch_server() then
        v_result := v_result || '{"server_returned": true}';
    end if;
    perform {{ private }}.watch_sessions();

    select array_agg(i.instance_id order by i.instance_id) into v_ids
    from {{ private }}.instance as i
    join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
    cross join {{ private }}.controller as c
    where i.status in ('registered', 'active', 'recovering')
        and i.suspended_until is null
        and greatest(h.beat_at, c.silence_counts_from) <= {{ private }}.now() - {{ private }}.setting_interval('heartbeat_warning');
    if v_ids is not null then
        perform {{ private }}.step_instance(u.instance_id, 'late') from unnest(v_ids) as u(instance_id);
        v_result := v_result || jsonb_build_object('late', to_jsonb(v_ids));
    end if;

    if exists (select from {{ private }}.instances_lost()) then
        perform {{ private }}.lock_decisions();
        for v_lost in
            select l.rule, array_agg(l.instance_id order by l.instance_id) as instance_ids, jsonb_agg(to_jsonb(l) order by l.instance_id) as evidence
            from {{ private }}.instances_lost() as l
            group by l.rule
        loop
            v_decision := {{ private }}.lose_instances(
                v_lost.instance_ids, 'lost', v_lost.rule, 'watch_instances', null, jsonb_build_object('evidence', v_lost.evidence)
            );
            v_result := v_result || jsonb_build_object('lost', coalesce(v_result -> 'lost', '[]') || to_jsonb(v_lost.instance_ids))
                || jsonb_build_object(
                    'decision_id', v_decision.decision_id, 'rule', v_decision.rule, 'moves', v_decision.moves,
                    'least_moves', v_decision.least_moves, 'still_waiting', v_decision.still_waiting
                );
        end loop;
    end if;

    select array_agg(i.instance_id order by i.instance_id) into v_ids
    from {{ private }}.instance as i
    where i.status = 'inactive' and i.status_changed_at <= {{ private }}.now() - {{ private }}.setting_interval('removal_timeout');
    if v_ids is not null then
        perform {{ private }}.step_instance(u.instance_id, 'forgotten') from unnest(v_ids) as u(instance_id);
        v_result := v_result || jsonb_build_object('removed', to_jsonb(v_ids));
    end if;
    return nullif(v_result, '{}');
end
$function$;
comment on function {{ private }}.watch_instances() is 'Job watch_instances: late instances are warned of, lost ones give up their streams, long lost ones are removed.';
