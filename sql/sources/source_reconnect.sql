-- Make the owners of streams whose url changed connect again: a new epoch for the same owner. The old epoch is
-- fenced from then on, so nothing heard at the old url is written for the new one. No hands change: no movement.
-- A hand-over goes on as it was; its next owner gets the new url anyway.
-- Called with the decision lock held.
-- Locks     instance (by id), then assignment (by id); the caller has locked both
-- Writes    assignment, decision
-- Notifies  the owners
create or replace function {{ private }}.source_reconnect(p_source text, p_stream_ids bigint [])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_held bigint [];
    v_decision_id bigint;
begin
    v_held := array(
        select a.stream_id from {{ private }}.assignment as a
        where a.stream_id = any(p_stream_ids) and a.instance_id is not null
        order by a.stream_id
    );
    if cardinality(v_held) = 0 then
        return 0;
    end if;
    v_decision_id := {{ private }}.open_decision(
        'url_changed', 'sync_streams', 'streams have a new url; their owners connect again',
        jsonb_build_object('source', p_source, 'stream_ids', to_jsonb(v_held))
    );
    perform {{ private }}.notify_instance(o.instance_id, v_decision_id)
    from unnest({{ private }}.renew_epochs(v_held, null, v_decision_id)) as o (instance_id);
    perform {{ private }}.close_decision(v_decision_id, 0, 0);
    return cardinality(v_held);
end
$function$;
comment on function {{ private }}.source_reconnect(text, bigint []) is 'Gives streams with a new url a new epoch for the same owner, which makes it connect again.';
