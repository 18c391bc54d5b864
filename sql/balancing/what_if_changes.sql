-- Parts of what_if(), which takes back what they do. The caller holds the decision lock.
-- Locks     instance; stream and assignment rows (by id)
-- Writes    instance, instance_load, heartbeat, assignment, decision, movement

create or replace function {{ private }}.capacity_of(p_given jsonb)
    returns integer
    language plpgsql immutable
as $function$
declare
    v_capacity jsonb := case when jsonb_typeof(p_given) = 'object' then p_given -> 'max_streams' else p_given end;
begin
    if jsonb_typeof(v_capacity) = 'number' and v_capacity::numeric between 1 and 1000 and v_capacity::numeric = trunc(v_capacity::numeric) then
        return v_capacity::numeric;
    end if;
    return null;
end
$function$;
comment on function {{ private }}.capacity_of(jsonb) is 'A capacity from 1 to 1000, given as a number or as the key max_streams of an object; null when it is none.';

create or replace function {{ private }}.check_what_if(p_without text[], p_with jsonb, p_capacity jsonb)
    returns void
    language plpgsql volatile
as $function$
declare
    v_name text;
    v_given jsonb;
begin
    foreach v_name in array coalesce(p_without, '{}') loop
        perform {{ private }}.known_instance(v_name);
    end loop;
    perform {{ private }}.require_argument(
        'p_with', jsonb_typeof(coalesce(p_with, '{}')) = 'object', p_with, 'an object of new instances and their capacities, such as {"new": 100}'
    );
    perform {{ private }}.require_argument(
        'p_capacity', jsonb_typeof(coalesce(p_capacity, '{}')) = 'object', p_capacity,
        'an object of instances and their capacities, such as {"fingerv7-001": 80}'
    );
    for v_name, v_given in select w.key, w.value from jsonb_each(p_with) as w loop
        perform {{ private }}.require_argument(
            'p_with', {{ private }}.is_name(v_name), to_jsonb(v_name), 'a name of letters, digits, dots, dashes and underscores'
        );
        perform {{ private }}.require_argument(
            'p_with', not exists (select from {{ private }}.instance as i where i.instance_id = v_name and i.status <> 'removed'),
            to_jsonb(v_name), 'a name that no instance has: this one is there already; p_capacity changes its capacity'
        );
        perform {{ private }}.require_argument(
            'p_with', {{ private }}.capacity_of(v_given) is not null, v_given, 'a whole number from 1 to 1000, alone or as max_streams'
        );
    end loop;
    for v_name, v_given in select c.key, c.value from jsonb_each(p_capacity) as c loop
        perform {{ private }}.known_instance(v_name);
        perform {{ private }}.require_argument(
            'p_capacity', {{ private }}.capacity_of(v_given) is not null, v_given, 'a whole number from 1 to 1000'
        );
    end loop;
end
$function$;
comment on function {{ private }}.check_what_if(text[], jsonb, jsonb) is 'Refuse (OR101, OR103) what cannot be supposed.';

create or replace function {{ private }}.apply_what_if_changes(p_without text[], p_with jsonb, p_capacity jsonb)
    returns void
    language plpgsql volatile
as $function$
declare
    v_without text[] := array(
        select i.instance_id from {{ private }}.instance as i
        where i.instance_id = any(p_without) and i.status <> 'removed'
        order by i.instance_id
    );
begin
    update {{ private }}.instance as i
    set max_streams = {{ private }}.capacity_of(p_capacity -> i.instance_id)
    where p_capacity ? i.instance_id;

    -- a removed one may come under its old name
    delete from {{ private }}.instance as i
    where p_with ? i.instance_id;
    insert into {{ private }}.instance (
        instance_id, status, status_event, status_changed_at, max_streams, capabilities, location, owner_role, registered_at
    )
    select
        w.key, 'registered', 'register', {{ private }}.now(), {{ private }}.capacity_of(w.value),
        array(
            select 'audio_fingerprinting' union select c.name
            from jsonb_array_elements_text(case when jsonb_typeof(w.value -> 'capabilities') = 'array' then w.value -> 'capabilities' else '[]' end) as c(name)
        ),
        case when jsonb_typeof(w.value) = 'object' then w.value ->> 'location' end, session_user, {{ private }}.now()
    from jsonb_each(p_with) as w;
    insert into {{ private }}.instance_load (instance_id) select w.key from jsonb_each(p_with) as w;
    insert into {{ private }}.heartbeat (instance_id, incarnation, beat_at) select w.key, 1, {{ private }}.now() from jsonb_each(p_with) as w;

    if cardinality(v_without) > 0 then
        -- that their streams wait until they have stopped is no part of the question
        update {{ private }}.instance as i set stop_within = null where i.instance_id = any(v_without);
        perform {{ private }}.lose_instances(v_without, 'remove', 'what if', 'what_if', null);
    end if;
end
$function$;
comment on function {{ private }}.apply_what_if_changes(text[], jsonb, jsonb) is 'Make it so.';

create or replace function {{ private }}.planned_loads()
    returns jsonb
    language sql volatile
as $function$
    select coalesce(jsonb_object_agg(
        i.instance_id, jsonb_build_object('max_streams', i.max_streams, 'streams', l.owned - l.outgoing + l.incoming)
    ), '{}')
    from {{ private }}.instance as i
    join {{ private }}.instance_load as l on l.instance_id = i.instance_id
    where i.status <> 'removed'
$function$;
comment on function {{ private }}.planned_loads() is 'What each instance will have when all hand-overs are done, and its capacity.';
