-- Event ids: what happens in one transaction has one id, by which a log line, a decision, a job's run and an alert find each
-- other. It is derived from the transaction, so there is nothing to keep, to lose in a subtransaction or to forge.
-- A job that needs the outside world takes several transactions: they continue the event that its claim began.
-- Beats have none.
-- Reads     decision, job_run, alert, and where each kind of alert finds its cause

create or replace function {{ private }}.event_id()
    returns uuid
    language sql volatile
as $function$
    select case
        when e.continued ~ ('^' || e.xid || ' [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') then split_part(e.continued, ' ', 2)::uuid
        -- a restored server counts its transactions anew: their times differ. The form is that of a UUID of version 8
        else overlay(overlay(
            md5(e.xid || ' ' || extract(epoch from {{ private }}.transaction_started_at())) placing '8' from 13
        ) placing 'a' from 17)::uuid
    end
    from (
        select pg_current_xact_id()::text as xid, current_setting('{{ api }}.event_id', true) as continued
    ) as e
$function$;
comment on function {{ private }}.event_id() is 'The id of what happens in this transaction.';

create or replace function {{ private }}.continue_event(p_event_id uuid)
    returns void
    language sql volatile
as $function$
    -- for this transaction only: a pooler gives the session to somebody else afterwards
    select set_config('{{ api }}.event_id', pg_current_xact_id() || ' ' || p_event_id, true) where p_event_id is not null
$function$;
comment on function {{ private }}.continue_event(uuid) is 'What happens in this transaction belongs to an event that began in another one; null: to its own.';

create or replace function {{ private }}.cause_of_waiting()
    returns uuid
    language sql stable
as $function$
    select d.event_id
    from (
        (
            select a.decision_id, a.waiting_since as since
            from {{ private }}.assignment as a
            where a.waiting_since is not null
            order by a.requirement_id, a.waiting_since, a.stream_id -- as the index has them, so that it is read and not the table
            limit 1000
        )
        union all
        select i.lost_by_decision_id, i.status_changed_at
        from {{ private }}.instance as i
        join {{ private }}.instance_load as l on l.instance_id = i.instance_id
        where i.status = 'inactive' and l.owned > 0
    ) as w
    left join {{ private }}.decision as d on d.decision_id = w.decision_id
    order by w.since
    limit 1
$function$;
comment on function {{ private }}.cause_of_waiting() is 'The event that left the stream that has waited for longest with nobody, or with one that is lost.';

create or replace function {{ private }}.cause_of_alert(p_code text, p_subject text)
    returns uuid
    language sql stable
as $function$
    select case p_code
        when 'no_active_instance' then (
            select d.event_id
            from {{ private }}.decision as d
            where d.decision_id = (select max(i.lost_by_decision_id) from {{ private }}.instance as i)
                -- else they are silent, and nobody has decided that they are lost
                and not exists (
                    select from {{ private }}.instance as i
                    where i.is_living
                )
        )
        when 'streams_waiting' then {{ private }}.cause_of_waiting()
        when 'instance_on_probation' then (
            select i.probation_event_id from {{ private }}.instance as i where i.instance_id = p_subject
        )
        when 'station_failing' then (
            select f.event_id from {{ private }}.station_fault as f where f.stream_id = p_subject::bigint
        )
        when 'source_lost' then (select s.failure_event_id from {{ private }}.source as s where s.source = p_subject)
        when 'recovery_mode' then (select c.recovery_event_id from {{ private }}.controller as c)
        when 'job_failing' then (
            select r.event_id
            from {{ private }}.job_run as r
            where r.job = p_subject and r.outcome = 'failed'
            order by r.job_run_id desc
            limit 1
        )
    end
$function$;
comment on function {{ private }}.cause_of_alert(text, text) is 'The event of the decision or job run that an alert is about; null when it is about none.';

create or replace function {{ private }}.events_like(p_event_id text)
    returns table (event_id uuid)
    language sql stable
