-- A worker says what it has started, stopped and could not hear.
-- A start is confirmed under its epoch. A stop ends a hand-over: the next owner gets the stream in the same transaction. Under an
-- epoch it ends no ownership that began later; a stop beside the start of the same stream speaks of what was before that start.
-- The start of a stream that it was told to prepare makes it the owner in the same transaction.
-- A stream that was reported as failed failures_before_move times goes to another instance, if one can take it.
-- Locks     decision (shared when there are only starts of what is its own); assignment rows (by id)
-- Writes    assignment, withdrawal, refusal, movement, decision, metric_count
-- Notifies  the next owners; the old owners of what was prepared
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation · 55P03
create or replace function {{ api }}.acknowledge(
    p_instance_id text,
    p_incarnation bigint,
    p_started bigint[] default '{}',
    p_started_epochs bigint[] default '{}',
    p_stopped bigint[] default '{}',
    p_failed jsonb default '[]',
    p_stopped_epochs bigint[] default null
)
    returns table (started integer, stopped integer, failed integer, ignored integer)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    return query
    select a.* from {{ private }}.apply_acknowledgement(p_instance_id, p_incarnation, p_started, p_started_epochs, p_stopped, p_failed, p_stopped_epochs) as a;
end
$function$;
comment on function {{ api }}.acknowledge(text, bigint, bigint[], bigint[], bigint[], jsonb, bigint[]) is
'Confirm starts and stops (with their epochs), and report failures, in batches. A confirmed stop ends a hand-over: the next owner gets the stream at once. What does not concern this instance any more is counted as ignored.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_started: ids of the streams that it runs now.
p_started_epochs: the epoch of each of them, in the same order.
p_stopped: ids of the streams that it has stopped.
p_failed: an array of {"stream_id", "epoch", "error"}: what it could not hear, and why.
p_stopped_epochs: the epoch of each stream that it has stopped, in the same order, or null; a stop ends no ownership that began later.
started: starts that were confirmed.
stopped: stops that were confirmed.
failed: failures that were recorded.
ignored: what did not concern this instance any more.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from {{ api }}.acknowledge(''fingerv7-001'', 1, p_started => ''{1, 2}'', p_started_epochs => ''{1, 1}'');';
revoke all on function {{ api }}.acknowledge(text, bigint, bigint[], bigint[], bigint[], jsonb, bigint[]) from public;
grant execute on function {{ api }}.acknowledge(text, bigint, bigint[], bigint[], bigint[], jsonb, bigint[]) to {{ worker }}, {{ admin }};
