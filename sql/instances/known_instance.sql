-- An instance by its id, locked.
-- Locks     instance
-- Raises    OR103 unknown instance

create or replace function {{ private }}.known_instance(p_instance_id text)
    returns {{ private }}.instance
    language plpgsql volatile
as $function$
declare
    v_instance {{ private }}.instance;
begin
    select * into v_instance from {{ private }}.instance as i where i.instance_id = p_instance_id for no key update;
    if not found then
        perform {{ private }}.unknown_instance(p_instance_id);
    end if;
    return v_instance;
end
$function$;
comment on function {{ private }}.known_instance(text) is 'An instance, locked; OR103 when there is none.';
