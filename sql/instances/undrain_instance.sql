-- An instance that was drained may have streams again.
-- Locks     decision; instance
-- Writes    instance, settle_request
-- Raises    OR103 unknown instance · 55P03
create or replace function {{ api }}.undrain_instance(p_instance_id text)
    returns table (instance_id text, status text)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_instance {{ private }}.instance;
begin
    perform {{ private }}.lock_decisions();
    v_instance := {{ private }}.known_instance(p_instance_id);
    if v_instance.status = 'draining' then
        perform {{ private }}.step_instance(p_instance_id, 'undrain');
    end if;
    update {{ private }}.instance as i set standing_order = null where i.instance_id = p_instance_id and i.standing_order = 'drain';
    -- one that was lost while it drained and came back has the order still, but not the status
    if v_instance.status = 'draining' or v_instance.standing_order = 'drain' then
        perform {{ private }}.request_settle('undrained', p_instance_id);
    end if;
    return query select i.instance_id, i.status from {{ private }}.instance as i where i.instance_id = p_instance_id;
end
$function$;
comment on function {{ api }}.undrain_instance(text) is
'End a drain. The instance may have streams again.
p_instance_id: the instance.
instance_id: the instance.
status: its status now.
Raises: OR103, 55P03.
Example: select * from {{ api }}.undrain_instance(''fingerv7-001'');';
revoke all on function {{ api }}.undrain_instance(text) from public;
grant execute on function {{ api }}.undrain_instance(text) to {{ admin }};
