-- Counting what metrics() shows. Counters come last in the lock order; who may hold them for how long:
--   decisions   the rows of moves, refusals, durations are written under the decision lock only: they are not contended
--   jobs        count in their own row, which the session that runs them has locked; several may run in one transaction
--   sources     count in their own row
--   beats       count in their own row; the job evaluate_alerts alone adds their round trips up
--   failures    are shared by all: the last thing that a report writes, in the order of the labels
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
