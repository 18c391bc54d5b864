-- What an instance has to do to be in step: the commands of a beat, without the beat. A read, so that after a notification nothing
-- is written, and no commit waited for, before the worker obeys.
-- Reads     assignment, stream, withdrawal, movement
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation
create or replace function {{ api }}.get_commands(p_instance_id text, p_incarnation bigint)
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
begin
    perform {{ private }}.speak_for(p_instance_id, p_incarnation);
    return query
    select c.*
    from {{ private }}.commands_for(p_instance_id, true) as c
    -- in the same look: whoever took the name over meanwhile has new epochs, and they are not for this process
    where exists (select from {{ private }}.instance as i where i.instance_id = p_instance_id and i.incarnation = p_incarnation)
    union all
    select c.*
    from {{ private }}.prepare_commands(p_instance_id) as c
    where exists (select from {{ private }}.instance as i where i.instance_id = p_instance_id and i.incarnation = p_incarnation);
end
$function$;
comment on function {{ api }}.get_commands(text, bigint) is 'What the instance has to start, to stop and to prepare, as a beat would say it: all that it has not confirmed yet. For who was notified.';
revoke all on function {{ api }}.get_commands(text, bigint) from public;
grant execute on function {{ api }}.get_commands(text, bigint) to {{ worker }}, {{ admin }};
