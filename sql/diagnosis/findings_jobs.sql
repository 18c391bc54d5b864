-- Findings of diagnose(): what runs by itself, and where streams come from.
--   no_driver             no driver runs
--   job_overdue           one is late while others run
--   job_never_run         one has never run while others do
--   job_failing           its last run failed
--   job_disabled          it is switched off
--   source_failing        a source could not be synchronised
--   source_stale          it was not synchronised for long
--   source_shrinking      a synchronisation would lose too many streams, and is refused
--   history_not_purged    history is older than it may be
-- Reads     job, source, witness, decision, movement, assignment, instance, setting

create or replace function {{ private }}.findings_jobs()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with state as materialized (
        select
            j.*, {{ private }}.now() - greatest(j.next_run_at, j.claimed_until) as overdue,
            j.job in ('watch_instances', 'settle', 'finish_handoffs') as is_vital,
            max(j.last_started_at) filter (where j.runs_in = 'database') over () as last_run_of_any
        from {{ private }}.job as j
    ),
    late as materialized (
        select s.*, 'job ' || s.job as subject from state as s where s.enabled and s.overdue > interval '30 seconds'
    ),
    no_driver as (
        select max(l.overdue) as overdue, max(l.last_run_of_any) as last_run
        from late as l
        where l.runs_in = 'database' and coalesce(l.last_run_of_any, '-infinity') <= {{ private }}.now() - interval '30 seconds'
        having count(*) > 0
    ),
    alone as materialized (
        select l.*, case
            when l.runs_in = 'database' then format('select * from {{ api }}.run_due_jobs()') else 'orchestrator run --schema {{ api }}'
        end as repair
        from late as l
        where not exists (select from no_driver)
    )
    select 'critical', 'no_driver', 'fleet', 'no driver runs: nothing is noticed and nothing is placed',
        jsonb_build_object('overdue', n.overdue, 'last_run_at', n.last_run),
        'Start a driver, two for safety: orchestrator run. Or let the server do it: orchestrator jobs install-pg-cron.',
        'orchestrator run --schema {{ api }}'
    from no_driver as n
    union all
    select case when a.is_vital then 'critical' else 'warning' end, 'job_overdue', a.subject,
        'it is overdue for ' || date_trunc('second', a.overdue),
        jsonb_build_object('next_run_at', a.next_run_at, 'last_started_at', a.last_started_at, 'claimed_by', a.claimed_by, 'claimed_until', a.claimed_until),
        case when a.runs_in = 'database' then 'The drivers that are there are too busy, or gone meanwhile. The repair runs what is due.'
            else 'It needs the outside world, and no driver that runs in Python is there. The repair starts one.' end,
        a.repair
    from alone as a
    where a.last_started_at is not null
    union all
    select 'warning', 'job_never_run', a.subject, 'it has never run',
        jsonb_build_object('next_run_at', a.next_run_at, 'runs_in', a.runs_in),
        case when a.runs_in = 'database' then 'The repair runs what is due.'
            else 'It needs the outside world: pg_cron and psql cannot run it, a driver can. The repair starts one.' end,
        a.repair
    from alone as a
    where a.last_started_at is null
        -- what nobody has asked for need not run
        and a.job <> 'write_redis'
        and (a.job <> 'read_witnesses' or exists (select from {{ private }}.witness))
    union all
    select case when s.is_vital and s.consecutive_failures > 2 then 'critical' else 'warning' end, 'job_failing', 'job ' || s.job,
        'it failed ' || s.consecutive_failures || ' times in a row: ' || coalesce(s.last_result ->> 'message', 'no message'),
        jsonb_build_object('consecutive_failures', s.consecutive_failures, 'last_started_at', s.last_started_at, 'error', s.last_result),
        coalesce(nullif(s.last_result ->> 'hint', ''), 'What it did was undone; it is tried again by itself. The evidence has the whole error.'),
        -- something that it needs is missing or may not be used
        case when s.last_result ->> 'sqlstate' like '42%' then 'orchestrator db migrate --repair --schema {{ api }}' end
    from state as s
    where s.consecutive_failures > 0
    union all
    select 'warning', 'job_disabled', 'job ' || s.job, 'it is switched off', jsonb_build_object('last_started_at', s.last_started_at, 'does', s.description),
        'If there is no reason for it, the repair switches it on again.',
        format('select * from {{ api }}.schedule_job(%L, p_enabled => true)', s.job)
    from state as s
    where not s.enabled
