-- Job: delete history older than history_retention, in batches small enough to hold no lock for long.
-- A decision that a stream's present state still points to is kept.
-- Locks     none that a decision waits for
-- Writes    decision, movement, job_run, alert, alert_delivery, failure_streak, plan, repair, refusal, fleet_sample

create or replace function {{ private }}.purge_history()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_before timestamptz := {{ private }}.now() - {{ private }}.setting_interval('history_retention');
    v_old bigint[];
    v_movements integer;
    v_decisions integer;
    v_runs integer;
    v_alerts integer;
    v_plans integer;
    v_repairs integer;
    v_refusals integer;
    v_samples integer;
begin
    -- at most ten thousand at once, the oldest first
    v_old := array(
        select d.decision_id
        from {{ private }}.decision as d
        where d.decided_at < v_before
            and not exists (select from {{ private }}.assignment as a where a.decision_id = d.decision_id)
            and not exists (select from {{ private }}.instance as i where i.lost_by_decision_id = d.decision_id)
        order by d.decision_id
        limit 10000
    );
    delete from {{ private }}.movement as m where m.decision_id = any(v_old);
    get diagnostics v_movements = row_count;
    delete from {{ private }}.decision as d where d.decision_id = any(v_old);
    get diagnostics v_decisions = row_count;
    delete from {{ private }}.job_run as r
    where r.job_run_id in (select o.job_run_id from {{ private }}.job_run as o where o.started_at < v_before order by o.started_at limit 10000);
    get diagnostics v_runs = row_count;
    delete from {{ private }}.failure_streak as s where s.last_failed_at < v_before;
    -- with its deliveries
    delete from {{ private }}.alert as a where a.resolved_at < v_before;
    get diagnostics v_alerts = row_count;
    delete from {{ private }}.plan as p where p.planned_at < v_before;
    get diagnostics v_plans = row_count;
    delete from {{ private }}.repair as r
    where r.repair_id in (select o.repair_id from {{ private }}.repair as o where o.found_at < v_before order by o.found_at limit 10000);
    get diagnostics v_repairs = row_count;
    -- after a quiet day a refusal would begin anew anyway
    delete from {{ private }}.refusal as f
    where greatest(f.refused_at, f.until) < {{ private }}.now() - interval '1 day';
    get diagnostics v_refusals = row_count;
    delete from {{ private }}.fleet_sample as s
    where s.sampled_at in (select o.sampled_at from {{ private }}.fleet_sample as o where o.sampled_at < v_before order by o.sampled_at limit 10000);
    get diagnostics v_samples = row_count;
    return case when v_movements + v_decisions + v_runs + v_alerts + v_plans + v_repairs + v_refusals + v_samples > 0 then jsonb_build_object(
        'movements', v_movements, 'decisions', v_decisions, 'job_runs', v_runs, 'alerts', v_alerts, 'plans', v_plans,
        'repairs', v_repairs, 'refusals', v_refusals, 'fleet_samples', v_samples
    ) end;
end
$function$;
comment on function {{ private }}.purge_history() is 'Job purge_history: deletes what is older than history_retention.';
