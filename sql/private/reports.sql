-- What a beat says about its worker.

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
    -- what nobody can have counted, and moments that no client could read back out of a view
    if least(v_beat.current_streams, v_beat.processed_count, v_beat.error_count) < 0
        or greatest(v_beat.current_streams, v_beat.processed_count, v_beat.error_count) > 1000000000000000
        or not (coalesce(v_beat.cpu_usage, 0) between 0 and 100000 and coalesce(v_beat.memory_usage, 0) between 0 and 100000)
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
            detail = jsonb_build_object('argument', 'p_report', 'given', p_report, 'problem', sqlerrm)::text,
            hint = 'counts are integers, cpu_usage and memory_usage percentages, last_activity and timestamp ISO 8601 with a time zone';
end
$function$;
comment on function {{ private }}.read_report(jsonb) is 'The columns of a beat out of its report; OR101 when a value cannot be read.';
