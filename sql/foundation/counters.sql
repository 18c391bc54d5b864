-- Counting what metrics() shows. Counters come last in the lock order; who may hold them for how long:
--   decisions   the rows of moves, refusals, durations are written under the decision lock only: nobody contends for them
--   jobs        count in their own row, which whoever runs them has locked; several may run in one transaction
--   sources     count in their own row
--   beats       count in their own row; the job evaluate_alerts alone adds their round trips up
--   failures    are everybody's: the last thing that a report writes, in the order of the labels
-- Locks     metric_count (by metric and label)
-- Writes    metric_count

create or replace function {{ private }}.count_into(p_counts bigint[], p_metric text, p_values double precision[])
    returns bigint[]
    language plpgsql stable
as $function$
declare
    v_bounds double precision[] := (select m.bounds from {{ private }}.metric as m where m.metric = p_metric);
    v_counts bigint[] := coalesce(p_counts, array_fill(0::bigint, array[cardinality(v_bounds) + 1]));
    v_value double precision;
    v_place integer;
begin
    foreach v_value in array p_values loop
        -- how many bounds are at most the value; a bound belongs to the bucket below it
        v_place := width_bucket(v_value, v_bounds);
        if v_place = 0 or v_bounds[v_place] < v_value then
            v_place := v_place + 1;
        end if;
        v_counts[v_place] := v_counts[v_place] + 1;
    end loop;
    return v_counts;
end
$function$;
comment on function {{ private }}.count_into(bigint[], text, double precision[]) is 'These counts of a histogram''s buckets (null: none yet) with these values counted in.';

create or replace function {{ private }}.seconds_between(p_from timestamptz, p_to timestamptz)
    returns double precision
    language sql immutable parallel safe
begin atomic
    select greatest(date_part('epoch', p_to - p_from), 0);
end;
comment on function {{ private }}.seconds_between(timestamptz, timestamptz) is 'Seconds from one moment to a later one; 0 when it is none.';

create or replace function {{ private }}.sum_of_counts(p_counts bigint[], p_more bigint[])
    returns bigint[]
    language sql immutable parallel safe
begin atomic
    select array_agg(coalesce(u.count, 0) + coalesce(u.more, 0) order by u.place)
    from unnest(p_counts, p_more) with ordinality as u(count, more, place);
end;
comment on function {{ private }}.sum_of_counts(bigint[], bigint[]) is 'The counts of two histograms with the same buckets (null: none), put together.';

create or replace function {{ private }}.observe(p_metric text, p_label text, p_values double precision[])
    returns void
    language sql volatile
as $function$
    insert into {{ private }}.metric_count as c (metric, label, value, counts)
    select p_metric, p_label, sum(u.value), {{ private }}.count_into(null, p_metric, p_values)
    from unnest(p_values) as u(value)
    having count(*) > 0
    on conflict (metric, label) do update
    set value = c.value + excluded.value, counts = {{ private }}.sum_of_counts(c.counts, excluded.counts)
$function$;
comment on function {{ private }}.observe(text, text, double precision[]) is 'Count values into a histogram.';

create or replace function {{ private }}.count_up(p_metric text, p_label text, p_by double precision)
    returns void
    language plpgsql volatile
as $function$
begin
    insert into {{ private }}.metric_count as c (metric, label, value)
    values (p_metric, p_label, p_by)
    on conflict (metric, label) do update set value = c.value + excluded.value;
end
$function$;
comment on function {{ private }}.count_up(text, text, double precision) is 'Let a counter grow.';

create or replace function {{ private }}.count_decision(p_decision {{ private }}.decision)
    returns void
    language plpgsql volatile
as $function$
declare
    v_seconds double precision := extract(epoch from (p_decision).duration);
begin
    insert into {{ private }}.metric_count as c (metric, label, value, counts)
    values
        (
            'orchestrator_decision_duration_seconds', (p_decision).rule, v_seconds,
            {{ private }}.count_into(null, 'orchestrator_decision_duration_seconds', array[v_seconds])
        ),
        ('orchestrator_least_moves_total', (p_decision).rule, (p_decision).least_moves, null),
        ('orchestrator_moves_total', (p_decision).rule, (p_decision).moves, null)
    on conflict (metric, label) do update
    set value = c.value + excluded.value, counts = {{ private }}.sum_of_counts(c.counts, excluded.counts);
end
$function$;
comment on function {{ private }}.count_decision({{ private }}.decision) is 'A decision is made: how long it took, how many streams it moved, and how few could have done.';

create or replace function {{ private }}.count_failover(p_decision {{ private }}.decision)
    returns void
    language sql volatile
as $function$
    select {{ private }}.observe(
        'orchestrator_failover_duration_seconds', (p_decision).rule,
        array(
            select {{ private }}.seconds_between(greatest(h.beat_at, e.session_lost_at), m.moved_at)
            from {{ private }}.movement as m
            -- looked up, however many instances there are
            cross join lateral (
                select b.beat_at from {{ private }}.heartbeat as b where b.instance_id = m.from_instance_id offset 0
            ) as h
            left join jsonb_to_recordset((p_decision).detail -> 'evidence') as e(instance_id text, session_lost_at timestamptz)
                on e.instance_id = m.from_instance_id
            where m.decision_id = (p_decision).decision_id and m.to_instance_id is not null
        )
    )
$function$;
comment on function {{ private }}.count_failover({{ private }}.decision) is 'Streams of lost instances were given to others: how long after their last beat, or after their sessions were gone.';

create or replace function {{ private }}.count_round_trips(p_now timestamptz)
    returns void
    language plpgsql volatile
as $function$
declare
    v_metric constant text := 'orchestrator_beat_round_trip_seconds';
    -- a beat that is not committed yet is counted the next time
    v_to timestamptz := p_now - interval '1 second';
    v_round_trips double precision[];
begin
    select array_agg(h.round_trip::double precision) into v_round_trips
    from {{ private }}.heartbeat as h
    join {{ private }}.metric_count as c on c.metric = v_metric and c.label = ''
    where h.round_trip is not null and h.beat_at > coalesce(c.counted_to, '-infinity') and h.beat_at <= v_to;
    if v_round_trips is not null then
        perform {{ private }}.observe(v_metric, '', v_round_trips);
        update {{ private }}.metric_count as c set counted_to = v_to where c.metric = v_metric and c.label = '';
    end if;
end
$function$;
comment on function {{ private }}.count_round_trips(timestamptz) is 'Add up the round trips that beats told since the last time. Each beat counts once at most: of several in between only the last one is known.';

create or replace function {{ private }}.missed_beats(p_since timestamptz, p_interval double precision)
    returns integer
    language sql volatile
as $function$
    -- by the interval that the worker goes by; one that comes a little late is not missed
    select least(greatest(
        floor({{ private }}.seconds_between(p_since, {{ private }}.now()) / coalesce(
            p_interval, date_part('epoch', {{ private }}.setting_interval('heartbeat_interval'))
        )) - 1, 0
    ), 1000000)::integer
$function$;
comment on function {{ private }}.missed_beats(timestamptz, double precision) is 'How many beats should have come between the last one and this, by the interval in seconds that the worker goes by (null: it does not say).';
