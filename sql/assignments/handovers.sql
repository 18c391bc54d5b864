-- The second half of a hand-over: the owner has stopped, or is not waited for any longer, and the next owner gets the stream.
-- Every caller holds the decision lock, and places what complete_handovers could not.
-- Locks     assignment rows (by id); metric_count
-- Writes    assignment, withdrawal, movement, metric_count, settle_request
-- Notifies  the new owners, and the old ones that have not confirmed; changes

create or replace function {{ private }}.next_owners(p_stream_ids bigint[])
    returns table (stream_id bigint, from_id text, epoch bigint, to_id text, releasing_since timestamptz)
    language sql volatile rows 10 -- usually few: a query that joins them looks each up by its key
as $function$
    with held as (
        select a.stream_id, a.instance_id as from_id, a.epoch, a.next_instance_id as next_id, a.releasing_since
        from {{ private }}.assignment as a
        -- by its state: the index of releasing_since looks empty to the planner between two joins, and would be read whole
        where a.stream_id = any(p_stream_ids) and a.state = 'releasing'
        order by a.stream_id
        for update
    ),
    queued as (
        select h.*, row_number() over (partition by h.next_id order by h.stream_id) as place from held as h
    )
    select q.stream_id, q.from_id, q.epoch, i.instance_id, q.releasing_since
    from queued as q
    left join {{ private }}.instance_load as l on l.instance_id = q.next_id
    left join {{ private }}.instance as i on
        i.instance_id = q.next_id
        and i.is_placeable
        and i.standing_order is null
        and i.suspended_until is null
        and l.owned + q.place <= i.max_streams
$function$;
comment on function {{ private }}.next_owners(bigint[]) is 'The instances that get these streams out of their hand-overs; null where the next owner was lost, drained or filled meanwhile.';

create or replace function {{ private }}.complete_handovers(p_stream_ids bigint[], p_reason text, p_owner_confirmed boolean)
    returns table (completed integer, unplaced bigint[])
    language plpgsql volatile
as $function$
declare
    v_stream_ids bigint[];
    v_from text[];
    v_epochs bigint[];
    v_to text[];
    v_kept bigint[];
    v_seconds double precision[];
begin
    completed := 0;
    select
        array_agg(n.stream_id) filter (where n.goes), array_agg(n.from_id) filter (where n.goes),
        array_agg(n.epoch) filter (where n.goes), array_agg(n.to_id) filter (where n.goes),
        array_agg(n.stream_id) filter (where not n.goes), array_agg(n.stream_id) filter (where n.goes and n.to_id is null),
        array_agg({{ private }}.seconds_between(n.releasing_since, {{ private }}.now())) filter (where n.to_id is not null)
    into v_stream_ids, v_from, v_epochs, v_to, v_kept, unplaced, v_seconds
    from (select o.*, o.to_id is not null or p_owner_confirmed as goes from {{ private }}.next_owners(p_stream_ids) as o) as n;
    if v_kept is not null then
        -- a stream that no other instance can take is not taken: a slow owner is better than none
        perform {{ private }}.call_off(v_kept);
    end if;
    if v_stream_ids is not null then
        completed := {{ private }}.give_streams(null, v_stream_ids, v_from, v_to, p_reason);
        if not p_owner_confirmed then
            insert into {{ private }}.withdrawal (instance_id, stream_id, epoch, withdrawn_at)
            select u.instance_id, u.stream_id, u.epoch, {{ private }}.now()
            from unnest(v_from, v_stream_ids, v_epochs) as u(instance_id, stream_id, epoch)
            on conflict (instance_id, stream_id) do update set epoch = excluded.epoch, withdrawn_at = excluded.withdrawn_at;
            v_to := v_to || v_from;
        end if;
        perform {{ private }}.observe(
            'orchestrator_handover_duration_seconds', case when p_reason = 'hand-over forced' then 'forced' else 'confirmed' end, v_seconds
        );
        perform {{ private }}.notify_instance(n.instance_id, null)
        from (select distinct u.instance_id from unnest(v_to) as u(instance_id) where u.instance_id is not null) as n;
        perform {{ private }}.notify_watchers();
        if unplaced is null and {{ private }}.count_waiting(1) > 0 then
            perform {{ private }}.request_settle('room');
        end if;
    end if;
    return next;
end
$function$;
comment on function {{ private }}.complete_handovers(bigint[], text, boolean) is 'The second step of a hand-over: the next owner gets the stream under a new epoch. The movement belongs to the decision that began it. Returns how many changed hands, and those whose owner has stopped and whose next owner is gone: the caller places them.';

create or replace function {{ private }}.cancel_handovers_to(p_instance_ids text[])
    returns integer
    language plpgsql volatile
as $function$
declare
    v_owners text[] := {{ private }}.call_off(
        array(select a.stream_id from {{ private }}.assignment as a where a.next_instance_id = any(p_instance_ids) order by a.stream_id)
    );
begin
    perform {{ private }}.notify_instance(u.instance_id, null) from (select distinct o.* from unnest(v_owners) as o(instance_id)) as u;
    return cardinality(v_owners);
end
$function$;
comment on function {{ private }}.cancel_handovers_to(text[]) is 'These instances do not become next owners: the present ones keep the streams under their epochs.';
