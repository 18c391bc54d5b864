-- Take the streams that a source no longer has, has switched off, or now gives requirements that their owner lacks.
-- They are idle then; source_merge lets the misfits wait for another. Called with the decision lock held.
-- Locks     instance (by id), then stream and assignment (by id)
-- Writes    decision, and what withdraw_streams writes; assignment of waiting streams
-- Notifies  the owners
create or replace function {{ private }}.source_withdraw(p_source text, p_gone bigint [], p_misfits bigint [])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_held bigint [];
    v_decision_id bigint;
    v_moves integer := 0;
begin
    v_held := array(
        select a.stream_id from {{ private }}.assignment as a
        where a.stream_id = any(p_gone || p_misfits) and a.instance_id is not null
        order by a.stream_id
    );
    if cardinality(v_held) > 0 then
        v_decision_id := {{ private }}.open_decision(
            'source_changed', 'sync_streams', 'the source removed, deactivated or changed streams',
            jsonb_build_object('source', p_source, 'withdrawn', cardinality(v_held))
        );
        v_moves := {{ private }}.withdraw_streams(v_decision_id, v_held, 'source ' || p_source);
        perform {{ private }}.close_decision(v_decision_id, v_moves, v_moves);
    end if;
    -- what is left waits: it has no owner, so no decision is made
    perform {{ private }}.withdraw_streams(null, p_gone, null);
    return v_moves;
end
$function$;
comment on function {{ private }}.source_withdraw(text, bigint [], bigint []) is 'Takes streams from their owners because their source says so, as one decision.';
