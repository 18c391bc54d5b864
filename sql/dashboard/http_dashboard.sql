-- GET /: all that the dashboard shows, in one round trip. diagnose() costs more than all the rest: a client that asks again and again
-- passes the diagnosis of an earlier answer, and it is taken for granted.
-- Reads     everything that health() and diagnose() read; the public views
-- Raises    OR101 that is no diagnosis
create or replace function {{ api }}.http_dashboard(p_diagnosis jsonb default null)
    returns table (status integer, body jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_now timestamptz := {{ private }}.now();
    v_health jsonb;
    v_diagnosis jsonb := p_diagnosis;
    v_imbalance double precision := (select i.load_difference from {{ private }}.imbalance() as i);
begin
    perform {{ private }}.require_argument(
        'p_diagnosis',
        p_diagnosis is null or (jsonb_typeof(p_diagnosis) = 'object' and jsonb_typeof(p_diagnosis -> 'findings') = 'array') is true,
        to_jsonb(left(p_diagnosis::text, 200)), 'the diagnosis of an earlier answer, or null'
    );
    select jsonb_agg(to_jsonb(h) - 'response_time') into v_health from {{ api }}.health() as h;
    if v_diagnosis is null then
        select jsonb_build_object(
            'findings', coalesce(jsonb_agg(to_jsonb(d) - 'place' order by d.place) filter (where d.place <= 8), '[]'),
            'in_all', count(*), 'at', v_now
        )
        into v_diagnosis
        from (select f.*, row_number() over () as place from {{ api }}.diagnose() as f) as d;
    end if;
    return query
    select 200, jsonb_build_object(
        'now', v_now,
        'schema', '{{ api }}',
        'verdict', {{ private }}.dashboard_verdict(v_health, v_diagnosis -> 'findings'),
        'health', v_health,
        'diagnosis', v_diagnosis,
        'fleet', to_jsonb(f) || jsonb_build_object(
            'load_percentage', round(coalesce(100.0 * f.streams_held / nullif(f.capacity, 0), 0), 1),
            'imbalance_percentage', round((100 * v_imbalance)::numeric, 1),
            'imbalance_threshold', round(100 * {{ private }}.setting_number('imbalance_threshold')::numeric, 1),
            'lost_instances', (select count(*) from {{ private }}.instance as i where i.status = 'inactive')
        ),
        'instances', {{ private }}.dashboard_instances(200),
        'handovers', {{ private }}.dashboard_handovers(12),
        'decisions', {{ private }}.dashboard_decisions(12),
        'alerts', {{ private }}.dashboard_alerts(30),
        'jobs', {{ private }}.dashboard_jobs(),
        'coverage', {{ private }}.dashboard_coverage(),
        'history', {{ private }}.dashboard_history(interval '6 hours', 120)
    )
    from {{ api }}.fleet as f;
end
$function$;
comment on function {{ api }}.http_dashboard(jsonb) is
'Answer GET /: all that the dashboard shows, in one round trip.
p_diagnosis: the diagnosis of an earlier answer, which is then taken for granted; null diagnoses anew, which costs more than all the rest.
status: the HTTP status.
body: verdict, health, diagnosis, fleet, instances, hand-overs, decisions, alerts, jobs, coverage and history.
Raises: OR101.
Example: select status, body -> ''verdict'' from {{ api }}.http_dashboard();';
revoke all on function {{ api }}.http_dashboard(jsonb) from public;
grant execute on function {{ api }}.http_dashboard(jsonb) to {{ reader }}, {{ admin }};
