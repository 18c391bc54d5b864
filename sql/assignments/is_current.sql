-- The fence, as a question: does this epoch still own the stream? Reads one row and takes no lock, so the answer is true of the
-- moment in which it is asked, as assert_current's is.
-- Reads     assignment
create or replace function {{ api }}.is_current(p_stream_id bigint, p_epoch bigint)
    returns boolean
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set jit = off
as $function$
begin
    return exists (
        select from {{ private }}.assignment as a
        -- also the one under which its owner runs it that has not heard of the new one yet
        where a.stream_id = p_stream_id and p_epoch in (a.epoch, a.adopted_from) and a.instance_id is not null
    );
end
$function$;
comment on function {{ api }}.is_current(bigint, bigint) is
'Say whether this epoch still owns the stream. It reads one row and takes no lock: the answer is true of this moment, and a change of hands waits for no transaction that has asked.
p_stream_id: the stream.
p_epoch: the epoch under which the writer heard it.
Example: select {{ api }}.is_current(1, 1);';
revoke all on function {{ api }}.is_current(bigint, bigint) from public;
grant execute on function {{ api }}.is_current(bigint, bigint) to {{ worker }}, {{ reader }}, {{ admin }};
