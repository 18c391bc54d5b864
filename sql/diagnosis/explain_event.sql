-- The whole story of one event id, as a log line, an alert or an answer shows it, in the order in which it happened: the job's
-- run, the decisions and the streams that they moved, the alerts and who was told of them.
-- Reads     decision, movement, assignment, job_run, alert, alert_delivery
-- Raises    OR101 not an id, or several begin so · OR107 unknown event
create or replace function {{ api }}.explain_event(p_event_id text)
    returns table (event_id uuid, at timestamptz, kind text, what text, subject text, text text, id bigint, detail jsonb)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_event_id uuid := {{ private }}.event_named(p_event_id);
begin
    return query
    select v_event_id, s.at, s.kind, s.what, s.subject, s.text, s.id, coalesce(s.detail, '{}')
    from (
        select e.at, e.kind, e.what, e.subject, e.text, e.id, {{ private }}.detail_of_event(e.kind, e.id) as detail
        from {{ api }}.events as e
        where e.event_id = v_event_id
        union all
        select m.at, 'move', m.what, m.subject, m.text, m.decision_id, m.detail from {{ private }}.moves_of_event(v_event_id) as m
        union all
        select d.changed_at, 'delivery', d.event, d.target, d.state, d.alert_id, jsonb_strip_nulls(jsonb_build_object('sent_by', d.sent_by, 'error', d.error))
        from {{ private }}.alert as a
        join {{ private }}.alert_delivery as d on d.alert_id = a.alert_id
        where a.event_id = v_event_id
    ) as s
    order by s.at, array_position(array['job run', 'decision', 'move', 'alert', 'delivery'], s.kind), s.id, s.subject;
end
$function$;
comment on function {{ api }}.explain_event(text) is
'Tell the story of one event id in the order in which it happened: the run of a job, decisions, moves (a row for each pair of instances), alerts and their deliveries.
p_event_id: the id, or at least its first 8 characters.
event_id: the id of the event, for explain_event.
at: when this part happened.
kind: job run, decision, move, alert or delivery.
what: the job, rule, event or other name of this part.
subject: what it is about.
text: this part in a sentence.
id: the id of the job run, decision or alert.
detail: more about this part, as JSON.
Raises: OR101, OR107.
Example: select at, kind, what, subject, text from {{ api }}.explain_event((select event_id::text from {{ api }}.events order by at desc limit 1));';
revoke all on function {{ api }}.explain_event(text) from public;
grant execute on function {{ api }}.explain_event(text) to {{ reader }}, {{ admin }};
