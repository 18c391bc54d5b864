-- Everything an instance should be running.
-- Locks     decision (only when this may be another database than it was at the last look)
-- Reads     assignment, stream
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.get_assignments(p_instance_id text, p_incarnation bigint)
    returns table (stream_id bigint, epoch bigint, state text, name text, url text, metadata jsonb, adopts boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    perform {{ private }}.be_sure_of_database();
    perform {{ private }}.authorize_instance(p_instance_id, p_incarnation);
    return query
    select a.stream_id, a.epoch, a.state, s.name, s.url, s.metadata, {{ private }}.start_action(i, a) = 'adopt'
    from {{ private }}.assignment as a
    join {{ private }}.stream as s on s.stream_id = a.stream_id
    join {{ private }}.instance as i on i.instance_id = a.instance_id
    where a.instance_id = p_instance_id
        and (a.state <> 'releasing' or a.make_before_break)
        -- in the same look: a process that took the name over meanwhile has new epochs, and they are not for this process
        and exists (select from {{ private }}.instance as i where i.instance_id = p_instance_id and i.incarnation = p_incarnation)
    order by a.stream_id;
end
$function$;
comment on function {{ api }}.get_assignments(text, bigint) is
'Return the full set of streams that the instance should be running. Streams that it was asked to hand over are not among them.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
stream_id: the stream.
epoch: the epoch under which results are written.
state: assigned (not confirmed yet) or running.
name: the name of the station.
url: its address.
metadata: what the source knows about it, as JSON.
adopts: whether it runs under an older epoch, and its handler goes on under this one.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select stream_id, epoch, state, name, url from {{ api }}.get_assignments(''fingerv7-001'', 1);';
revoke all on function {{ api }}.get_assignments(text, bigint) from public;
grant execute on function {{ api }}.get_assignments(text, bigint) to {{ worker }}, {{ admin }};
