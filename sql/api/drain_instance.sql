-- Empty an instance: it gets nothing new and hands over what it has, as others have room. Holds until undrain_instance.
-- Locks     decision; instance
-- Writes    instance, settle_request
-- Notifies  wake; the hand-overs begin with the next settlement
-- Raises    OR103 unknown instance · OR301 it is removed · 55P03
create or replace function {{ api }}.drain_instance(p_instance_id text, p_reason text default 'drained by an administrator')
    returns table (instance_id text, status text, streams_to_hand_over integer)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_instance {{ private }}.instance;
begin
    perform {{ private }}.lock_decisions();
    v_instance := {{ private }}.known_instance(p_instance_id);
    if v_instance.status in ('registered', 'active', 'warning', 'recovering') then
        perform {{ private }}.step_instance(p_instance_id, 'drain');
    end if;
    update {{ private }}.instance as i set standing_order = 'drain' where i.instance_id = p_instance_id;
    perform {{ private }}.request_settle('draining', p_instance_id);
    perform {{ private }}.wake('settle');
    return query
    select i.instance_id, i.status, l.owned
    from {{ private }}.instance as i join {{ private }}.instance_load as l on l.instance_id = i.instance_id
    where i.instance_id = p_instance_id;
end
$function$;
comment on function {{ api }}.drain_instance(text, text) is 'Empty an instance without losing a second of its streams; says how many there are to hand over.';
revoke all on function {{ api }}.drain_instance(text, text) from public;
grant execute on function {{ api }}.drain_instance(text, text) to {{ admin }};
