-- Job: answer what happened to the fleet, once it has stopped happening for settle_window (or five times as long at most).
-- Places what waits, empties draining and overfull instances, brings pinned streams home; then, unless balancing is paused
-- or recovery mode is on, levels the loads: always when capacity has come or changed, otherwise when an instance is more than
-- max_stream_difference away from its fair share.
-- Locks     decision; stream and assignment rows (by id)
-- Writes    settle_request, assignment, decision, movement, controller
-- Notifies  each affected instance

create or replace function {{ private }}.settle()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_window interval := {{ private }}.setting_interval('settle_window');
    v_now timestamptz := {{ private }}.now();
    v_reasons text[];
    v_subjects text[];
    v_decision_id bigint;
    v_decision {{ private }}.decision;
    v_frozen boolean;
begin
    if not exists (
        select from {{ private }}.settle_request as r
        having max(r.requested_at) <= v_now - v_window or min(r.requested_at) <= v_now - 5 * v_window
    ) then
        return null;
    end if;
    perform {{ private }}.lock_decisions();
    with answered as (
        delete from {{ private }}.settle_request returning reason, subject
    )
    select array_agg(distinct a.reason order by a.reason), array_agg(distinct a.subject order by a.subject) filter (where a.subject is not null)
    into v_reasons, v_subjects
    from answered as a;
    if v_reasons is null then
        return null; -- another driver was faster
    end if;

    v_frozen := {{ private }}.balancing_is_frozen();
    v_decision_id := {{ private }}.open_decision(
        'settle', array_to_string(v_reasons, ', '), null,
        jsonb_build_object('subjects', coalesce(to_jsonb(v_subjects), '[]'), 'frozen', v_frozen) || {{ private }}.note_recovery()
    );
    perform {{ private }}.place_fleet(v_decision_id);
    if not v_frozen and (
        v_reasons && array['registered', 'returned', 'capacity', 'undrained', 'strategy', 'resumed']
        or (select round(i.stream_difference::numeric, 6) > {{ private }}.setting_number('max_stream_difference') from {{ private }}.imbalance() as i)
    ) then
        perform {{ private }}.rebalance_fleet(v_decision_id);
    end if;
    v_decision := {{ private }}.close_decision(
        v_decision_id, p_keep => v_reasons && array['registered', 'returned', 'capacity']
    );
    if v_decision.decision_id is null then
        return null; -- nothing was decided
    end if;
    return jsonb_build_object(
        'decision_id', v_decision_id, 'reasons', to_jsonb(v_reasons), 'moves', v_decision.moves,
        'least_moves', v_decision.least_moves, 'still_waiting', v_decision.still_waiting
    );
end
$function$;
comment on function {{ private }}.settle() is 'Job settle: one rebalance for everything that was asked for since the last one.';
