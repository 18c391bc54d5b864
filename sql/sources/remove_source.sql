-- Remove a source. Its streams go with it, and only when that is asked for.
-- Locks     decision; source; instance, stream, assignment (by id)
-- Writes    source, stream, assignment, decision, movement, withdrawal, settle_request
-- Notifies  the owners of its streams
-- Raises    OR101 'manual' · OR107 unknown source · OR406 it still has streams · 55P03
create or replace function {{ api }}.remove_source(p_source text, p_remove_streams boolean default false)
    returns table (removed_streams integer)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_stream_ids bigint [];
begin
    perform {{ private }}.lock_decisions();
    perform {{ private }}.known_source(p_source);
    v_stream_ids := array(
        select s.stream_id from {{ private }}.stream as s where s.source = p_source order by s.stream_id
    );
    if cardinality(v_stream_ids) > 0 and p_remove_streams is not true then
        raise exception using
            errcode = 'OR406',
            message = 'the source still has streams',
            detail = jsonb_build_object('source', p_source, 'streams', cardinality(v_stream_ids))::text,
            hint = 'To stop following it and keep its streams: {{ api }}.add_source(…, p_enabled => false). To remove them too: p_remove_streams => true.';
    end if;
    if cardinality(v_stream_ids) > 0 then
        perform {{ private }}.lock_streams(v_stream_ids);
        perform {{ private }}.withdraw_changed(p_source, v_stream_ids, '{}');
        perform {{ private }}.keep_addresses(v_stream_ids);
        delete from {{ private }}.stream as s where s.stream_id = any(v_stream_ids);
        perform {{ private }}.request_settle('streams gone', p_source);
    end if;
    delete from {{ private }}.source as s where s.source = p_source;
    return query select cardinality(v_stream_ids);
end
$function$;

comment on function {{ api }}.remove_source(text, boolean) is
'Remove a source. While it has streams this is refused (OR406), unless they are to be removed with it.
p_source: the source.
p_remove_streams: true removes its streams, too.
removed_streams: streams that were removed.
Raises: OR101, OR107, OR406, 55P03.
Example: select * from {{ api }}.remove_source(''night'', p_remove_streams => true);';
revoke all on function {{ api }}.remove_source(text, boolean) from public;
grant execute on function {{ api }}.remove_source(text, boolean) to {{ admin }};
