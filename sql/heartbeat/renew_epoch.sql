-- A fence in another database has refused an owner, and named a later epoch than its own: this database, or its clock, was behind when
-- it began its generation. If the stream is still the instance's own it gets an epoch above that, and goes on.
-- Locks     decision; assignment rows (by id)
-- Writes    assignment, stall, http_stream, decision; alert when the claim is refused
-- Notifies  the owner
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.renew_epoch(p_instance_id text, p_incarnation bigint, p_stream_id bigint, p_above bigint)
    returns table (epoch bigint)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    perform {{ private }}.require_argument('p_stream_id', p_stream_id is not null, 'null', 'the stream');
    perform {{ private }}.require_argument('p_above', p_above >= 0, to_jsonb(p_above), 'the epoch that the fence named');
    perform {{ private }}.lock_decisions();
    perform {{ private }}.authorize_instance(p_instance_id, p_incarnation);
    perform {{ private }}.go_above(p_instance_id, array[p_stream_id], array[p_above], false, 'renew_epoch');
    return query
    select a.epoch from {{ private }}.assignment as a
    where a.stream_id = p_stream_id and a.instance_id = p_instance_id and a.epoch > p_above;
end
$function$;
comment on function {{ api }}.renew_epoch(text, bigint, bigint, bigint) is
'Ask for an epoch above one that a fence has named, for a stream that is still this instance''s own. A claim that lies more than 30 days ahead of the clock is refused, and opens an alert.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_stream_id: the stream.
p_above: the epoch that the fence named.
epoch: the stream''s epoch now, which is above that; no row when the stream is another''s, or the claim was refused.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select epoch from {{ api }}.renew_epoch(''fingerv7-001'', 1, 1, 7);';
revoke all on function {{ api }}.renew_epoch(text, bigint, bigint, bigint) from public;
grant execute on function {{ api }}.renew_epoch(text, bigint, bigint, bigint) to {{ worker }}, {{ admin }};
