-- Parts of explain_stream(), explain_instance(), what_if() and plan_effect().
-- Reads     instance, instance_load, assignment, requirement, refusal, movement

create or replace function {{ private }}.candidates(p_stream_id bigint)
    returns table (instance_id text, streams integer, max_streams integer, excluded_by text)
    language sql volatile
as $function$
    select c.*
    from (
        select
            i.instance_id, l.owned - l.outgoing + l.incoming as streams, i.max_streams,
            case
                when i.instance_id = a.instance_id then 'it has the stream'
                when i.status = 'inactive' then 'it is lost'
                when i.status = 'draining' or i.standing_order = 'drain' then 'it is being drained'
                when i.status = 'warning' then 'it is late'
                when i.placement = 'pull' then 'it is given streams at its own ask only'
                when i.suspended_until is not null then 'it is suspended until ' || i.suspended_until
                when not i.capabilities @> r.capabilities then 'it lacks ' || array_to_string(
                    array(select c.name from unnest(r.capabilities) as c(name) where c.name <> all(i.capabilities) order by c.name), ', '
                )
                when f.until is not null then 'it gave the stream back (' || f.reason || '), and gets it no more until ' || f.until
                when i.probation_until is not null
                    then 'it is on probation until ' || i.probation_until || ': it gets what no other has room for'
                when p.instance_id is null then 'it may not have new streams'
                when p.planned >= p.ceiling then 'it is full'
            end as excluded_by
        from {{ private }}.assignment as a
        join {{ private }}.requirement as r on r.requirement_id = a.requirement_id
        cross join {{ private }}.instance as i
        join {{ private }}.instance_load as l on l.instance_id = i.instance_id
        left join {{ private }}.placeable_instances() as p on p.instance_id = i.instance_id
        left join {{ private }}.refusal as f
            on f.stream_id = a.stream_id and f.instance_id = i.instance_id and f.until > {{ private }}.now()
        where a.stream_id = p_stream_id and i.status <> 'removed'
    ) as c
    order by c.excluded_by is not null, c.streams / c.max_streams::double precision, c.instance_id
$function$;
comment on function {{ private }}.candidates(bigint) is 'Every instance, and what keeps it from having a stream; null: it could have it. The least loaded of those first.';

create or replace function {{ private }}.explain_now(p_assignment {{ private }}.assignment)
    returns jsonb
    language sql volatile
as $function$
    with candidate as materialized (
        select c.*, row_number() over () as place from {{ private }}.candidates((p_assignment).stream_id) as c
    ),
    reason as (
        select case w.reason
            when 'no instance' then 'no instance may be given any stream now'
            when 'no ability' then 'no instance has the capabilities'
            when 'no room' then 'every able instance is full'
            when 'no ask' then 'a client that has room has yet to ask for it'
            when 'refused' then 'every able instance with room gave it back lately'
            else 'it could be placed: the next settlement does'
        end as text
        from {{ private }}.waiting_reasons() as w
        where w.stream_id = (p_assignment).stream_id
    )
    select
        jsonb_strip_nulls(jsonb_build_object(
            'waits_because', w.text,
            'requires', (select nullif(r.capabilities, '{}') from {{ private }}.requirement as r where r.requirement_id = (p_assignment).requirement_id),
            'source', (select s.source from {{ private }}.stream as s where s.stream_id = (p_assignment).stream_id),
            'external_id', (select {{ private }}.redact(s.external_id) from {{ private }}.stream as s where s.stream_id = (p_assignment).stream_id),
            'pinned_to', (p_assignment).pinned_to,
            'cannot_be_moved', (
                select 'its owner stops no stream: stop its process, and recreate its container if it is an HTTP client'
                from {{ private }}.instance as i
                where i.instance_id = (p_assignment).instance_id and i.keeps_streams and i.is_living
            )
        ))
        -- a waiting stream is told why of all instances; a held one, which others could have it
        || jsonb_build_object(
            'candidates', (
                select coalesce(jsonb_agg(to_jsonb(c) - 'place' order by c.place), '[]')
                from candidate as c
                where c.place <= case when w.text is null then 5 else 50 end and (w.text is not null or c.excluded_by is null)
            ),
            'instances', (select count(*) from candidate)
        )
    from (select (select r.text from reason as r) as text) as w