$function$;
comment on function {{ private }}.findings_jobs() is 'Findings: jobs that no driver runs, that are late, fail, or are switched off.';

create or replace function {{ private }}.findings_sources()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    with watched as (
        select
            s.*, s.last_error ->> 'code' = 'OR406' as is_shrinking,
            jsonb_build_object(
                'last_success_at', s.last_success_at, 'last_attempt_at', s.last_attempt_at,
                'consecutive_failures', s.consecutive_failures, 'error', s.last_error
            ) as evidence
        from {{ private }}.source as s
        where s.enabled and s.kind = 'postgresql'
    )
    select 'warning', 'source_shrinking', 'source ' || w.source, 'a synchronisation would remove too many streams, and was refused', w.evidence,
        'Look at the source first: is it whole? If it is right, the repair synchronises once, however much is lost.',
        format('orchestrator source sync %s --force --schema {{ api }}', w.source)
    from watched as w
    where w.consecutive_failures > 0 and w.is_shrinking
    union all
    select case when w.consecutive_failures >= 3 then 'critical' else 'warning' end, 'source_failing', 'source ' || w.source,
        'it could not be synchronised ' || w.consecutive_failures || ' times in a row: ' || coalesce(w.last_error ->> 'message', 'no message'),
        w.evidence,
        coalesce(w.last_error ->> 'hint' || ' ', '') || 'Its streams stay as they are. It is tried again by itself; the repair tries now.',
        format('orchestrator source sync %s --schema {{ api }}', w.source)
    from watched as w
    where w.consecutive_failures > 0 and w.is_shrinking is not true
    union all
    select 'warning', 'source_stale', 'source ' || w.source,
        coalesce('it was last synchronised at ' || w.last_success_at, 'it has never been synchronised'), w.evidence,
        'Only a driver synchronises sources by itself: orchestrator run. The repair does it once.',
        format('orchestrator source sync %s --schema {{ api }}', w.source)
    from watched as w
    where w.consecutive_failures = 0
        and coalesce(w.last_success_at, w.created_at) < {{ private }}.now() - 3 * {{ private }}.sync_pause(w.sync_interval, 0) - interval '1 minute'
$function$;
comment on function {{ private }}.findings_sources() is 'Findings: sources that fail, are stale, or would lose too many streams.';

create or replace function {{ private }}.findings_history()
    returns table (severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    language sql volatile
as $function$
    select 'warning', 'history_not_purged', 'fleet', 'there is history from ' || d.decided_at || ', older than history_retention',
        jsonb_build_object('oldest', d.decided_at, 'history_retention', {{ private }}.setting_text('history_retention')),
        'The job purge_history deletes it once a day, in as many runs as it takes: see whether a driver runs it. The repair runs it now.',
        format('select * from {{ api }}.request_job(%L); select * from {{ api }}.run_due_jobs()', 'purge_history')
    from (
        select o.decided_at
        from {{ private }}.decision as o
        where o.decided_at < (select {{ private }}.now() - {{ private }}.setting_interval('history_retention') - interval '2 days')
            -- what a stream's present state points to is kept
            and o.decision_id not in (select distinct a.decision_id from {{ private }}.assignment as a where a.decision_id is not null)
            and o.decision_id not in (select i.lost_by_decision_id from {{ private }}.instance as i where i.lost_by_decision_id is not null)
            -- and what moved a stream within the history
            and not exists (
                select from {{ private }}.movement as m
                where m.decision_id = o.decision_id
                    and m.moved_at >= (select {{ private }}.now() - {{ private }}.setting_interval('history_retention') - interval '2 days')
            )
        order by o.decided_at
        limit 1
    ) as d
$function$;
comment on function {{ private }}.findings_history() is 'Finding: history that should have been deleted.';
