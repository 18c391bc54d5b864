-- What is wrong with clients that ask for their streams. They cannot be told, so a person has to hear of it.
-- Reads     pull_client, pull_memory, pull_stranger, instance, assignment, http_presence

create or replace function {{ private }}.rivals_for_a_name()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select
        'name_in_use', c.instance_id, 'warning',
        format('a process at %s wants the name %s, which one at %s has', c.rival_address, c.name, concat_ws(' from ', c.address, c.peer)),
        jsonb_build_object('has_it', c.address, 'from', c.peer, 'wants_it', c.rival_address, 'at', c.rival_at)
    from {{ private }}.pull_client as c
    where c.rival_at > {{ private }}.now() - {{ private }}.setting_interval('http_rival_alert') and c.rival_at > c.registered_at
    union all
    select
        'name_in_use', c.instance_id, 'warning',
        format('a process at %s speaks as %s, which is at %s', coalesce(c.stray_address, 'the same address'), c.name, concat_ws(' from ', c.address, c.peer)),
        jsonb_build_object('has_it', c.address, 'from', c.peer, 'speaks_from', c.stray_address, 'says_it_has', c.stray_load, 'at', c.stray_at)
    from {{ private }}.pull_client as c
    join {{ private }}.instance as i on i.instance_id = c.instance_id and i.placement = 'pull' and i.is_living
    where c.stray_at > {{ private }}.now() - {{ private }}.setting_interval('http_rival_alert') and c.stray_at > c.registered_at
        and not coalesce(c.rival_at > c.registered_at and c.rival_at > {{ private }}.now() - {{ private }}.setting_interval('http_rival_alert'), false)
$function$;
comment on function {{ private }}.rivals_for_a_name() is 'Alert, for each client: another process wants its name, or speaks in it.';

create or replace function {{ private }}.streams_heard_twice()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select
        'heard_twice', m.instance_id, 'critical',
        format('%s hears %s streams that others have by now, until it is restarted', min(c.name), count(*)),
        jsonb_build_object(
            'streams', (array_agg(coalesce(s.number, s.stream_id) order by s.stream_id))[1:20], 'count', count(*),
            'others', array_agg(distinct a.instance_id)
        )
    from {{ private }}.pull_memory as m
    join {{ private }}.pull_client as c on c.instance_id = m.instance_id and not c.is_fresh and not c.has_left
    join {{ private }}.instance as i on i.instance_id = m.instance_id and i.placement = 'pull' and i.is_living
    join {{ private }}.assignment as a on a.stream_id = m.stream_id and a.instance_id <> m.instance_id
    join {{ private }}.instance as o on o.instance_id = a.instance_id and o.is_living and o.keeps_streams
    join {{ private }}.stream as s on s.stream_id = m.stream_id
    group by m.instance_id
$function$;
comment on function {{ private }}.streams_heard_twice() is 'Alert, for each client that came back running what another one was given meanwhile: neither can be told.';

create or replace function {{ private }}.clients_with_unknown_lists()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select
        'client_list_unknown', s.name, 'critical',
        format('%s has %s and has not registered here: recreate its container', left(s.name, 100), coalesce(s.load || ' streams', 'streams')),
        jsonb_build_object('from', s.peer, 'says_it_has', s.load, 'seen_at', s.seen_at)
    from {{ private }}.pull_stranger as s
    where s.seen_at > {{ private }}.now() - {{ private }}.setting_interval('http_rival_alert')
        and s.load > 0
        and not exists (
            select from {{ private }}.pull_client as c
            join {{ private }}.instance as i on i.instance_id = c.instance_id and i.placement = 'pull' and i.is_living
            where c.instance_id = {{ private }}.pull_instance_id(s.name)
        )
    union all
    select
        'client_list_unknown', c.instance_id, 'critical',
        format('%s came with a list of %s streams that it was not given here: recreate its container', c.name, c.came_with),
        jsonb_build_object('address', c.address, 'from', c.peer, 'list_length', c.came_with)
    from {{ private }}.pull_client as c
    join {{ private }}.instance as i on i.instance_id = c.instance_id and i.placement = 'pull' and i.is_living
    where c.came_with > 0
$function$;
comment on function {{ private }}.clients_with_unknown_lists() is 'Alert, for each client whose own list holds streams that it was not given here: what it runs is not known.';

create or replace function {{ private }}.http_server_is_away()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select
        'no_http_server', '', 'critical', 'no HTTP server is there, and clients that ask for their streams cannot be heard',
        jsonb_build_object('last_seen_at', k.seen_at)
    from {{ private }}.http_presence as k
    where k.seen_at < {{ private }}.now() - 4 * {{ private }}.setting_interval('http_absence')
        and exists (select from {{ private }}.instance as i where i.placement = 'pull' and i.is_living)
$function$;
comment on function {{ private }}.http_server_is_away() is 'Alert: clients live that can only be heard by an HTTP server, and none has been there for a while.';

create or replace function {{ private }}.capacities_out_of_range()
    returns table (code text, subject text, severity text, message text, detail jsonb)
    language sql volatile
as $function$
    select
        'client_capacity', c.instance_id, 'warning',
        format('%s says that it takes %s streams; %s are given to it at most', c.name, c.capacity, i.max_streams),
        jsonb_build_object('said', c.capacity, 'taken_for', i.max_streams)
    from {{ private }}.pull_client as c
    join {{ private }}.instance as i on i.instance_id = c.instance_id and i.placement = 'pull' and i.is_living
    where c.capacity not between 1 and 1000
$function$;
comment on function {{ private }}.capacities_out_of_range() is 'Alert, for each client whose capacity is none that an instance can have.';
