-- What streams ask of instances.
-- Writes    requirement

create or replace function {{ private }}.requirement_of(p_capabilities text[], p_region text default null)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_capabilities text[];
    v_requirement_id integer;
begin
    select coalesce(array_agg(distinct c.capability order by c.capability), '{}')
    into v_capabilities
    from unnest(p_capabilities) as c(capability)
    where c.capability is not null and c.capability <> 'audio_fingerprinting';

    select r.requirement_id into v_requirement_id
    from {{ private }}.requirement as r
    where r.capabilities = v_capabilities and r.region is not distinct from p_region;
    if v_requirement_id is null then
        insert into {{ private }}.requirement (capabilities, region) values (v_capabilities, p_region)
        on conflict (capabilities, region) do update set region = excluded.region
        returning requirement_id into v_requirement_id;
    end if;
    return v_requirement_id;
end
$function$;
comment on function {{ private }}.requirement_of(text[], text) is 'The requirement of these capabilities and this region, made when it is new.';
