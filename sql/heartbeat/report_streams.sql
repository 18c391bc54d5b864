-- The full set as the worker sees it, for when a beat could not bring it in step (R3): what it runs is confirmed, what it was
-- asked to stop and does not run is handed over, and the answer says exactly what to start and to stop. A stream that another
-- instance owns is taken from it (R3.3); what differs without a reason is recorded.
-- Locks     decision; assignment rows (by id); its heartbeat row
-- Writes    assignment, withdrawal, movement, decision, repair, heartbeat
-- Notifies  the next owners; the owners of streams whose epoch was behind
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.report_streams(
    p_instance_id text, p_incarnation bigint, p_streams bigint[], p_epochs bigint[]
)
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    return query select r.* from {{ private }}.reconcile(p_instance_id, p_incarnation, p_streams, p_epochs) as r;
end
$function$;
comment on function {{ api }}.report_streams(text, bigint, bigint[], bigint[]) is
'Reconcile with the full set of what the instance runs. What it runs is confirmed, what it was asked to stop and does not run is handed over, and the answer brings it in step. What differed without a reason is in the view repairs.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_streams: ids of all streams that it runs, at most 10000.
p_epochs: the epoch of each of them, in the same order.
action: add, remove or prepare, as in the answer of heartbeat.
stream_id: the stream.
epoch: the epoch under which to start or stop it.
name: the name of the station; null for remove.
url: its address; null for remove.
metadata: what the source knows about it; null for remove.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select action, stream_id, epoch from {{ api }}.report_streams(''fingerv7-001'', 1, ''{1, 2}'', ''{1, 1}'');';
revoke all on function {{ api }}.report_streams(text, bigint, bigint[], bigint[]) from public;
grant execute on function {{ api }}.report_streams(text, bigint, bigint[], bigint[]) to {{ worker }}, {{ admin }};