$function$;
comment on function {{ private }}.explain_now({{ private }}.assignment) is 'Why a stream waits, with every candidate and what excludes it; or who else could have it.';

create or replace function {{ private }}.other_loads(p_detail jsonb, p_from text, p_to text)
    returns jsonb
    language sql immutable
as $function$
    select p_detail || case
        when p_detail ? 'loads' then jsonb_build_object('alternatives', coalesce((
            select jsonb_agg(l.load order by l.load ->> 'instance_id')
            from jsonb_array_elements(p_detail -> 'loads') as l(load)
            where l.load ->> 'instance_id' is distinct from p_from and l.load ->> 'instance_id' is distinct from p_to
        ), '[]'))
        else '{}'
    end
$function$;
comment on function {{ private }}.other_loads(jsonb, text, text) is 'The detail of a decision, and the other instances among its loads: those that a stream could have gone to.';

create or replace function {{ private }}.events_of_instance(p_instance_id text)
    returns table (
        at timestamptz, what text, gained integer, lost integer, rule text, trigger text, actor text, reason text,
        decision_id bigint, detail jsonb, event_id uuid
    )
    language sql volatile
as $function$
    with decided as (
        select
            d.*,
            case
                when d.detail -> 'instances' ? p_instance_id then case d.rule when 'goodbye' then 'goodbye' when 'removed' then 'removed' else 'lost' end
                when d.detail ->> 'instance_id' = p_instance_id then d.rule
                when d.detail -> 'subjects' ? p_instance_id then 'settled: ' || d.trigger
                else 'moves'
            end as what
        from (select r.* from {{ private }}.decision as r order by r.decision_id desc limit 10000) as d
        -- as one path: of ten thousand decisions each detail is unpacked once
        where jsonb_path_match(
            d.detail, '$.instances[*] == $id || $.instance_id == $id || $.subjects[*] == $id || $.loads[*].instance_id == $id',
            jsonb_build_object('id', p_instance_id)
        )
        order by d.decision_id desc
        limit 200 -- more is not shown
    )
    select d.decided_at, d.what, m.gained, m.lost, d.rule, d.trigger, d.actor, d.reason, d.decision_id, d.detail, d.event_id
    from decided as d
    cross join lateral (
        select
            count(*) filter (where v.to_id = p_instance_id)::integer as gained,
            count(*) filter (where v.from_id = p_instance_id)::integer as lost
        from (
            select o.from_instance_id as from_id, o.to_instance_id as to_id
            from {{ private }}.movement as o where o.decision_id = d.decision_id
            union all
            select a.instance_id, a.next_instance_id
            from {{ private }}.assignment as a where a.decision_id = d.decision_id and a.releasing_since is not null
        ) as v
    ) as m
    union all
    select i.registered_at, 'registered as incarnation ' || i.incarnation, null, null, null, 'register_instance', i.owner_role::text, null, null,
        jsonb_build_object('version', i.version, 'location', i.location, 'capabilities', i.capabilities), null
    from {{ private }}.instance as i where i.instance_id = p_instance_id
    union all
    select r.started_at, 'late', null, null, null, 'watch_instances', r.run_by, 'no beat for heartbeat_warning', null, '{}', r.event_id
    from (select j.* from {{ private }}.job_run as j order by j.started_at desc limit 10000) as r
    where r.job = 'watch_instances' and r.result -> 'late' ? p_instance_id
    union all
    select p.found_at, 'out of step', null, null, null, p.found_by, null, 'repaired by ' || p.repaired_by, null,
        jsonb_build_object('attempt', p.attempt, 'difference', p.difference, 'repaired_at', p.repaired_at, 'incarnation', p.incarnation), null
    from {{ private }}.repair as p where p.instance_id = p_instance_id
    union all
    select t.opened_at, 'alert ' || t.code, null, null, null, 'evaluate_alerts', null, t.message, null,
        t.detail || jsonb_build_object('severity', t.severity, 'resolved_at', t.resolved_at), t.event_id
    from {{ private }}.alert as t where t.subject = p_instance_id
$function$;
comment on function {{ private }}.events_of_instance(text) is 'What happened to an instance, in no order.';