as $function$
    -- its digits, filled up to the least and the greatest
    select distinct e.event_id
    from (
        select rpad(d.digits, 32, '0')::uuid as first, rpad(d.digits, 32, 'f')::uuid as last
        from (select replace(p_event_id, '-', '') as digits) as d
    ) as p
    cross join lateral (
        select o.event_id from {{ private }}.decision as o where o.event_id between p.first and p.last
        union all
        select r.event_id from {{ private }}.job_run as r where r.event_id between p.first and p.last
        union all
        select a.event_id from {{ private }}.alert as a where a.event_id between p.first and p.last
    ) as e
    order by e.event_id
    limit 10
$function$;
comment on function {{ private }}.events_like(text) is 'The events whose ids begin so; ten at most.';

create or replace function {{ private }}.event_named(p_event_id text)
    returns uuid
    language plpgsql volatile
as $function$
declare
    v_found uuid[];
begin
    perform {{ private }}.require_argument(
        'p_event_id', p_event_id ~* '^[0-9a-f]{8}(-?[0-9a-f]){0,24}-?$', to_jsonb(left(p_event_id, 100)),
        'the id of an event, or its first 8 characters or more'
    );
    v_found := array(select e.event_id from {{ private }}.events_like(p_event_id) as e);
    perform {{ private }}.require_argument(
        'p_event_id', cardinality(v_found) <= 1, to_jsonb(v_found), 'several events begin so: give more of the id'
    );
    if cardinality(v_found) = 0 then
        raise exception using
            errcode = 'OR107',
            message = 'unknown event',
            detail = jsonb_build_object('event_id', p_event_id)::text,
            hint = 'select event_id, at, what, subject from {{ api }}.events order by at desc lists them; history_retention says for how long they are kept';
    end if;
    return v_found[1];
end
$function$;
comment on function {{ private }}.event_named(text) is 'The event whose id is, or begins, so; else OR101 or OR107.';

create or replace function {{ private }}.moves_of_event(p_event_id uuid)
    returns table (at timestamptz, what text, subject text, text text, decision_id bigint, detail jsonb)
    language sql stable
as $function$
    -- a row for each pair of instances, not for each stream
    select
        max(m.at), m.reason, coalesce(m.from_id, 'nobody') || ' → ' || coalesce(m.to_id, 'nobody'), count(*) || ' streams', m.decision_id,
        jsonb_build_object(
            'from_instance_id', m.from_id, 'to_instance_id', m.to_id, 'streams', count(*),
            'stream_ids', to_jsonb((array_agg(m.stream_id order by m.stream_id))[:100])
        )
    from (
        select d.decision_id, v.stream_id, v.from_instance_id as from_id, v.to_instance_id as to_id, v.moved_at as at, v.reason
        from {{ private }}.decision as d
        join {{ private }}.movement as v on v.decision_id = d.decision_id
        where d.event_id = p_event_id
        union all
        select d.decision_id, a.stream_id, a.instance_id, a.next_instance_id, a.releasing_since, 'asked to hand over'
        from {{ private }}.decision as d
        join {{ private }}.assignment as a on a.decision_id = d.decision_id and a.releasing_since is not null
        where d.event_id = p_event_id
    ) as m
    group by m.decision_id, m.from_id, m.to_id, m.reason
$function$;
comment on function {{ private }}.moves_of_event(uuid) is 'The streams that changed hands by an event''s decisions, or are about to: how many from whom to whom, and the ids of the first hundred.';

create or replace function {{ private }}.detail_of_event(p_kind text, p_id bigint)
    returns jsonb
    language sql stable
as $function$
    select case p_kind
        when 'decision' then (
            select jsonb_build_object('moves', d.moves, 'least_moves', d.least_moves, 'actor', d.actor, 'trigger', d.trigger) || d.detail
            from {{ private }}.decision as d where d.decision_id = p_id
        )
        when 'job run' then (
            select jsonb_strip_nulls(jsonb_build_object('finished_at', r.finished_at, 'outcome', r.outcome, 'result', r.result, 'error', r.error))
            from {{ private }}.job_run as r where r.job_run_id = p_id
        )
        when 'alert' then (
            select a.detail || jsonb_strip_nulls(jsonb_build_object('severity', a.severity, 'acknowledged_by', a.acknowledged_by, 'resolved_at', a.resolved_at))
            from {{ private }}.alert as a where a.alert_id = p_id
        )
    end
$function$;
comment on function {{ private }}.detail_of_event(text, bigint) is 'All that is recorded of a row of the view events.';
