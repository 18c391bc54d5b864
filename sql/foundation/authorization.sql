-- Who may speak for an instance.
-- Reads     instance, pg_roles
-- Raises    OR103 unknown instance · OR106 another login's · OR301 stale incarnation

create or replace function {{ private }}.present_owner(p_owner_role name, p_owner_oid oid)
    returns oid
    language sql stable
begin atomic
    -- a role made anew under the name is the owner again; one that was renamed is known by its oid
    select coalesce(
        (select r.oid from pg_roles as r where r.rolname = p_owner_role),
        (select r.oid from pg_roles as r where r.oid = p_owner_oid)
    );
end;
comment on function {{ private }}.present_owner(name, oid) is 'The role that a name belongs to; null when it was dropped.';

create or replace function {{ private }}.is_owner(p_login name, p_owner_role name, p_owner_oid oid)
    returns boolean
    language sql stable
begin atomic
    select exists (
        select from pg_roles as l
        cross join {{ private }}.present_owner(p_owner_role, p_owner_oid) as o (owner)
        where l.rolname = p_login
            -- a superuser passes for a member of every role, and is an administrator
            and (l.oid = o.owner or not l.rolsuper and pg_has_role(l.oid, o.owner, 'member'))
    );
end;
comment on function {{ private }}.is_owner(name, name, oid) is 'Whether a login is the role that a name belongs to, or a member of it. Every membership counts, with any options.';

create or replace function {{ private }}.may_act_for(p_login name, p_owner_role name, p_owner_oid oid)
    returns boolean
    language sql stable
begin atomic
    -- nearly always the first, which is all that a beat pays for
    select p_login = p_owner_role
        or pg_has_role(p_login, '{{ admin }}', 'member')
        or {{ private }}.is_owner(p_login, p_owner_role, p_owner_oid);
end;
comment on function {{ private }}.may_act_for(name, name, oid) is 'Whether a login may speak for the instances of a role: it is that role, a member of it, or an administrator.';

create or replace function {{ private }}.caller_oid()
    returns oid
    language sql stable
begin atomic
    select r.oid from pg_roles as r where r.rolname = session_user;
end;
comment on function {{ private }}.caller_oid() is 'The oid of the login behind this call.';

create or replace function {{ private }}.refuse_other_login(p_instance_id text)
    returns void
    language plpgsql stable
as $function$
begin
    raise exception using
        errcode = 'OR106',
        message = 'the instance belongs to another login',
        detail = jsonb_build_object('instance_id', p_instance_id, 'login', session_user)::text,
        hint = format(
            'use the login that owns the name, choose another instance id, or let an administrator hand it over: select * from {{ api }}.set_instance_owner(%L, %L)',
            p_instance_id, session_user
        );
end
$function$;
comment on function {{ private }}.refuse_other_login(text) is 'Refuse (OR106) a login that may not speak for this instance. It is not told whose it is.';

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
    if not {{ private }}.may_act_for(session_user, v_instance.owner_role, v_instance.owner_oid) then
        perform {{ private }}.refuse_other_login(p_instance_id);
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
