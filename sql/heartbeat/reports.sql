-- What a worker says about itself: the report of its beat, and the full set of what it runs.

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

create or replace function {{ private }}.check_stalled(p_stalled jsonb)
    returns void
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
end
$function$;
comment on function {{ private }}.check_stalled(jsonb) is 'A data exception when the list of streams that a beat reports as silent cannot be read.';

create or replace function {{ private }}.is_count_of(p_said integer, p_owned integer, p_metadata jsonb)
    returns boolean
    language sql immutable
begin atomic
    -- a digest can be made equal on purpose; over HTTP the digest is reckoned here, from what was confirmed, and the number is the client's
    select p_said is null or p_said = p_owned or coalesce(p_metadata ? 'http', false);
end;
comment on function {{ private }}.is_count_of(integer, integer, jsonb) is 'Whether the number of streams that a worker says it runs fits what it owns.';

create or replace function {{ private }}.read_report(p_report jsonb)
    returns {{ private }}.report
    language plpgsql stable
as $function$
declare
    v_report {{ private }}.report;
begin
    -- in one step, because each expression has to be made ready anew in each transaction, and a beat is one
    v_report := jsonb_populate_record(null::{{ private }}.report, case when jsonb_typeof(p_report) = 'object' then p_report end);
    -- what cannot have been counted, and moments that no client could read back out of a view
    if least(v_report.current_streams, v_report.processed_count, v_report.error_count, v_report.progressing, v_report.breaker_opened) < 0
        or greatest(v_report.current_streams, v_report.processed_count, v_report.error_count) > 1000000000000000
        or greatest(v_report.cpu_usage, v_report.memory_usage) > 100000
        or least(v_report.cpu_usage, v_report.memory_usage, v_report.round_trip) < 0
        or v_report.heartbeat_interval not between 0.001 and 86400
        or v_report.round_trip > 86400
        or v_report.standby_window not between 0 and 86400
        or v_report.breaker not in ('closed', 'half-open', 'open')
        or length(v_report.status) > 100
        or least(v_report.last_activity, v_report."timestamp") < '2000-01-01'
        or greatest(v_report.last_activity, v_report."timestamp") > '3000-01-01'
    then
        raise exception using errcode = 'numeric_value_out_of_range', message = 'a value is out of range';
    end if;
    if v_report.stalled is not null then
        perform {{ private }}.check_stalled(v_report.stalled);
    end if;
    if v_report.standbys_silent is not null then
        perform {{ private }}.check_stalled(v_report.standbys_silent);
    end if;
    return v_report;
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
comment on function {{ private }}.read_report(jsonb) is 'What a beat reports; OR101 when a value cannot be read.';
