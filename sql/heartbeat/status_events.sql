-- What a beat changes in an instance's status.
-- Locks     instance
-- Writes    instance, settle_request

create or replace function {{ private }}.apply_status_event(p_instance {{ private }}.instance, p_report {{ private }}.report)
    returns void
    language plpgsql volatile
as $function$
declare
    v_status text;
    v_event text;
begin
    -- the row may have changed since it was read: look again under its lock
    select i.status, i.status_event into v_status, v_event
    from {{ private }}.instance as i
    where i.instance_id = (p_instance).instance_id and i.incarnation = (p_instance).incarnation
    for no key update;
    if v_status = 'warning' and v_event = 'no progress' and not {{ private }}.may_be_well((p_instance).instance_id, p_report) then
        return; -- that it beats is known
    elsif v_status in ('registered', 'warning', 'inactive', 'recovering') then
        v_status := {{ private }}.step_instance((p_instance).instance_id, 'beat');
        if v_status = 'recovering' then
            -- it was frozen and not cut off: its session is as good as before
            update {{ private }}.instance as i
            set session_key = s.session_key
            from {{ private }}.held_sessions() as s
            where i.instance_id = (p_instance).instance_id
                and s.session_key = {{ private }}.session_lock_key(i.instance_id, i.incarnation)
                and {{ private }}.may_act_for(s.login, i.owner_role, i.owner_oid);
            perform {{ private }}.request_settle({{ private }}.return_of((p_instance).instance_id), (p_instance).instance_id);
            perform {{ private }}.begin_probation((p_instance).instance_id);
        end if;
    end if;
    if (p_report).status = 'draining' and v_status in ('active', 'recovering') then
        perform {{ private }}.step_instance((p_instance).instance_id, 'drain');
        perform {{ private }}.request_settle('draining', (p_instance).instance_id);
    end if;
    if (p_instance).suspended_until is not null then
        update {{ private }}.instance as i set suspended_until = null where i.instance_id = (p_instance).instance_id;
        perform {{ private }}.request_settle('resumed after suspension', (p_instance).instance_id);
    end if;
end
$function$;
comment on function {{ private }}.apply_status_event({{ private }}.instance, {{ private }}.report) is 'An instance that was late, lost, new or suspended is heard, or one asks to be drained.';
