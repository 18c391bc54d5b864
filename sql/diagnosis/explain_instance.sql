-- An instance's life: what it is now, then what happened to it, latest first: registrations, losses, drains, late beats,
-- repairs, alerts, and every decision that gave it streams or took some.
-- Of the latest ten thousand decisions and job runs; at most two hundred rows.
-- Reads     instance, instance_load, heartbeat, instance_transition, decision, movement, assignment, job_run, repair, alert
-- Raises    OR103 unknown instance
create or replace function {{ api }}.explain_instance(p_instance_id text)
    returns table (
        at timestamptz, what text, gained integer, lost integer, rule text, trigger text, actor text, reason text,
        decision_id bigint, detail jsonb, event_id uuid
    )
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    if not exists (select from {{ private }}.instance as i where i.instance_id = p_instance_id) then
        perform {{ private }}.unknown_instance(p_instance_id);
    end if;
    return query
    select
        i.status_changed_at, 'now ' || i.status, l.incoming, l.outgoing, null::text, i.status_event, null::text,
        (select t.meaning from {{ private }}.instance_transition as t where t.event = i.status_event and t.to_status = i.status limit 1),
        null::bigint,
        jsonb_strip_nulls(jsonb_build_object(
            'streams', l.owned, 'max_streams', i.max_streams, 'incarnation', i.incarnation, 'registered_at', i.registered_at,
            'beat_at', h.beat_at, 'in_step', h.in_step, 'lease', i.lease, 'session_lost_at', i.session_lost_at,
            'suspended_until', i.suspended_until, 'standing_order', i.standing_order, 'crashes', i.crashes, 'losses', i.losses,
            'last_lost_at', i.last_lost_at, 'probation_until', i.probation_until
        )), null::uuid
    from {{ private }}.instance as i
    join {{ private }}.instance_load as l on l.instance_id = i.instance_id
    join {{ private }}.heartbeat as h on h.instance_id = i.instance_id
    where i.instance_id = p_instance_id;
    return query
    select e.* from {{ private }}.events_of_instance(p_instance_id) as e order by e.at desc, e.decision_id desc nulls last limit 200;
end
$function$;
comment on function {{ api }}.explain_instance(text) is
'Tell the life of an instance, latest first: what it is now, then registrations, losses, drains, late beats, repairs, alerts, and each decision with the streams that it gained and lost. At most two hundred rows.
p_instance_id: the instance.
at: when it happened.
what: the status now, or what happened.
gained: streams that came to it; in the first row, those on their way to it.
lost: streams that left it; in the first row, those that it is handing over.
rule: the rule of the decision.
trigger: the event that caused it.
actor: the login or job that caused it.
reason: why, in words.
decision_id: the decision, in the view decisions.
detail: more about it, as JSON.
event_id: the id of the event, for explain_event.
Raises: OR103.
Example: select at, what, gained, lost, rule, reason from {{ api }}.explain_instance(''fingerv7-001'');';
revoke all on function {{ api }}.explain_instance(text) from public;
grant execute on function {{ api }}.explain_instance(text) to {{ reader }}, {{ admin }};
