-- Hand the name of an instance over to another login, or to a group role whose members share it.
-- Nothing is confirmed and no beat is accepted any more from a login that may not act for the new owner. Its process hears so at
-- once, and ends; its session lock counts for nothing, so its streams wait for the new owner's process for disconnect_grace, or until
-- its lease is over, and go to others then.
-- Locks     decision; instance
-- Writes    instance, decision
-- Notifies  it
-- Raises    OR101 unknown role · OR103 unknown instance · 55P03
create or replace function {{ api }}.set_instance_owner(p_instance_id text, p_role text, p_reason text default null)
    returns table (instance_id text, login text, former_login text, status text, event_id uuid)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_owner_oid oid := (select r.oid from pg_roles as r where r.rolname = p_role);
    v_instance {{ private }}.instance;
    v_decision_id bigint;
begin
    perform {{ private }}.require_exact_text('p_instance_id', p_instance_id);
    perform {{ private }}.require_exact_text('p_role', p_role);
    perform {{ private }}.require_argument(
        'p_role', v_owner_oid is not null, to_jsonb(left(p_role, 100)), 'a role of this server: a login, or a group whose members share the name'
    );
    perform {{ private }}.lock_decisions();
    v_instance := {{ private }}.known_instance(p_instance_id);
    if (v_instance.owner_role, v_instance.owner_oid) is distinct from (p_role::name, v_owner_oid) or v_instance.status = 'removed' then
        update {{ private }}.instance as i
        set owner_role = p_role, owner_oid = v_owner_oid, name_is_reserved = i.status = 'removed'
        where i.instance_id = p_instance_id;
        v_decision_id := {{ private }}.open_decision(
            'new owner', 'set_instance_owner', p_reason,
            jsonb_build_object('instance_id', p_instance_id, 'from', v_instance.owner_role, 'to', p_role)
        );
        perform {{ private }}.close_decision(v_decision_id, 0, 0);
        perform {{ private }}.notify_instance(p_instance_id, v_decision_id);
        perform {{ private }}.compare_sessions_anew();
    end if;
    return query select p_instance_id, p_role, v_instance.owner_role::text, v_instance.status, {{ private }}.event_id();
end
$function$;
comment on function {{ api }}.set_instance_owner(text, text, text) is
'Hand the name of an instance over to another login, or to a group role whose members share it. A process of a login that may not speak for it any more is refused from then on, and ends; start its successor within disconnect_grace, and it gets the same streams. A name that is free is kept for that role until it registers.
p_instance_id: the instance.
p_role: the login or group role that it belongs to from now on.
p_reason: why, for the record.
instance_id: the instance.
login: whose it is now.
former_login: whose it was.
status: its status, which this does not change.
event_id: the id of the event, for explain_event.
Raises: OR101, OR103, 55P03.
Example: select * from {{ api }}.set_instance_owner(''fingerv7-001'', ''{{ worker }}'', ''logins are rotated'');';
revoke all on function {{ api }}.set_instance_owner(text, text, text) from public;
grant execute on function {{ api }}.set_instance_owner(text, text, text) to {{ admin }};
