-- A removed instance may register again.
-- Locks     instance
-- Writes    instance
-- Raises    OR103 unknown instance
create or replace function {{ api }}.readmit_instance(p_instance_id text)
    returns table (instance_id text, status text)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    perform {{ private }}.known_instance(p_instance_id);
    update {{ private }}.instance as i set standing_order = null where i.instance_id = p_instance_id and i.standing_order = 'stay away';
    return query select i.instance_id, i.status from {{ private }}.instance as i where i.instance_id = p_instance_id;
end
$function$;
comment on function {{ api }}.readmit_instance(text) is
'Let an instance that was removed register again.
p_instance_id: the instance.
instance_id: the instance.
status: its status now.
Raises: OR103.
Example: select * from {{ api }}.readmit_instance(''fingerv7-003'');';
revoke all on function {{ api }}.readmit_instance(text) from public;
grant execute on function {{ api }}.readmit_instance(text) to {{ admin }};
