-- An instance confirms that streams are stopped: hand-overs end, withdrawals are over. Every caller holds the decision lock.
-- Locks     stream and assignment rows (by id); metric_count
-- Writes    assignment, withdrawal, movement, decision, settle_request, metric_count
-- Notifies  the next owners

create or replace function {{ private }}.confirm_stops(p_instance_id text, p_stream_ids bigint[])
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
        where w.instance_id = p_instance_id and w.stream_id = any(p_stream_ids)
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
            from {{ private }}.assignment as a
            where a.stream_id = any(p_stream_ids) and a.instance_id = p_instance_id and a.state = 'releasing'
            order by a.stream_id
        ),
        'hand-over', true
    ) as c;
    perform {{ private }}.place_unplaced(v_unplaced);
    return cardinality(v_withdrawn) + v_completed;
end
$function$;
comment on function {{ private }}.confirm_stops(text, bigint[]) is 'These streams are stopped: hand-overs are completed, withdrawals confirmed.';
