-- Set the record right where diagnose() says that it is wrong: missing rows, counters and digests, contradictions.
-- What the assignments say is the truth for the counters; what streams and instances say, for the assignments.
-- Locks     decision; stream and assignment rows (by id)
-- Writes    instance_load, requirement_load, heartbeat, assignment, decision, movement, settle_request
-- Notifies  each affected instance
-- Raises    55P03
create or replace function {{ api }}.repair_record()
    returns table (subject text, code text, was text)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_found jsonb;
    v_decision_id bigint;
begin
    perform {{ private }}.lock_decisions();
    select jsonb_agg(jsonb_build_object('subject', f.subject, 'code', f.code, 'was', f.finding) order by f.code, f.subject)
    into v_found
    from {{ private }}.findings_record() as f
    where f.code in ('counts_wrong', 'row_missing', 'row_impossible');
    if v_found is null then
        return;
    end if;
    v_decision_id := {{ private }}.open_decision('record repaired', 'repair_record', null, jsonb_build_object('found', v_found));
    perform {{ private }}.add_missing_rows();
    -- the triggers add to the counters from here on, so these come first
    perform {{ private }}.recount_loads();
    perform {{ private }}.resolve_contradictions(v_decision_id);
    perform {{ private }}.close_decision(v_decision_id);
    perform {{ private }}.request_settle('room');
    return query select r.subject, r.code, r.was from jsonb_to_recordset(v_found) as r(subject text, code text, was text);
end
$function$;
comment on function {{ api }}.repair_record() is
'Set the record right where diagnose says that it is wrong: missing rows, counters and digests that differ from a recount, rows that contradict each other. No rows: nothing was wrong.
subject: the instance or stream.
code: the finding of diagnose.
was: what was wrong.
Raises: 55P03.
Example: select * from {{ api }}.repair_record();';
revoke all on function {{ api }}.repair_record() from public;
grant execute on function {{ api }}.repair_record() to {{ admin }};
