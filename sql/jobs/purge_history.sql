-- Job: delete history older than history_retention. A run deletes a bounded number of rows, the oldest first, so that it is
-- over in a fraction of a second; while there is more, the next run is due at once (record_run). What goes with an alert or a
-- plan is not counted.
-- A decision that a stream's present state still points to is kept, and so is one whose hand-overs have ended within the history.
-- What is deleted moves the moment from which on the history is whole (history_bound).
-- Locks     the rows that it deletes; none that a decision or a beat waits for
-- Writes    decision, movement, past_assignment, past_instance, history_bound, job_run, alert, alert_delivery, failure_streak, plan, repair,
--           refusal, fleet_sample, clock_step, gap, active_time, pull_stranger, pull_memory

create or replace function {{ private }}.know_from(p_moment timestamptz)
    returns void
    language sql volatile
as $function$
    update {{ private }}.history_bound as b set known_from = p_moment where b.known_from < p_moment
$function$;
comment on function {{ private }}.know_from(timestamptz) is 'The history is whole from this moment on: what was before has begun to be deleted. It is that of a deleted row and not that which history_retention says, which a clock that was wrong for a while would put ahead.';

create or replace function {{ private }}.purge_decisions(p_before timestamptz, p_most integer, out decisions integer, out movements integer)
    language plpgsql volatile
as $function$
declare
    v_old bigint[] := array(
        select d.decision_id
        from {{ private }}.decision as d
        where d.decided_at < p_before
            -- not in: asked of each as the index has them, where a join would read and sort them all; distinct: few enough to be
            -- kept in memory, or a million assignments would be read anew for each
            and d.decision_id not in (select distinct a.decision_id from {{ private }}.assignment as a where a.decision_id is not null)
            and d.decision_id not in (select i.lost_by_decision_id from {{ private }}.instance as i where i.lost_by_decision_id is not null)
            -- a hand-over ends after its decision
            and not exists (select from {{ private }}.movement as m where m.decision_id = d.decision_id and m.moved_at >= p_before)
        order by d.decided_at
        limit p_most / 5
    );
    v_known_from timestamptz;
begin
    -- those whose movements earlier runs have deleted, then movements for the next runs: one decision can have more than a run may take
    with deleted as (
        delete from {{ private }}.decision as d
        where d.decision_id = any(v_old) and not exists (select from {{ private }}.movement as m where m.decision_id = d.decision_id)
        returning d.decided_at as at
    )
    select count(*), max(d.at) into decisions, v_known_from from deleted as d;
    perform {{ private }}.know_from(v_known_from);
    with deleted as (
        delete from {{ private }}.movement as m
        where m.ctid = any(array(
            select o.ctid
            from {{ private }}.movement as o
            where o.decision_id = any(v_old)
            order by o.decision_id
            limit p_most - decisions
        ))
        returning m.moved_at as at
    )
    select count(*), max(d.at) into movements, v_known_from from deleted as d;
    perform {{ private }}.know_from(v_known_from);
end
$function$;
comment on function {{ private }}.purge_decisions(timestamptz, integer) is 'Delete old decisions and their movements, at most so many rows; 0 and 0 when there is none left.';

create or replace function {{ private }}.purge_rows(p_table text, p_column text, p_before timestamptz, p_most integer)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_deleted integer;
begin
    execute format(
        'delete from {{ private }}.%1$I where ctid = any(array(select ctid from {{ private }}.%1$I where %2$I < $1 order by %2$I limit $2))',
        p_table, p_column
    ) using p_before, p_most;
    get diagnostics v_deleted = row_count;
    return v_deleted;
end
$function$;
comment on function {{ private }}.purge_rows(text, text, timestamptz, integer) is 'Delete the rows of one table that are from before a time, at most so many, the oldest first.';

create or replace function {{ private }}.purge_past(p_before timestamptz, p_most integer)
    returns integer
    language plpgsql volatile
as $function$
declare
    v_deleted integer;
    v_known_from timestamptz;
begin
    with
    assignments as (
        delete from {{ private }}.past_assignment as a
        where a.ctid = any(array(
            select p.ctid from {{ private }}.past_assignment as p where p.until < p_before order by p.until limit p_most
        ))
        returning a.until
    ),
    instances as (
        delete from {{ private }}.past_instance as i
        where i.until < p_before
        returning i.until
    )
    select count(*), max(d.until)
    into v_deleted, v_known_from
    from (select a.until from assignments as a union all select i.until from instances as i) as d;
    perform {{ private }}.know_from(v_known_from);
    return v_deleted;
end
$function$;
comment on function {{ private }}.purge_past(timestamptz, integer) is 'Delete what assignments were until before a time, at most so many, and the few rows of instances.';

create or replace function {{ private }}.purge_history()
    returns jsonb
    language plpgsql volatile
as $function$
declare
    v_before timestamptz := {{ private }}.now() - {{ private }}.setting_interval('history_retention');
    v_left integer := 5000; -- what this run may still delete
    v_deleted integer;
    v_is_deciding boolean;
    v_result jsonb;
    v_part record;
begin
    select p.decisions + p.movements, jsonb_build_object('decisions', p.decisions, 'movements', p.movements)
    into v_deleted, v_result
    from {{ private }}.purge_decisions(v_before, v_left) as p;
    -- a decision goes one run after its last movement
    v_is_deciding := v_deleted > 0;
    v_left := v_left - v_deleted;
    for v_part in
        select p.*
        from (
            values ('job_run', 'started_at'), ('fleet_sample', 'sampled_at'), ('repair', 'found_at'), ('alert', 'resolved_at'), ('plan', 'planned_at'), ('clock_step', 'found_at'),
            ('gap', 'ended_at'), ('active_time', 'ended_at')
        ) as p(table_name, column_name)
    loop
        v_deleted := {{ private }}.purge_rows(v_part.table_name, v_part.column_name, v_before, v_left);
        v_result := v_result || jsonb_build_object(v_part.table_name || 's', v_deleted);
        v_left := v_left - v_deleted;
    end loop;
    v_deleted := {{ private }}.purge_past(v_before, v_left);
    v_result := v_result || jsonb_build_object('past_assignments', v_deleted);
    v_left := v_left - v_deleted;
    -- a row for each reporter
    delete from {{ private }}.failure_streak as s where s.last_failed_at < v_before;
    -- after a quiet day a refusal would begin anew anyway
    delete from {{ private }}.refusal as f
    where greatest(f.refused_at, f.until) < {{ private }}.now() - interval '1 day';
    get diagnostics v_deleted = row_count;
    v_result := v_result || jsonb_build_object('refusals', v_deleted);
    -- few, and of no use any more
    delete from {{ private }}.pull_stranger as s where s.seen_at < {{ private }}.now() - interval '1 day';
    delete from {{ private }}.pull_memory as m
    using {{ private }}.instance as i
    where i.instance_id = m.instance_id
        and not i.is_living
        and greatest(m.given_at, i.status_changed_at) < {{ private }}.now() - {{ private }}.setting_interval('http_memory');
    if not exists (select from jsonb_each_text(v_result) as r where r.value <> '0') then
        return null;
    end if;
    return v_result || jsonb_build_object('more', v_left <= 0 or v_is_deciding);
end
$function$;
comment on function {{ private }}.purge_history() is 'Job purge_history: deletes what is older than history_retention, some thousand rows in a run; more: the next run is due at once.';
