-- Every change of an instance's status is a step of the state machine, named by its event.
-- Reads     instance_transition
-- Raises    OR901 the step is not in the table

create or replace function {{ private }}.is_changed_by_a_beat(p_instance {{ private }}.instance)
    returns boolean
    language sql immutable
begin atomic
    select (p_instance).status not in ('active', 'draining') or (p_instance).suspended_until is not null;
end;
comment on function {{ private }}.is_changed_by_a_beat({{ private }}.instance) is 'Whether the next beat changes this instance: it is new, late, lost, recovering or suspended.';

create or replace function {{ private }}.step_instance(p_instance_id text, p_event text)
    returns text
    language plpgsql volatile
as $function$
declare
    v_status text;
begin
    update {{ private }}.instance as i
    set status = t.to_status, status_event = t.event
    from {{ private }}.instance_transition as t
    where i.instance_id = p_instance_id and t.from_status = i.status and t.event = p_event
    returning i.status into v_status;
    if v_status is null then
        raise exception using
            errcode = 'OR901',
            message = 'the state machine has no such step',
            detail = jsonb_build_object(
                'instance_id', p_instance_id, 'event', p_event,
                'from', (select i.status from {{ private }}.instance as i where i.instance_id = p_instance_id)
            )::text,
            hint = 'select * from {{ api }}.state_machine shows the steps that exist';
    end if;
    return v_status;
end
$function$;
comment on function {{ private }}.step_instance(text, text) is 'Let an event happen to an instance; returns its new status.';

create or replace function {{ private }}.check_instance_transition()
    returns trigger
    language plpgsql volatile
as $function$
declare
    v_from text := case when tg_op = 'INSERT' then 'unknown' else old.status end;
begin
    if not exists (
        select from {{ private }}.instance_transition as t
        where t.from_status = v_from and t.event = new.status_event and t.to_status = new.status
    ) then
        raise exception using
            errcode = 'OR901',
            message = 'the state machine has no such step',
            detail = jsonb_build_object(
                'instance_id', new.instance_id, 'from', v_from, 'event', new.status_event, 'to', new.status
            )::text,
            hint = 'select * from {{ api }}.state_machine shows the steps that exist';
    end if;
    new.status_changed_at := {{ private }}.now();
    return new;
end
$function$;
comment on function {{ private }}.check_instance_transition() is 'Refuses a change of status that the state machine does not have.';

create or replace trigger check_instance_transition_on_insert
    before insert on {{ private }}.instance
    for each row execute function {{ private }}.check_instance_transition();

create or replace trigger check_instance_transition_on_update
    before update on {{ private }}.instance
    for each row when (old.status is distinct from new.status)
    execute function {{ private }}.check_instance_transition();
