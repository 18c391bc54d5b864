-- Let balancing move a stream again.
-- Locks     decision; assignment row
-- Writes    assignment
-- Raises    OR102 unknown stream · 55P03
create or replace function {{ api }}.unpin_stream(p_stream_id bigint)
    returns table (stream_id bigint, was_pinned_to text)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_pinned_to text;
begin
    perform {{ private }}.lock_decisions();
    select a.pinned_to into v_pinned_to from {{ private }}.assignment as a where a.stream_id = p_stream_id;
    if not found then
        perform {{ private }}.unknown_stream(p_stream_id);
    end if;
    update {{ private }}.assignment as a set pinned_to = null where a.stream_id = p_stream_id;
    return query select p_stream_id, v_pinned_to;
end
$function$;
comment on function {{ api }}.unpin_stream(bigint) is
'Let balancing move a stream again.
p_stream_id: the stream.
stream_id: the stream.
was_pinned_to: the instance that it was pinned to; null when it was not.
Raises: OR102, 55P03.
Example: select * from {{ api }}.unpin_stream(1);';
revoke all on function {{ api }}.unpin_stream(bigint) from public;
grant execute on function {{ api }}.unpin_stream(bigint) to {{ admin }};
