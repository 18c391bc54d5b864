-- Is all well? Connectivity by answering at all, integrity by sums and a recount of one
-- part of the instances after the other (diagnose() recounts all), timeliness by the jobs; a row for each.
--   healthy     nothing to do
--   degraded    works, but something needs a look
--   unhealthy   streams are not heard, or the record is wrong
-- Reads     instance, instance_load, assignment, job, source, setting, controller, failure_count, clock_step
create or replace function {{ api }}.health()
    returns table (component text, status text, finding text, detail jsonb, response_time interval)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_begun timestamptz := {{ private }}.now();
begin
    return query
    select 'integrity', c.status, c.finding, c.detail, {{ private }}.now() - v_begun from {{ private }}.check_integrity() as c;
    v_begun := {{ private }}.now();
    return query
    select 'instances', c.status, c.finding, c.detail, {{ private }}.now() - v_begun from {{ private }}.check_instances() as c;
    v_begun := {{ private }}.now();
    return query
    select 'streams', c.status, c.finding, c.detail, {{ private }}.now() - v_begun from {{ private }}.check_streams() as c;
    v_begun := {{ private }}.now();
    return query
    select 'jobs', c.status, c.finding, c.detail, {{ private }}.now() - v_begun from {{ private }}.check_jobs() as c;
    v_begun := {{ private }}.now();
    return query
    select 'sources', c.status, c.finding, c.detail, {{ private }}.now() - v_begun from {{ private }}.check_sources() as c;
    v_begun := {{ private }}.now();
    return query
    select 'recovery', c.status, c.finding, c.detail, {{ private }}.now() - v_begun from {{ private }}.check_recovery() as c;
    v_begun := {{ private }}.now();
    return query
    select 'clock', c.status, c.finding, c.detail, {{ private }}.now() - v_begun from {{ private }}.check_clock() as c;
end
$function$;
comment on function {{ api }}.health() is
'Check connectivity, integrity and timeliness, a row per component. The whole is as well as its worst row.
component: what was checked.
status: healthy, degraded (it works and needs a look) or unhealthy (streams are not heard, or the record is wrong).
finding: what was found, in a sentence.
detail: the figures, as JSON.
response_time: how long the check took.
Example: select component, status, finding from {{ api }}.health();';
revoke all on function {{ api }}.health() from public;
grant execute on function {{ api }}.health() to {{ reader }}, {{ admin }};
