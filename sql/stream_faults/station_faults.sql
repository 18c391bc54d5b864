-- Streams that fail. One that failed too often on its instance is handed over to another; one that failed on instance after
-- instance is its station's own fault: it stays where it is, and is not moved for failing until it works again.
-- At most failure_moves_per_minute streams of the fleet are moved for failing: when the internet is away, all of them fail.
-- Every caller but cure_stations holds the decision lock.
-- Locks     stream and assignment rows (by id); metric_count
-- Writes    station_fault, refusal, assignment, decision, movement, metric_count

create or replace function {{ private }}.blame_station(p_stream_id bigint)
    returns boolean
    language plpgsql volatile
as $function$
declare
    v_since timestamptz := {{ private }}.now() - interval '1 day';
    v_refused_by text[];
    v_evidence jsonb;
begin
    select
        coalesce(array_agg(f.instance_id), '{}'),
        jsonb_agg(
            jsonb_build_object('instance_id', f.instance_id, 'error', f.reason, 'times', f.times, 'failed_at', f.refused_at)
            order by f.refused_at
        )
    into v_refused_by, v_evidence
    from {{ private }}.refusal as f
    where f.stream_id = p_stream_id and f.for_failing and f.until > f.refused_at and f.refused_at > v_since;
    if cardinality(v_refused_by) < {{ private }}.setting_number('stations_blamed_after') and (
        -- when no instance can be given streams, that says nothing about the station
        select coalesce(bool_or(p.instance_id <> all(v_refused_by)), true)
        from {{ private }}.assignment as a
        join {{ private }}.requirement as r on r.requirement_id = a.requirement_id
        join {{ private }}.placeable_instances() as p on p.capabilities @> r.capabilities
        where a.stream_id = p_stream_id
    ) then
        return false;
    end if;
    insert into {{ private }}.station_fault (stream_id, found_at, last_failed_at, evidence, event_id)
    values (p_stream_id, {{ private }}.now(), {{ private }}.now(), v_evidence, {{ private }}.event_id());
    -- they say nothing about the instances
    delete from {{ private }}.refusal as f where f.stream_id = p_stream_id and f.for_failing;
    return true;
end
$function$;
comment on function {{ private }}.blame_station(bigint) is 'Whether a stream that failed again has failed on so many instances, or all that are able, that it is its station''s own fault; if so that is noted.';

create or replace function {{ private }}.blame_station_for_silence(p_stream_id bigint, p_standby_id text)
    returns void
    language sql volatile
as $function$
    insert into {{ private }}.station_fault (stream_id, found_at, last_failed_at, evidence, event_id)
    select
        t.stream_id, {{ private }}.now(), {{ private }}.now(),
        jsonb_build_array(
            jsonb_build_object('instance_id', t.instance_id, 'error', 'silent', 'times', 1, 'failed_at', t.silent_since),
            jsonb_build_object('instance_id', p_standby_id, 'error', 'silent for its standby, too', 'times', 1, 'failed_at', t.reported_at)
        ),
        {{ private }}.event_id()
    from {{ private }}.stall as t
    where t.stream_id = p_stream_id
    on conflict (stream_id) do nothing
$function$;
comment on function {{ private }}.blame_station_for_silence(bigint, text) is 'A station that neither its owner nor its standby hears is at fault.';

create or replace function {{ private }}.failure_moves_left()
    returns integer
    language sql volatile
as $function$
    select {{ private }}.setting_number('failure_moves_per_minute')::integer - coalesce(sum(d.moves), 0)::integer
    from {{ private }}.decision as d
    where d.rule in ('failing stream', 'stalled stream') and d.decided_at > {{ private }}.now() - interval '1 minute' and d.decided_at <= {{ private }}.now()
$function$;
comment on function {{ private }}.failure_moves_left() is 'How many more streams may be moved for failing now.';

create or replace function {{ private }}.answer_failure(
    p_decision_id bigint, p_stream_id bigint, p_instance_id text, p_rule text, p_trigger text, p_error text
)
    returns bigint
    language plpgsql volatile
