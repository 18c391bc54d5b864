-- Everything an instance should be running.
-- Reads     assignment, stream
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation
create or replace function {{ api }}.get_assignments(p_instance_id text, p_incarnation bigint)
    returns table (stream_id bigint, epoch bigint, state text, name text, url text, metadata jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
begin
    perform {{ private }}.speak_for(p_instance_id, p_incarnation);
    return query
    select a.stream_id, a.epoch, a.state, s.name, s.url, s.metadata
    from {{ private }}.assignment as a
    join {{ private }}.stream as s on s.stream_id = a.stream_id
    where a.instance_id = p_instance_id
        and (a.state <> 'releasing' or a.make_before_break)
        -- in the same look: whoever took the name over meanwhile has new epochs, and they are not for this process
        and exists (select from {{ private }}.instance as i where i.instance_id = p_instance_id and i.incarnation = p_incarnation)
    order by a.stream_id;
end
$function$;
comment on function {{ api }}.get_assignments(text, bigint) is 'The full set of streams that the instance should be running, with their epochs; streams that it was asked to hand over are not among them.';
revoke all on function {{ api }}.get_assignments(text, bigint) from public;
grant execute on function {{ api }}.get_assignments(text, bigint) to {{ worker }}, {{ admin }};
