-- DELETE /instances/{server_id}: an instance says goodbye, or a program says it for one.
-- Locks     decision; instance; stream and assignment rows (by id)
-- Writes    instance, assignment, decision, movement
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation
--           OR407 a promise would be cut short · 55P03
create or replace function {{ api }}.http_remove_instance(p_request jsonb, p_address text default null)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_name text := {{ private }}.http_client_name(p_request, array['server_id']);
    v_client {{ private }}.pull_client := {{ private }}.http_client_of(v_name);
    v_instance {{ private }}.instance;
begin
    perform {{ private }}.authorize_name({{ private }}.pull_instance_id(v_name));
    select i.* into v_instance from {{ private }}.instance as i where i.instance_id = v_client.instance_id;
    if v_instance.is_living and not {{ private }}.is_pull_client_here(v_client, p_address) then
        perform {{ private }}.note_stray(v_client.instance_id, p_address, null);
        return query select 200, jsonb_build_object('success', true, 'message', 'it lives elsewhere: stop it there');
        return;
    elsif v_instance.status <> 'removed' then
        perform g.moved from {{ api }}.deregister_instance(v_client.instance_id, v_instance.incarnation) as g;
    end if;
    return query select 200, jsonb_build_object('success', true, 'message', case when v_client.instance_id is null then 'it was not known' else 'removed' end);
end
$function$;
comment on function {{ api }}.http_remove_instance(jsonb, text) is
'Answer DELETE /instances/{server_id}: the client says goodbye, and its streams go to others.
p_request: {"server_id": …}.
p_address: where the client calls from.
status: the HTTP status.
body: the JSON answer.
Raises: OR101, OR103, OR106, OR301, OR407, 55P03.
Example: select * from {{ api }}.http_remove_instance(''{"server_id": "server-1"}'');';
revoke all on function {{ api }}.http_remove_instance(jsonb, text) from public;
grant execute on function {{ api }}.http_remove_instance(jsonb, text) to {{ worker }}, {{ admin }};
