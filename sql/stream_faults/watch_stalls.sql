-- Job: answer what beats say about silence. A stream that is still silent stall_timeout after its restart has failed where it
-- is (stream_faults/station_faults.sql); an instance that beats and makes no progress is in warning. Stations that are heard again
-- are forgiven.
-- Locks     decision (only when there is something to decide); instance (by id); stream and assignment rows (by id)
-- Writes    stall, station_fault, refusal, instance, assignment, decision, movement, metric_count
-- Notifies  each affected instance

create or replace function {{ private }}.end_stalls()
    returns bigint[]
    language sql volatile
as $function$
    with over as materialized (
        select o.stream_id, o.is_progress from {{ private }}.stalls_over() as o
    ),
    ended as (
        delete from {{ private }}.stall as s
        where s.stream_id in (
            select f.stream_id
            from {{ private }}.stall as f
            where f.stream_id in (select o.stream_id from over as o)
            order by f.stream_id
            for update skip locked
        )
        returning s.stream_id
    )
    select array_agg(e.stream_id)
    from ended as e
    join over as o on o.stream_id = e.stream_id
    where o.is_progress
$function$;
comment on function {{ private }}.end_stalls() is 'Forget stalls that are over; returns the streams that are heard again.';

create or replace function {{ private }}.answer_stalls()
    returns {{ private }}.decision
    language plpgsql volatile
as $function$
declare
    v_stall record;
    v_decision_id bigint;
    v_refused integer := 0;
begin
    for v_stall in select d.stream_id, d.instance_id from {{ private }}.stalls_due() as d order by d.stream_id loop
        v_refused := v_refused + 1;
        perform {{ private }}.remember_refusals(v_stall.instance_id, array[v_stall.stream_id], 'silent', 1, true);
        v_decision_id := {{ private }}.answer_failure(
            v_decision_id, v_stall.stream_id, v_stall.instance_id, 'stalled stream', 'watch_stalls', 'silent'
        );
        -- what stays is restarted by the next beat that names it, and has its time anew
        update {{ private }}.stall as s set restarted_at = null where s.stream_id = v_stall.stream_id;
    end loop;
    if v_refused > 0 then
        perform {{ private }}.count_up('orchestrator_refusals_total', 'silent', v_refused);
    end if;
    if v_decision_id is not null then
        return {{ private }}.close_decision(v_decision_id);
    end if;
    return null;
end
$function$;
comment on function {{ private }}.answer_stalls() is 'Hand streams that stay silent over to others, or blame their stations.';

create or replace function {{ private }}.ask_standbys()
    returns integer
    language plpgsql volatile
as $function$
declare
    v_hearing bigint[];
    v_silent record;
    v_decision_id bigint;
    v_promoted integer := 0;
begin
    if not exists (select from {{ private }}.standbys_of_stalled()) then
        return 0; -- nearly always
    end if;
    -- a station that neither hears is at fault, and moves nothing
    for v_silent in select o.stream_id, o.standby_id from {{ private }}.standbys_of_stalled() as o where not o.hears order by o.stream_id loop
        perform {{ private }}.blame_station_for_silence(v_silent.stream_id, v_silent.standby_id);
    end loop;
    v_hearing := array(
        select p.stream_id
        from {{ private }}.promotable_standbys(
            array(select o.stream_id from {{ private }}.standbys_of_stalled() as o where o.hears order by o.stream_id)
        ) as p
    );
    if cardinality(v_hearing) > 0 then
        v_decision_id := {{ private }}.open_decision('stalled with standby', 'watch_stalls', 'the owner is silent and the standby hears');
        v_promoted := {{ private }}.promote_standbys(v_decision_id, v_hearing, true);
        perform {{ private }}.close_decision(v_decision_id);
    end if;
    return v_promoted;
end
$function$;
comment on function {{ private }}.ask_standbys() is 'Stalled streams that their standbys hear are theirs; of those that these do not hear, either, the stations are at fault.';

create or replace function {{ private }}.note_silence()
    returns void
    language sql volatile
as $function$
    with silent as materialized (
        select f.stream_id, s.reported_at
        from {{ private }}.station_fault as f
        join {{ private }}.stall as s on s.stream_id = f.stream_id
        where s.reported_at > f.last_failed_at + interval '1 minute'
        order by f.stream_id
        for update of f skip locked
    )
    update {{ private }}.station_fault as f
    set last_failed_at = s.reported_at
    from silent as s
    where s.stream_id = f.stream_id
$function$;
comment on function {{ private }}.note_silence() is 'A station at fault that is silent fails on.';

create or replace function {{ private }}.watch_stalls()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_to_decide boolean := exists (select from {{ private }}.stalls_due()) or exists (select from {{ private }}.without_progress())
        or exists (select from {{ private }}.standbys_of_stalled());
    v_cured bigint[];
    v_result jsonb;
    v_decision {{ private }}.decision;
    v_ids text[];
    v_promoted integer;
begin
    -- before any row is locked, or not at all
    if v_to_decide then
        perform {{ private }}.lock_decisions();
    end if;
    v_cured := {{ private }}.cure_stations({{ private }}.end_stalls());
    v_result := jsonb_strip_nulls(jsonb_build_object('stations_heard_again', to_jsonb(v_cured)));
    perform {{ private }}.note_silence();
    if v_to_decide then
        v_promoted := {{ private }}.ask_standbys();
        if v_promoted > 0 then
            v_result := v_result || jsonb_build_object('promoted', v_promoted);
        end if;
        v_ids := array(
            select i.instance_id
            from {{ private }}.instance as i
            where i.instance_id in (select w.instance_id from {{ private }}.without_progress() as w)
            order by i.instance_id
            for no key update skip locked
        );
        perform {{ private }}.step_instance(u.instance_id, 'no progress') from unnest(v_ids) as u(instance_id);
        v_decision := {{ private }}.answer_stalls();
        if cardinality(v_ids) > 0 then
            v_result := v_result || jsonb_build_object('no_progress', to_jsonb(v_ids));
        end if;
        if v_decision.decision_id is not null then
            v_result := v_result || jsonb_build_object('decision_id', v_decision.decision_id, 'moves', v_decision.moves);
        end if;
    end if;
    return nullif(v_result, '{}');
end
$function$;
comment on function {{ private }}.watch_stalls() is 'Job watch_stalls: silent streams are moved or their stations blamed, instances without progress warned of, stations that are heard again forgiven.';
