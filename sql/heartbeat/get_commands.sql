-- What an instance has to do to be in step: the commands of a beat, without the beat. A read, so that after a notification nothing
-- is written, and no commit waited for, before the worker obeys.
-- Locks     decision (only when this may be another database than it was at the last look)
-- Reads     assignment, stream, withdrawal, movement
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.get_commands(p_instance_id text, p_incarnation bigint)
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    perform {{ private }}.be_sure_of_database();
    perform {{ private }}.authorize_instance(p_instance_id, p_incarnation);
    return query
    select c.*
    from {{ private }}.commands_for(p_instance_id, true) as c
    -- in the same look: a process that took the name over meanwhile has new epochs, and they are not for this process
    where exists (select from {{ private }}.instance as i where i.instance_id = p_instance_id and i.incarnation = p_incarnation)
    union all
    select c.*
    from {{ private }}.prepare_commands(p_instance_id) as c
    where exists (select from {{ private }}.instance as i where i.instance_id = p_instance_id and i.incarnation = p_incarnation)
    union all
    select c.*
    from {{ private }}.standby_commands(p_instance_id, null) as c
    where exists (select from {{ private }}.instance as i where i.instance_id = p_instance_id and i.incarnation = p_incarnation);
end
$function$;
comment on function {{ api }}.get_commands(text, bigint) is
'Return what the instance has to start, to stop and to prepare: all that it has not confirmed yet. It is a read, for the moment after a notification.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
action: add, remove or prepare, as in the answer of heartbeat.
stream_id: the stream.
epoch: the epoch under which to start or stop it.
name: the name of the station; null for remove.
url: its address; null for remove.
metadata: what the source knows about it; null for remove.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select action, stream_id, epoch, url from {{ api }}.get_commands(''fingerv7-001'', 1);';
revoke all on function {{ api }}.get_commands(text, bigint) from public;
grant execute on function {{ api }}.get_commands(text, bigint) to {{ worker }}, {{ admin }};
