-- Running one job, to success or failure.
-- Writes    job, job_run, and what the job writes; failure_count and incident_pattern when it fails

create or replace function {{ private }}.claim_job(p_outside boolean)
    returns {{ private }}.job
    language sql volatile
as $function$
    select j.*
    from {{ private }}.job as j
    where j.enabled
        and j.next_run_at <= {{ private }}.now()
        and (p_outside or j.runs_in = 'database')
        and (j.claimed_until is null or j.claimed_until <= {{ private }}.now())
    -- failover first
    order by j.function_name <> 'watch_instances', j.next_run_at, j.job
    limit 1
    for update skip locked
$function$;
comment on function {{ private }}.claim_job(boolean) is 'The most overdue job that no other session is running, locked until the end of the transaction.';

create or replace function {{ private }}.attempt_job(p_job {{ private }}.job, out result jsonb, out error jsonb)
    language plpgsql volatile
as $function$
declare
    v_message text;
    v_detail text;
    v_hint text;
    v_context text;
begin
    -- A job comes again in a second, and while it waits for a lock the failover behind it does, too (which itself waits for longer).
    perform set_config('lock_timeout', '3s', true);
    execute format('select {{ private }}.%I()', (p_job).function_name) into result;
exception
    -- every class of errors by its name: a job that fails must not take the others, or its own record, with it
    when data_exception or integrity_constraint_violation or transaction_rollback or syntax_error_or_access_rule_violation
        or insufficient_resources or program_limit_exceeded or object_not_in_prerequisite_state or query_canceled or system_error
        or invalid_transaction_state or feature_not_supported or plpgsql_error or internal_error or external_routine_exception
        or cardinality_violation or sqlstate 'OR000'
    then
        get stacked diagnostics v_message = message_text, v_detail = pg_exception_detail, v_hint = pg_exception_hint, v_context = pg_exception_context;
        error := {{ private }}.redact_in(jsonb_build_object(
            'function', (p_job).function_name, 'sqlstate', sqlstate, 'message', v_message, 'detail', v_detail, 'hint', v_hint, 'context', v_context
        ));
end
$function$;
comment on function {{ private }}.attempt_job({{ private }}.job) is 'Run a job of the database; what it changed is undone when it fails, and the error is returned.';

create or replace function {{ private }}.record_run(
    p_job {{ private }}.job, p_job_run_id bigint, p_run_by text, p_started_at timestamptz, p_result jsonb, p_error jsonb
)
    returns bigint
    language plpgsql volatile
as $function$
declare
    v_outcome text := case when p_error is not null then 'failed' when p_result is not null then 'done' else 'nothing' end;
    v_job_run_id bigint := p_job_run_id;
    v_ended_at timestamptz := {{ private }}.now();
    v_took double precision := {{ private }}.seconds_between(p_started_at, v_ended_at);
    v_late double precision := {{ private }}.seconds_between((p_job).next_run_at, p_started_at);
begin
    update {{ private }}.job as j
    set
        -- who has not done all at once goes on as soon as those that are overdue have had their turn
        next_run_at = case
            when p_result @> '{"more": true}' then v_ended_at
            else {{ private }}.next_run(j.schedule, (p_job).next_run_at, v_ended_at)
        end,
        claimed_by = null,
        claimed_until = null,
        last_started_at = p_started_at,
        last_duration = v_ended_at - p_started_at,
        last_outcome = v_outcome,
        last_result = coalesce(p_error, p_result),
        runs = j.runs + 1,
        failures = j.failures + (p_error is not null)::integer,
        consecutive_failures = case when p_error is null then 0 else j.consecutive_failures + 1 end,
        duration_counts = {{ private }}.count_into(j.duration_counts, 'orchestrator_job_duration_seconds', array[v_took]),
        duration_sum = j.duration_sum + v_took,
        lag_counts = {{ private }}.count_into(j.lag_counts, 'orchestrator_job_lag_seconds', array[v_late]),
        lag_sum = j.lag_sum + v_late
    where j.job = (p_job).job;
    if p_error is not null then
        perform {{ private }}.record_call_failures('job:' || (p_job).job, jsonb_build_array(jsonb_build_object(
            'function', coalesce(p_error ->> 'function', (p_job).function_name), 'sqlstate', p_error ->> 'sqlstate',
            'message', p_error ->> 'message', 'detail', nullif(concat_ws(e'\n', p_error ->> 'detail', p_error ->> 'context'), '')
        )));
    end if;
    if v_outcome = 'nothing' then
        delete from {{ private }}.job_run as r where r.job_run_id = p_job_run_id;
        v_job_run_id := null;
    elsif p_job_run_id is not null then
        update {{ private }}.job_run as r
        set finished_at = v_ended_at, outcome = v_outcome, result = p_result, error = p_error
        where r.job_run_id = p_job_run_id;
    else
        insert into {{ private }}.job_run (job, started_at, finished_at, run_by, outcome, result, error, event_id)
        values ((p_job).job, p_started_at, v_ended_at, p_run_by, v_outcome, p_result, p_error, {{ private }}.event_id())
        returning job_run_id into v_job_run_id;
    end if;
    return v_job_run_id;
end
$function$;
comment on function {{ private }}.record_run({{ private }}.job, bigint, text, timestamptz, jsonb, jsonb) is 'A job has run: when it is next due and how it went. A run that found nothing to do leaves no row of its own; one whose result says "more": true is due again at once.';

create or replace function {{ private }}.next_due_in(p_outside boolean)
    returns interval
    language sql volatile
as $function$
    select greatest(n.due_at - {{ private }}.now(), interval '0')
    from (
        select min(greatest(j.next_run_at, j.claimed_until)) as due_at
        from {{ private }}.job as j
        where j.enabled and (p_outside or j.runs_in = 'database')
    ) as n
    where n.due_at is not null
$function$;
comment on function {{ private }}.next_due_in(boolean) is 'How long until the next job is due; null when no job is enabled.';
