-- Untie the calling connection from an instance, as its end would: for a worker that leaves a connection which others go on using.
-- Only what this connection holds is given back, so the owner of the instance does not matter; it may be gone already.
-- Locks     session, which is given back
-- Reads     no table
-- Raises    OR101 bad argument
create or replace function {{ api }}.detach_session(p_instance_id text, p_incarnation bigint)
    returns table (detached boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    perform {{ private }}.require_argument('p_instance_id', p_instance_id is not null, null, 'the id of an instance');
    perform {{ private }}.require_argument('p_incarnation', p_incarnation is not null, null, 'its incarnation');
    return query select {{ private }}.unlock_session({{ private }}.session_lock_key(p_instance_id, p_incarnation));
end
$function$;
comment on function {{ api }}.detach_session(text, bigint) is
'Untie this connection from the instance, as if the connection had ended.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
detached: false when this connection was not tied to it.
Raises: OR101.
Example: select * from {{ api }}.detach_session(''fingerv7-001'', 1);';
revoke all on function {{ api }}.detach_session(text, bigint) from public;
grant execute on function {{ api }}.detach_session(text, bigint) to {{ worker }}, {{ admin }};
