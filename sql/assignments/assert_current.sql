-- The fence, for a writer of results in this database: refuses an epoch that no longer owns the stream.
-- Takes no lock that a decision could wait for, and so no new owner waits either: a write that was let through before a change of
-- hands may be committed after it. The fence table (orchestrator db render --fence), in this database too, makes the new owner wait.
-- Reads     assignment
-- Raises    OR302 stale epoch
create or replace function {{ api }}.assert_current(p_stream_id bigint, p_epoch bigint)
    returns void
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set jit = off
as $function$
begin
    if not {{ api }}.is_current(p_stream_id, p_epoch) then
        raise exception using
            errcode = 'OR302',
            message = 'stale epoch',
            detail = jsonb_build_object('stream_id', p_stream_id, 'epoch', p_epoch)::text,
            hint = 'the stream has another owner: stop its handler and write nothing more under this epoch';
    end if;
end
$function$;
comment on function {{ api }}.assert_current(bigint, bigint) is
'Refuse (OR302) unless this epoch still owns the stream. For a writer of results in this database that may write a second twice at a forced change of hands: a transaction that was let through before the change may commit after it. Where each second must be written once, put the fence table (orchestrator db render --fence) into this database and call its advance and assert_current.
p_stream_id: the stream.
p_epoch: the epoch under which the writer heard it.
Raises: OR302.
Example: select {{ api }}.assert_current(1, 1);';
revoke all on function {{ api }}.assert_current(bigint, bigint) from public;
grant execute on function {{ api }}.assert_current(bigint, bigint) to {{ worker }}, {{ reader }}, {{ admin }};
