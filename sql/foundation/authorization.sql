-- Who may speak for an instance.
-- Reads     instance

create or replace function {{ private }}.may_speak_for(p_login name, p_owner_role name)
    returns boolean
    language sql stable
begin atomic
    select p_login = p_owner_role or pg_has_role(p_login, '{{ admin }}', 'member');
end;
comment on function {{ private }}.may_speak_for(name, name) is 'Whether a login may speak for the instances of another one: it is the same, or an administrator.';

create or replace function {{ private }}.actor()
    returns text
    language sql stable
begin atomic
    select session_user || coalesce(' (' || nullif(current_setting('application_name', true), '') || ')', '');
end;
comment on function {{ private }}.actor() is 'The login behind this call and the program that it names.';

create or replace function {{ private }}.unknown_instance(p_instance_id text)
    returns void
    language plpgsql volatile
as $function$
begin
    raise exception using
        errcode = 'OR103',
        message = 'unknown instance',
        detail = jsonb_build_object('instance_id', p_instance_id)::text,
        hint = 'select instance_id, status from {{ api }}.instances lists those that are known';
end
$function$;
comment on function {{ private }}.unknown_instance(text) is 'Refuse with OR103.';

create or replace function {{ private }}.unknown_stream(p_stream_id bigint)
    returns void
    language plpgsql volatile
as $function$
begin
    raise exception using
        errcode = 'OR102',
        message = 'unknown stream',
        detail = jsonb_build_object('stream_id', p_stream_id)::text,
        hint = 'select stream_id, name from {{ api }}.streams lists those that are known';
end
$function$;
comment on function {{ private }}.unknown_stream(bigint) is 'Refuse with OR102.';

create or replace function {{ private }}.unknown_alert(p_alert_id bigint)
    returns void
    language plpgsql volatile
as $function$
begin
    raise exception using
        errcode = 'OR107',
        message = 'unknown alert',
        detail = jsonb_build_object('alert_id', p_alert_id)::text,
        hint = 'select alert_id, code, subject from {{ api }}.alerts lists them';
end
$function$;
comment on function {{ private }}.unknown_alert(bigint) is 'Refuse with OR107.';

create or replace function {{ private }}.require_exact_text(p_name text, p_text text)
    returns void
    language plpgsql volatile
as $function$
declare
    v_collation text collate "C" := collation for (p_text);
begin
    -- A text brings its collation along, into every comparison with it: under one of the caller's own making
    -- 'FV-1' = 'fv-1', and whoever speaks for the one speaks for the other.
    if v_collation <> '"default"' and not exists (
        select from pg_collation as c
        where c.collisdeterministic
            and v_collation = case
                when c.collnamespace = 'pg_catalog'::regnamespace then quote_ident(c.collname)
                else format('%s.%I', c.collnamespace::regnamespace, c.collname)
            end
    ) then
        perform {{ private }}.require_argument(p_name, false, null, 'a text whose collation tells different texts apart: leave the collate away');
    end if;
end
$function$;
comment on function {{ private }}.require_exact_text(text, text) is 'Refuse (OR101) a text under a collation that takes different texts for equal.';

create or replace function {{ private }}.speak_for(p_instance_id text, p_incarnation bigint)
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
    if not {{ private }}.may_speak_for(session_user, v_instance.owner_role) then
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
comment on function {{ private }}.speak_for(text, bigint) is 'The instance, when this login and this incarnation may speak for it; else OR103, OR106 or OR301.';

create or replace function {{ private }}.require_argument(p_name text, p_is_good boolean, p_given jsonb, p_hint text)
    returns void
    language plpgsql volatile
as $function$
begin
    if p_is_good is not true then
        raise exception using
            errcode = 'OR101',
            message = 'bad argument',
            detail = jsonb_build_object('argument', p_name, 'given', case
                when pg_column_size(p_given) > 10000 or length(p_given::text) > 10000 then to_jsonb('too long to be said again'::text)
                else p_given
            end)::text,
            hint = p_hint;
    end if;
end
$function$;
comment on function {{ private }}.require_argument(text, boolean, jsonb, text) is 'Refuse with OR101, naming the argument, what was given and what is wanted.';
