-- Who may speak for an instance.
-- Reads     instance

create or replace function {{ private }}.may_act_for(p_login name, p_owner_role name)
    returns boolean
    language sql stable
begin atomic
    select p_login = p_owner_role or pg_has_role(p_login, '{{ admin }}', 'member');
end;
comment on function {{ private }}.may_act_for(name, name) is 'Whether a login may speak for the instances of another one: it is the same, or an administrator.';

create or replace function {{ private }}.actor()
    returns text
    language sql stable
begin atomic
    select session_user || coalesce(' (' || nullif(current_setting('application_name', true), '') || ')', '');
end;
comment on function {{ private }}.actor() is 'The login behind this call and the program that it names.';

create or replace function {{ private }}.authorize_instance(p_instance_id text, p_incarnation bigint)
    returns {{ private }}.instance
    language plpgsql volatile
as $function$
declare
    v_instance {{ private }}.instance;
begin
    perform {{ private }}.require_exact_text('p_instance_id', p_instance_id);
    select * into v_instance from {{ private }}.instance as i where i.instance_id = p_instance_id;
    if not found then
        perform {{ private }}.unknown_instance(p_instance_id);
    end if;
    if not {{ private }}.may_act_for(session_user, v_instance.owner_role) then
        raise exception using
            errcode = 'OR106',
            message = 'the instance belongs to another login',
            detail = jsonb_build_object('instance_id', p_instance_id, 'login', session_user)::text,
            hint = 'use the login that registered it, or an administrator''s';
    end if;
    if p_incarnation is distinct from v_instance.incarnation or v_instance.status = 'removed' then
        raise exception using
            errcode = 'OR301',
            message = 'stale incarnation',
            detail = jsonb_build_object(
                'instance_id', p_instance_id, 'incarnation', p_incarnation,
                'present_incarnation', v_instance.incarnation, 'status', v_instance.status
            )::text,
            hint = 'register the instance again and use the incarnation that the answer gives';
    end if;
    return v_instance;
end
$function$;
comment on function {{ private }}.authorize_instance(text, bigint) is 'The instance, when this login and this incarnation may speak for it; else OR103, OR106 or OR301.';
