-- Instances that come and go. A process that ended young and without a goodbye is a crash, a loss soon after the last one a
-- relapse; from the third in a row on the instance is on probation: it gets only what no other has room for, and what it
-- has goes to others as far as those have room. Its time doubles with each, up to an hour; an hour of good life and all is
-- forgotten.
-- Locks     instance; stream and assignment rows (by id)
-- Writes    instance, assignment, decision, movement, settle_request

create or replace function {{ private }}.begin_probation(p_instance_id text)
    returns void
    language sql volatile
as $function$
    update {{ private }}.instance as i
    set
        probation_until = greatest(
            i.probation_until,
            {{ private }}.now() + least(
                {{ private }}.setting_interval('probation_time') * 2 ^ least(greatest(i.crashes, i.losses) - 3, 20), interval '1 hour'
            )
        ),
        -- as long as it lasts, it is about what began it
        probation_event_id = case
            when i.probation_until is not null then i.probation_event_id
            else coalesce(
                (select d.event_id from {{ private }}.decision as d where d.decision_id = i.lost_by_decision_id), {{ private }}.event_id()
            )
        end
    where i.instance_id = p_instance_id and greatest(i.crashes, i.losses) >= 3
$function$;
comment on function {{ private }}.begin_probation(text) is 'An instance is here again: if it came and went too often, others are preferred to it for a while.';

create or replace function {{ private }}.note_crash(p_known {{ private }}.instance)
    returns void
    language plpgsql volatile
as $function$
begin
    update {{ private }}.instance as i
    -- from its registration to its last beat: how long it has been dead since says nothing
    set crashes = case when h.beat_at < i.registered_at + interval '5 minutes' then i.crashes + 1 else 1 end
    from {{ private }}.heartbeat as h
    where i.instance_id = (p_known).instance_id
        and h.instance_id = i.instance_id
        and i.status <> 'removed'
        and i.suspended_until is null;
    if found then
        perform {{ private }}.begin_probation((p_known).instance_id);
    end if;
end
$function$;
comment on function {{ private }}.note_crash({{ private }}.instance) is 'A new process takes the place of one that neither said goodbye nor asked for a restart.';

create or replace function {{ private }}.others_are_alive(p_instance_ids text[])
    returns boolean
    language sql volatile
as $function$
    select cardinality(p_instance_ids) <= (
        select count(*)
        from (
            select from {{ private }}.instance as o
            where o.is_living
            limit cardinality(p_instance_ids)
        ) as s
    )
$function$;
comment on function {{ private }}.others_are_alive(text[]) is 'Whether at least as many others are alive as were lost here together: when most are lost, it was not them.';

create or replace function {{ private }}.relieve(p_instance_id text)
    returns void
    language plpgsql volatile
as $function$
declare
    v_decision_id bigint;
begin
    if not exists (
        select from {{ private }}.instance as i
        join {{ private }}.instance_load as l on l.instance_id = i.instance_id
        where i.instance_id = p_instance_id and i.probation_until is not null and l.owned + l.incoming > 0
    ) then
        return;
    end if;
    v_decision_id := {{ private }}.open_decision(
        'crash loop', 'register_instance', null, jsonb_build_object('instance_id', p_instance_id)
    );
    -- a new process runs nothing yet: none has to be asked to stop
    if {{ private }}.fail_over(v_decision_id, array[p_instance_id], 'crash loop') = 0 then
        delete from {{ private }}.decision as d where d.decision_id = v_decision_id;
        return;
    end if;
    perform {{ private }}.close_decision(v_decision_id);
end
$function$;
comment on function {{ private }}.relieve(text) is 'Give what an instance on probation has to others, as far as those have room: it may die any second.';

create or replace function {{ private }}.probations_over()
    returns table (instance_id text)
    language sql stable
as $function$
    select i.instance_id
    from {{ private }}.instance as i
    cross join (select {{ private }}.now() as now) as n
    where i.is_unusual
        and (
            i.probation_until <= n.now
            or greatest(i.crashes, i.losses) > 0
            and i.probation_until is null
            and i.status = 'active'
            and greatest(i.registered_at, i.last_lost_at) <= n.now - interval '1 hour'
        )
$function$;
comment on function {{ private }}.probations_over() is 'Instances whose probation is over, or whose past is to be forgotten.';

create or replace function {{ private }}.end_probations()
    returns void
    language plpgsql volatile
as $function$
declare
    v_instance {{ private }}.instance;
begin
    for v_instance in
        select i.* from {{ private }}.instance as i
        where i.instance_id in (select p.instance_id from {{ private }}.probations_over() as p)
        order by i.instance_id
        for no key update skip locked
    loop
        if v_instance.probation_until is null then
            update {{ private }}.instance as i set crashes = 0, losses = 0 where i.instance_id = v_instance.instance_id;
        else
            update {{ private }}.instance as i set probation_until = null where i.instance_id = v_instance.instance_id;
            perform {{ private }}.request_settle('returned', v_instance.instance_id);
        end if;
    end loop;
end
$function$;
comment on function {{ private }}.end_probations() is 'Let those whose probation is over have their share again, and forget what is long past.';
