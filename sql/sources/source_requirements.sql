-- Make the requirements that a batch names for the first time. With the decision lock held: two who make the same one
-- wait for each other.
-- Writes    requirement
create or replace function {{ private }}.source_requirements(p_batch uuid)
    returns void
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.requirement_of(d.capabilities, d.region)
    from (
        select distinct r.capabilities, r.region
        from {{ private }}.source_rows(p_batch) as r
        where r.requirement_id is null and r.problem is null
    ) as d;
end
$function$;
comment on function {{ private }}.source_requirements(uuid) is 'Makes the requirements that a staged batch names for the first time.';
