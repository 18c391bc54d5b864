-- An instance confirms that streams are stopped: hand-overs end, withdrawals are over. Every caller holds the decision lock.
-- A stop under an epoch says nothing of an ownership that began later; without one (null) it speaks of all.
-- Locks     stream and assignment rows (by id); metric_count
-- Writes    assignment, withdrawal, movement, decision, settle_request, metric_count
-- Notifies  the next owners

create or replace function {{ private }}.stopped_ownerships(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[])
    returns table (stream_id bigint, state text)
    language sql volatile
as $function$
    select distinct a.stream_id, a.state
    from unnest(p_stream_ids, p_epochs) as u(stream_id, epoch)
    join {{ private }}.assignment as a on a.stream_id = u.stream_id
    where a.instance_id = p_instance_id
        -- it may not have heard yet that it is to go on under a later one
        and coalesce(a.adopted_from, a.epoch) <= coalesce(u.epoch, a.epoch)
$function$;
comment on function {{ private }}.stopped_ownerships(text, bigint[], bigint[]) is 'Those of these streams whose present ownership the instance says that it has stopped.';

create or replace function {{ private }}.confirm_stops(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[] default null)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_withdrawn bigint[];
    v_has_removed boolean;
    v_completed integer;
    v_unplaced bigint[];
begin
    with confirmed as (
        delete from {{ private }}.withdrawal as w
        using unnest(p_stream_ids, p_epochs) as u(stream_id, epoch)
        where w.instance_id = p_instance_id and w.stream_id = u.stream_id and w.epoch <= coalesce(u.epoch, w.epoch)
        returning w.stream_id, w.url
    )
    select coalesce(array_agg(c.stream_id), '{}'), coalesce(bool_or(c.url is not null), false)
    into v_withdrawn, v_has_removed
    from confirmed as c;
    if cardinality(v_withdrawn) > 0 then
        -- a stream that waited only for this confirmation is free; it may be another one of the same address
        perform {{ private }}.free_the_waiting(case when not v_has_removed then v_withdrawn end);
    end if;
    select c.completed, c.unplaced into v_completed, v_unplaced
    from {{ private }}.complete_handovers(
        array(
            select a.stream_id
            from {{ private }}.stopped_ownerships(p_instance_id, p_stream_ids, p_epochs) as a
            where a.state = 'releasing'
            order by a.stream_id
        ),
        'hand-over', true
    ) as c;
    perform {{ private }}.place_unplaced(v_unplaced);
    return cardinality(v_withdrawn) + v_completed;
end
$function$;
comment on function {{ private }}.confirm_stops(text, bigint[], bigint[]) is 'These streams are stopped, under these epochs and all before: hand-overs are completed, withdrawals confirmed.';