as $function$
declare
    v_decision_id bigint := p_decision_id;
begin
    if {{ private }}.blame_station(p_stream_id)
        -- a station that no other can take stays where it is
        or {{ private }}.best_instance(p_stream_id) is null
        or {{ private }}.failure_moves_left() <= 0
    then
        return v_decision_id;
    end if;
    if v_decision_id is null then
        v_decision_id := {{ private }}.open_decision(p_rule, p_trigger, p_error, jsonb_build_object('instance_id', p_instance_id));
    end if;
    perform {{ private }}.move_one(v_decision_id, p_stream_id, p_instance_id, true, 'failed');
    update {{ private }}.decision as d set moves = d.moves + 1 where d.decision_id = v_decision_id;
    return v_decision_id;
end
$function$;
comment on function {{ private }}.answer_failure(bigint, bigint, text, text, text, text) is 'A stream failed too often where it is: its station is blamed, or it is handed over, or it stays. Returns the decision, opened when there was none.';

create or replace function {{ private }}.record_stream_failures(p_instance_id text, p_failed jsonb)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_held record;
    v_decision_id bigint;
    v_noted integer := 0;
    v_refused integer := 0;
begin
    for v_held in
        select a.stream_id, left(max(f.value ->> 'error'), 1000) as error
        from jsonb_array_elements(p_failed) as f
        join {{ private }}.assignment as a on a.stream_id = {{ private }}.as_bigint(f.value -> 'stream_id')
        where a.instance_id = p_instance_id
            and a.releasing_since is null
            and a.epoch = coalesce({{ private }}.as_bigint(f.value -> 'epoch'), a.epoch)
        group by a.stream_id
        order by a.stream_id
    loop
        v_noted := v_noted + 1;
        update {{ private }}.station_fault as s
        set failures = s.failures + 1, last_failed_at = {{ private }}.now()
        where s.stream_id = v_held.stream_id;
        continue when found;
        continue when cardinality({{ private }}.remember_refusals(
            p_instance_id, array[v_held.stream_id], coalesce(v_held.error, 'failed'),
            {{ private }}.setting_number('failures_before_move')::integer, true
        )) = 0;
        v_refused := v_refused + 1;
        v_decision_id := {{ private }}.answer_failure(
            v_decision_id, v_held.stream_id, p_instance_id, 'failing stream', 'acknowledge', v_held.error
        );
    end loop;
    if v_decision_id is not null then
        perform {{ private }}.close_decision(v_decision_id);
    end if;
    if v_refused > 0 then
        perform {{ private }}.count_up('orchestrator_refusals_total', 'failed', v_refused);
    end if;
    return v_noted;
end
$function$;
comment on function {{ private }}.record_stream_failures(text, jsonb) is 'Count failure reports; a stream that failed too often here is handed over to an instance that has not refused it, or its station is blamed.';

create or replace function {{ private }}.cure_stations(p_progressing bigint[])
    returns bigint[]
    language sql volatile
as $function$
    -- a session that counts another failure of one right now decides for itself
    with well as materialized (
        select s.stream_id
        from {{ private }}.station_fault as s
        join {{ private }}.assignment as a on a.stream_id = s.stream_id
        where a.state = 'idle'
            or (a.state = 'running' and s.stream_id = any(p_progressing))
            or (
                a.state = 'running'
                and s.last_failed_at <= {{ private }}.now() - interval '10 minutes'
                and not exists (select from {{ private }}.stall as t where t.stream_id = s.stream_id)
            )
        order by s.stream_id
        for update of s skip locked
    ),
    cured as (
        delete from {{ private }}.station_fault as s
        where s.stream_id in (select w.stream_id from well as w)
        returning s.stream_id
    )
    select array_agg(c.stream_id order by c.stream_id) from cured as c
$function$;
comment on function {{ private }}.cure_stations(bigint[]) is 'Forget the faults of stations that are heard again, ran without a failure for ten minutes, or are not to be heard; null when there are none.';
