-- Everything that is measured, as rows: what GET /metrics says in JSON and in text (R6.4).
-- Reads     what metrics/metric_values.sql reads
create or replace function {{ api }}.metrics()
    returns table (
        name text, kind text, unit text, help text, labels jsonb, value double precision,
        bounds double precision[], counts bigint[], sum double precision, count bigint
    )
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
    select
        s.metric, s.kind, s.unit, s.help, s.labels, case when s.kind <> 'histogram' then s.value end,
        s.bounds, s.counts, case when s.kind = 'histogram' then s.value end,
        (select sum(u.n) from unnest(s.counts) as u(n))::bigint
    from {{ private }}.metric_series(true) as s
    order by s.metric, s.labels
$function$;
comment on function {{ api }}.metrics() is
'Return everything that is measured, a row per series.
name: the name, as Prometheus has it.
kind: counter, gauge or histogram.
unit: seconds, streams and so on.
help: what it means.
labels: the labels of this series, as JSON.
value: of a counter or gauge, its value.
bounds: of a histogram, the upper bounds of its buckets (inclusive).
counts: how many observations fell into each bucket; one bucket more, for what is above all bounds.
sum: the sum of all observations.
count: the number of observations.
Example: select name, labels, value from {{ api }}.metrics() where kind = ''gauge'';';
revoke all on function {{ api }}.metrics() from public;
grant execute on function {{ api }}.metrics() to {{ reader }}, {{ admin }};
