-- The roles of a fleet: the owner of everything, and one group each for administrators, workers and readers.
-- Nobody can log in as one of them; a login becomes a member of what it may do.
do $do$
declare
    v_role name;
begin
    foreach v_role in array array['{{ owner }}', '{{ admin }}', '{{ worker }}', '{{ reader }}'] loop
        begin
            if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
                execute format('create role %I nologin', v_role);
            end if;
        exception
            when duplicate_object or unique_violation then
                null; -- made by somebody else at the same moment, for another database of this server
        end;
    end loop;
    if not pg_catalog.pg_has_role(current_user, '{{ owner }}', 'member') then
        execute format('grant %I to %I', '{{ owner }}', current_user);
    end if;
end
$do$;
