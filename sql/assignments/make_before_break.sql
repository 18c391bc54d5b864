-- Hand-overs in which nothing is lost (handoff_mode = make_before_break): the next owner prepares, under the epoch that it is
-- going to have, while the present one goes on; its word that it hears the stream makes it the owner, and there the fence switches.
--   releasing, make_before_break    the next owner is told to prepare, the owner nothing
--   confirm_preparations            it hears: complete_handovers, as if forced; the old owner has a withdrawal until it stops
--   call_off_preparations           it cannot: the owner, which never stopped, keeps the stream
--   fall_back (transitions.sql)     it says nothing within handoff_timeout, or a drain has to end: the owner is asked to stop
-- Every caller but of prepare_commands holds the decision lock.
-- Locks     assignment rows (by id)
-- Writes    assignment, withdrawal, movement, refusal, settle_request
-- Notifies  the instances that have something to do now

create or replace function {{ private }}.prepare_commands(p_instance_id text)
    returns table (action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    language sql volatile
as $function$
    select 'prepare', a.stream_id, a.next_epoch, s.name, s.url, s.metadata
    from {{ private }}.assignment as a
    join {{ private }}.stream as s on s.stream_id = a.stream_id
    join {{ private }}.instance as i on i.instance_id = a.next_instance_id
    where a.next_instance_id = p_instance_id
        and a.make_before_break
        and i.is_placeable
    order by a.stream_id
$function$;
comment on function {{ private }}.prepare_commands(text) is 'All streams that an instance is to hear without owning them yet, with the epochs that it is going to have.';

create or replace function {{ private }}.confirm_preparations(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_stream_ids bigint[] := array(
        select a.stream_id
        from {{ private }}.assignment as a
        join unnest(p_stream_ids, p_epochs) as u(stream_id, epoch) on u.stream_id = a.stream_id and u.epoch = a.next_epoch
        where a.next_instance_id = p_instance_id and a.make_before_break
        order by a.stream_id
    );
    v_completed integer;
begin
    select c.completed into v_completed from {{ private }}.complete_handovers(v_stream_ids, 'hand-over', false) as c;
    -- the old owner goes on until it is told, and the new one hears already
    perform {{ private }}.end_gaps(v_stream_ids, array_fill(timestamptz '-infinity', array[cardinality(v_stream_ids)]));
    return v_completed;
end
$function$;
comment on function {{ private }}.confirm_preparations(text, bigint[], bigint[]) is 'The next owner hears these streams: from now on they are its own, and what the old owner still writes is refused.';

create or replace function {{ private }}.call_off_preparations(p_stream_ids bigint[])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_owner record;
    v_called_off integer := 0;
begin
    for v_owner in
        select i.instance_id, count(*) as streams, i.status
        from unnest({{ private }}.call_off(p_stream_ids)) as c(instance_id)
        join {{ private }}.instance as i on i.instance_id = c.instance_id
        group by i.instance_id, i.status
        order by i.instance_id
    loop
        v_called_off := v_called_off + v_owner.streams;
        if v_owner.status = 'draining' then
            perform {{ private }}.request_settle('draining', v_owner.instance_id); -- to another instance
        end if;
    end loop;
    return v_called_off;
end
$function$;
comment on function {{ private }}.call_off_preparations(bigint[]) is 'The next owners are not to be; the present ones, which never stopped, keep these streams under their epochs.';

create or replace function {{ private }}.note_failed_preparations(p_instance_id text, p_failed jsonb)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_failed record;
    v_noted integer := 0;
begin
    for v_failed in
        select a.stream_id, i.status as owner_status, left(max(f.value ->> 'error'), 1000) as error
        from jsonb_array_elements(p_failed) as f
        join {{ private }}.assignment as a on a.stream_id = {{ private }}.as_bigint(f.value -> 'stream_id')
        join {{ private }}.instance as i on i.instance_id = a.instance_id
        where a.next_instance_id = p_instance_id
            and a.make_before_break
            and a.next_epoch = {{ private }}.as_bigint(f.value -> 'epoch')
        group by a.stream_id, i.status
        order by a.stream_id
    loop
        v_noted := v_noted + 1;
        if v_failed.owner_status = 'draining' then
            perform {{ private }}.fall_back(array[v_failed.stream_id]); -- perhaps the station admits one listener only; a drain has to end
        else
            perform {{ private }}.remember_refusals(p_instance_id, array[v_failed.stream_id], coalesce(v_failed.error, 'failed'), 1, true);
            perform {{ private }}.call_off_preparations(array[v_failed.stream_id]);
        end if;
    end loop;
    return v_noted;
end
$function$;
comment on function {{ private }}.note_failed_preparations(text, jsonb) is 'An instance cannot hear streams that were on their way to it: their owners keep them, or stop first when they are drained.';

create or replace function {{ private }}.ended_preparations(p_timed_out boolean, p_limit integer)
    returns setof bigint
    language sql volatile
as $function$
    select a.stream_id
    from {{ private }}.assignment as a
    join {{ private }}.instance as n on n.instance_id = a.next_instance_id
    where a.releasing_since is not null
        and a.make_before_break
        and case
            when not n.is_placeable then not p_timed_out
            else p_timed_out and a.releasing_since <= {{ private }}.now() - {{ private }}.setting_interval('handoff_timeout')
        end
    order by a.decision_id -- as the index has them, so that it is read and not the table
    limit p_limit
$function$;
comment on function {{ private }}.ended_preparations(boolean, integer) is 'Streams whose next owners have not said within handoff_timeout that they hear them; or (false) whose next owners get nothing any more.';
