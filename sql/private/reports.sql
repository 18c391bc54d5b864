-- What a worker says about itself: the report of its beat, and the full set of what it runs.

create or replace function {{ private }}.require_few(p_name text, p_count integer)
    returns void
    language plpgsql immutable
as $function$
begin
    perform {{ private }}.require_argument(
        p_name, coalesce(p_count, 0) <= 10000, to_jsonb(p_count), 'at most 10000 streams: an instance has 1000 at most'
    );
end
$function$;
comment on function {{ private }}.require_few(text, integer) is 'Refuse (OR101) more streams in one call than any instance can mean.';

create or replace function {{ private }}.check_reported_streams(p_streams bigint[], p_epochs bigint[])
    returns void
    language plpgsql immutable
as $function$
begin
    perform {{ private }}.require_few('p_streams', cardinality(p_streams));
    perform {{ private }}.require_argument(
        'p_streams', array_position(p_streams, null) is null
            and cardinality(p_streams) = (select count(distinct u.stream_id) from unnest(p_streams) as u(stream_id)),
        to_jsonb(cardinality(p_streams)), 'each running stream once'
    );
    perform {{ private }}.require_argument(
        'p_epochs', cardinality(p_epochs) = cardinality(p_streams) and array_position(p_epochs, null) is null
            and 0 <= (select coalesce(min(u.epoch), 0) from unnest(p_epochs) as u(epoch)),
        to_jsonb(cardinality(p_epochs)), 'one epoch for each stream, none of them negative'
    );
end
$function$;
comment on function {{ private }}.check_reported_streams(bigint[], bigint[]) is 'Refuse a full set that says impossible things.';

create or replace function {{ private }}.count_stalled(p_stalled jsonb)
    returns integer
    language plpgsql immutable
as $function$
begin
    if jsonb_typeof(p_stalled) <> 'array' or jsonb_array_length(p_stalled) > 1000 or exists (
        select from jsonb_array_elements(p_stalled) as s
        where jsonb_typeof(s.value) <> 'object'
            or (s.value ->> 'stream_id')::bigint is null
            or (s.value ->> 'epoch')::bigint is null
            or (s.value ->> 'silent_for')::double precision between 0 and 1000000000 is not true
    ) then
        raise exception using errcode = 'invalid_parameter_value', message = 'stalled is no list of silent streams';
    end if;
    return jsonb_array_length(p_stalled);
end
$function$;
comment on function {{ private }}.count_stalled(jsonb) is 'How many streams a beat reports as silent; a data exception when the list cannot be read.';

create or replace function {{ private }}.read_report(p_report jsonb)
    returns {{ private }}.heartbeat
    language plpgsql stable
as $function$
declare
    v_beat {{ private }}.heartbeat;
begin
    v_beat.status := p_report ->> 'status';
    v_beat.current_streams := (p_report ->> 'current_streams')::integer;
    v_beat.processed_count := (p_report ->> 'processed_count')::bigint;
    v_beat.error_count := (p_report ->> 'error_count')::bigint;
    v_beat.cpu_usage := (p_report ->> 'cpu_usage')::real;
    v_beat.memory_usage := (p_report ->> 'memory_usage')::real;
    v_beat.last_activity := (p_report ->> 'last_activity')::timestamptz;
    v_beat.sent_at := (p_report ->> 'timestamp')::timestamptz;
    v_beat.progressing := (p_report ->> 'progressing')::integer;
    v_beat.breaker := p_report ->> 'breaker';
    v_beat.breaker_opened := (p_report ->> 'breaker_opened')::integer;
    v_beat.round_trip := (p_report ->> 'round_trip')::real;
    v_beat.stalled := case when p_report -> 'stalled' <> 'null' then {{ private }}.count_stalled(p_report -> 'stalled') else 0 end;
    -- what nobody can have counted, and moments that no client could read back out of a view
    if least(v_beat.current_streams, v_beat.processed_count, v_beat.error_count, v_beat.progressing, v_beat.breaker_opened) < 0
        or greatest(v_beat.current_streams, v_beat.processed_count, v_beat.error_count) > 1000000000000000
        or not (coalesce(v_beat.cpu_usage, 0) between 0 and 100000 and coalesce(v_beat.memory_usage, 0) between 0 and 100000)
        or coalesce((p_report ->> 'heartbeat_interval')::double precision, 1) not between 0.001 and 86400
        or coalesce(v_beat.round_trip, 0) not between 0 and 86400
        or v_beat.breaker not in ('closed', 'half-open', 'open')
        or length(v_beat.status) > 100
        or least(v_beat.last_activity, v_beat.sent_at) < '2000-01-01'
        or greatest(v_beat.last_activity, v_beat.sent_at) > '3000-01-01'
    then
        raise exception using errcode = 'numeric_value_out_of_range', message = 'a value is out of range';
    end if;
    return v_beat;
exception
    when data_exception then
        raise exception using
            errcode = 'OR101',
            message = 'bad argument',
            detail = jsonb_build_object(
                'argument', 'p_report', 'problem', left(sqlerrm, 200),
                'given', case when pg_column_size(p_report) > 10000 or length(p_report::text) > 10000 then to_jsonb('too long to be said again'::text) else p_report end
            )::text,
            hint = 'counts are integers, cpu_usage and memory_usage percentages, last_activity and timestamp ISO 8601 with a time zone, heartbeat_interval and round_trip seconds, breaker closed, half-open or open, stalled at most 1000 of {"stream_id", "epoch", "silent_for" in seconds}';
end
$function$;
comment on function {{ private }}.read_report(jsonb) is 'The columns of a beat out of its report; OR101 when a value cannot be read.';
