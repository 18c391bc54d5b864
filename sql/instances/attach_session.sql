-- Tie the calling connection to an instance, so that losing it is noticed within a second.
-- Locks     session (until the connection ends)
-- Writes    instance
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation
create or replace function {{ api }}.attach_session(p_instance_id text, p_incarnation bigint)
    returns table (attached boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_key bigint := {{ private }}.session_lock_key(p_instance_id, p_incarnation);
begin
    perform {{ private }}.authorize_instance(p_instance_id, p_incarnation);
    perform {{ private }}.lock_session(v_key);
    update {{ private }}.instance as i
    set session_key = v_key, session_lost_at = null
    where i.instance_id = p_instance_id and i.incarnation = p_incarnation;
    if not found then
        perform {{ private }}.authorize_instance(p_instance_id, p_incarnation); -- another process took the name over meanwhile
    end if;
    return query select true;
end
$function$;
comment on function {{ api }}.attach_session(text, bigint) is
'Tie this connection to the instance. When the connection ends, the orchestrator notices within a second. Not behind a pooler in transaction mode.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
attached: true when this connection is tied now.
Raises: OR101, OR103, OR106, OR301.
Example: select * from {{ api }}.attach_session(''fingerv7-001'', 1);';
revoke all on function {{ api }}.attach_session(text, bigint) from public;
grant execute on function {{ api }}.attach_session(text, bigint) to {{ worker }}, {{ admin }};
