-- Findings of diagnose(): streams that shall have a standby and have none.
--   host_unknown             an instance does not say on which host it is
--   standby_window_short     the window of standbys is shorter than a loss can take to be noticed
--   standby_nowhere          no instance elsewhere can be the standby
--   standby_without_room     those that can are full
-- Reads     standby, stream, assignment, instance, instance_load, setting

create or replace function {{ private }}.findings_standbys()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language plpgsql volatile
as $function$
begin
    if not {{ private }}.standbys_are_on() then
        return;
    end if;
    return query
    with lacking as materialized (
        select l.stream_id, l.owner_id, r.capabilities
        from {{ private }}.streams_to_stand_by_for() as l
        join {{ private }}.requirement as r on r.requirement_id = l.requirement_id
    ),
    unknown as materialized (
        select
            i.instance_id,
            (select count(*) from lacking as l where l.owner_id = i.instance_id) as streams
        from {{ private }}.instance as i
        where i.is_living
            and i.placement = 'push'
            and not i.metadata ? 'http'
            and {{ private }}.host_of(i) is null
    ),
    able as materialized (
        select
            g.owner_id, g.capabilities, g.streams, g.stream_ids,
            exists (
                select from {{ private }}.standby_candidates(g.owner_id) as c where c.capabilities @> g.capabilities
            ) as has_candidates,
            exists (
                select from {{ private }}.standby_candidates(g.owner_id) as c where c.capabilities @> g.capabilities and c.room > 0
            ) as has_room
        from (
            select l.owner_id, l.capabilities, count(*) as streams, (array_agg(l.stream_id order by l.stream_id))[1:20] as stream_ids
            from lacking as l
            group by l.owner_id, l.capabilities
        ) as g
        where g.owner_id not in (select u.instance_id from unknown as u)
    )
    select
        'warning', 'host_unknown', 'instance ' || u.instance_id,
        'on which host it is is not known: it is the standby of no stream, and its ' || u.streams || ' streams have none',
        jsonb_build_object('instance_id', u.instance_id, 'streams', u.streams),
        'Set WORKER_HOST to the name of its machine (in a container its own host name is the container''s), and start it again.', null::text
    from unknown as u
    union all
    select
        'warning', 'standby_window_short', 'setting standby_window',
        'it is ' || {{ private }}.setting_text('standby_window') || ', shorter than ' || l.reason || ' + 15 seconds: a standby may have forgotten what was missed',
        jsonb_build_object('standby_window', {{ private }}.setting_text('standby_window'), 'at_least', l.window_length),
        'Let standbys keep more, as the repair does; or shorten what takes so long.',
        format('select * from {{ api }}.set_setting(%L, %L)', 'standby_window', l.window_length)
    from {{ private }}.least_standby_window() as l
    where {{ private }}.setting_interval('standby_window') < l.window_length
    union all
    select
        'warning', 'standby_nowhere', 'instance ' || a.owner_id,
        a.streams || ' of its streams shall have a standby and have none: no instance on another host is able to be',
        jsonb_build_object('streams', a.streams, 'some', to_jsonb(a.stream_ids), 'required_capabilities', to_jsonb(a.capabilities)),
        'Start an instance on another host whose handler can hear before it owns (make_before_break); or set standby_location to any.', null
    from able as a
    where not a.has_candidates
    union all
    select
        'warning', 'standby_without_room', 'instance ' || a.owner_id,
        a.streams || ' of its streams shall have a standby and have none: the instances that could be are full',
        jsonb_build_object('streams', a.streams, 'some', to_jsonb(a.stream_ids), 'required_capabilities', to_jsonb(a.capabilities)),
        'Start another instance, or raise max_streams where a machine has the power for it: {{ api }}.set_capacity(…).', null
    from able as a
    where a.has_candidates and not a.has_room;
end
$function$;
comment on function {{ private }}.findings_standbys() is 'Findings: streams that shall have a standby and have none, and why.';
