-- A new generation: this may be another database than it was, and may know less than it has said. Owners keep what they have and go on under new
-- epochs, in one decision that moves nothing. What an instance is still to stop is named so that it holds of whatever it runs.
-- Locks     the caller holds the decision lock; assignment rows (by id)
-- Writes    assignment, withdrawal, stall, http_stream, decision
-- Notifies  the owners, present and next

create or replace function {{ private }}.begin_generation()
    returns trigger
    language plpgsql volatile
as $function$
declare
    v_stream_ids bigint[] := array(
        select a.stream_id from {{ private }}.assignment as a where a.instance_id is not null order by a.stream_id
    );
    v_decision_id bigint;
begin
    -- and waited for anew, as every hand-over: what was said since the time that is known does not count
    update {{ private }}.withdrawal as w set epoch = greatest(w.epoch, {{ private }}.least_number() - 1), withdrawn_at = {{ private }}.now();
    perform {{ private }}.wait_anew();
    if cardinality(v_stream_ids) > 0 then
        v_decision_id := {{ private }}.open_decision(
            'new generation', 'look at the server', 'this database may be another one than it was',
            jsonb_build_object('generation', new.generation, 'before', old.generation, 'streams', cardinality(v_stream_ids))
        );
        perform {{ private }}.notify_instance(o.instance_id, v_decision_id)
        from unnest({{ private }}.adopt_ownerships(v_stream_ids)) as o(instance_id);
        perform {{ private }}.close_decision(v_decision_id, 0, 0);
    end if;
    return null;
end
$function$;
comment on function {{ private }}.begin_generation() is 'Give all owners epochs of the new generation.';

create or replace trigger begin_generation
    after update of generation on {{ private }}.controller
    for each row when (new.generation > old.generation)
    execute function {{ private }}.begin_generation();
