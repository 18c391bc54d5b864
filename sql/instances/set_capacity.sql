-- Change how many streams an instance may have, until it registers with another number. What it holds above that is handed over.
-- Locks     decision; instance
-- Writes    instance, settle_request, standby
-- Raises    OR101 bad capacity · OR103 unknown instance · 55P03
create or replace function {{ api }}.set_capacity(p_instance_id text, p_max_streams integer)
    returns table (instance_id text, max_streams integer, assigned_streams integer)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_instance {{ private }}.instance;
begin
    perform {{ private }}.require_argument(
        'p_max_streams', p_max_streams between 1 and 1000, to_jsonb(p_max_streams), 'a capacity from 1 to 1000 streams'
    );
    perform {{ private }}.lock_decisions();
    v_instance := {{ private }}.known_instance(p_instance_id);
    if v_instance.max_streams <> p_max_streams then
        update {{ private }}.instance as i set max_streams = p_max_streams where i.instance_id = p_instance_id;
        perform {{ private }}.yield_standbys();
        perform {{ private }}.request_settle('capacity', p_instance_id);
        perform {{ private }}.wake('settle');
    end if;
    return query
    select i.instance_id, i.max_streams, l.owned
    from {{ private }}.instance as i join {{ private }}.instance_load as l on l.instance_id = i.instance_id
    where i.instance_id = p_instance_id;
end
$function$;
comment on function {{ api }}.set_capacity(text, integer) is
'Change how many streams an instance may have, until it registers with another number. What it holds above that is handed over.
p_instance_id: the instance.
p_max_streams: its capacity, 1 to 1000.
instance_id: the instance.
max_streams: its capacity now.
assigned_streams: streams that it has.
Raises: OR101, OR103, 55P03.
Example: select * from {{ api }}.set_capacity(''fingerv7-001'', 80);';
revoke all on function {{ api }}.set_capacity(text, integer) from public;
grant execute on function {{ api }}.set_capacity(text, integer) to {{ admin }};
