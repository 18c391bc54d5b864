-- A worker says what it has started, stopped and could not hear.
-- A start is confirmed under its epoch. A stop ends a hand-over: the next owner gets the stream in the same transaction.
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
    p_failed jsonb default '[]'
)
    returns table (started integer, stopped integer, failed integer, ignored integer)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_started integer := 0;
    v_stopped integer := 0;
    v_failed integer := 0;
    v_said integer;
    v_decides boolean;
begin
    perform {{ private }}.require_argument(
        'p_started_epochs', coalesce(cardinality(p_started), 0) = coalesce(cardinality(p_started_epochs), 0),
        jsonb_build_object('p_started', coalesce(cardinality(p_started), 0), 'p_started_epochs', coalesce(cardinality(p_started_epochs), 0)),
        'one epoch for each started stream'
    );
    perform {{ private }}.require_argument(
        'p_failed', p_failed is null or jsonb_typeof(p_failed) = 'array', p_failed, 'a JSON array of {"stream_id", "epoch", "error"}'
    );
    perform {{ private }}.require_few('p_started', cardinality(p_started));
    perform {{ private }}.require_few('p_stopped', cardinality(p_stopped));
    perform {{ private }}.require_few('p_failed', jsonb_array_length(p_failed));
    v_said := coalesce(cardinality(p_started), 0) + coalesce(cardinality(p_stopped), 0) + coalesce(jsonb_array_length(p_failed), 0);
    v_decides := coalesce(cardinality(p_stopped), 0) + coalesce(jsonb_array_length(p_failed), 0) > 0
        -- what it prepared becomes its own; one that is missed here it says again with its next beat
        or exists (select from {{ private }}.assignment as a where a.next_instance_id = p_instance_id and a.stream_id = any(p_started));
    if v_decides then
        perform {{ private }}.lock_decisions();
    else
        perform {{ private }}.lock_decisions_shared();
    end if;
    perform {{ private }}.speak_for(p_instance_id, p_incarnation);

    if cardinality(p_stopped) > 0 then
        v_stopped := {{ private }}.confirm_stops(p_instance_id, p_stopped);
        -- a hand-over that was called off when it had stopped already: it is to start again
        perform {{ private }}.await_restarts(p_instance_id, p_stopped);
    end if;
    if cardinality(p_started) > 0 then
        v_started := {{ private }}.confirm_starts(p_instance_id, p_started, p_started_epochs);
        if v_decides then
            v_started := v_started + {{ private }}.confirm_preparations(p_instance_id, p_started, p_started_epochs);
        end if;
    end if;
    if jsonb_array_length(p_failed) > 0 then
        v_failed := {{ private }}.note_failures(p_instance_id, p_failed) + {{ private }}.note_failed_preparations(p_instance_id, p_failed);
    end if;
    return query select v_started, v_stopped, v_failed, v_said - v_started - v_stopped - v_failed;
end
$function$;
comment on function {{ api }}.acknowledge(text, bigint, bigint[], bigint[], bigint[], jsonb) is
'Confirm starts (with their epochs) and stops, and report failures, in batches. A confirmed stop ends a hand-over: the next owner gets the stream at once. What does not concern this instance any more is counted as ignored.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_started: ids of the streams that it runs now.
p_started_epochs: the epoch of each of them, in the same order.
p_stopped: ids of the streams that it has stopped.
p_failed: an array of {"stream_id", "epoch", "error"}: what it could not hear, and why.
started: starts that were confirmed.
stopped: stops that were confirmed.
failed: failures that were recorded.
ignored: what did not concern this instance any more.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from {{ api }}.acknowledge(''fingerv7-001'', 1, p_started => ''{1, 2}'', p_started_epochs => ''{1, 1}'');';
revoke all on function {{ api }}.acknowledge(text, bigint, bigint[], bigint[], bigint[], jsonb) from public;
grant execute on function {{ api }}.acknowledge(text, bigint, bigint[], bigint[], bigint[], jsonb) to {{ worker }}, {{ admin }};
