-- Reads     decision, job_run, alert
create or replace view {{ api }}.events as
select
    e.event_id,
    e.at,
    e.kind,
    e.what,
    e.subject,
    e.text,
    e.id
-- the condition stands outside so that the latest are read from three indexes and nothing is sorted
from (
    select
        d.event_id,
        d.decided_at as at,
        'decision' as kind,
        d.rule as what,
        coalesce(
            d.detail ->> 'instance_id',
            (select string_agg(i.value, ', ') from jsonb_array_elements_text(d.detail -> 'instances') as i),
            'stream ' || (d.detail ->> 'stream_id'),
            'plan ' || (d.detail ->> 'plan_id')
        ) as subject,
        concat_ws('; ', d.reason, d.moves || ' moves', d.still_waiting || ' still waiting', 'by ' || d.trigger || ', ' || d.actor) as text,
        d.decision_id as id
    from {{ private }}.decision as d
    union all
    select
        r.event_id,
        r.started_at as at,
        'job run' as kind,
        r.job as what,
        r.run_by as subject,
        concat_ws(': ', r.outcome, coalesce(r.error ->> 'message', left(r.result::text, 500))) as text,
        r.job_run_id as id
    from {{ private }}.job_run as r
    union all
    select
        a.event_id,
        a.opened_at as at,
        'alert' as kind,
        a.code as what,
        nullif(a.subject, '') as subject,
        a.severity || ': ' || a.message as text,
        a.alert_id as id
    from {{ private }}.alert as a
) as e
where e.event_id is not null;
comment on view {{ api }}.events is 'Everything that bears an event id: decisions, runs of jobs, alerts, each with its own id among its kind. What has the same id is one story: explain_event tells it.';
grant select on {{ api }}.events to {{ reader }}, {{ admin }};
