-- The roles of a fleet: the owner of everything, and one group each for administrators, workers and readers.
-- No one logs in as one of them; a login becomes a member of the one whose work it does.
-- Roles belong to the whole server, so another database's migration may be making the same ones at this moment.
do $do$
declare
    v_role name;
    -- Since 16, who creates a role is a member at once, but one that may not yet set it.
    v_may_set constant text := case when current_setting('server_version_num')::integer >= 160000 then 'SET' else 'MEMBER' end;
begin
    foreach v_role in array array['{{ owner }}', '{{ admin }}', '{{ worker }}', '{{ reader }}'] loop
        if not exists (select from pg_catalog.pg_roles as r where r.rolname = v_role) then
            begin
                execute pg_catalog.format('create role %I nologin', v_role);
            exception
                when duplicate_object or unique_violation then
                    null; -- the other one was faster
            end;
        end if;
    end loop;
    if not pg_catalog.pg_has_role(current_user, '{{ owner }}', v_may_set) then
        begin
            execute pg_catalog.format('grant %I to %I', '{{ owner }}', current_user);
        exception
            when unique_violation then
                null; -- likewise
        end;
    end if;
    -- What the job watch_transactions needs: to see the sessions of other logins, and to end those that are this system's.
    begin
        execute pg_catalog.format('grant pg_read_all_stats, pg_signal_backend to %I', '{{ owner }}');
    exception
        when unique_violation then
            null; -- likewise
        when insufficient_privilege then
            raise notice 'long transactions of other logins will not be ended: % is not a member of pg_read_all_stats and pg_signal_backend', '{{ owner }}';
    end;
end
$do$;
