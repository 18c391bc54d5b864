-- Is all well? Connectivity by answering at all, integrity by a recount, timeliness by the jobs; a row for each, the worst first.
--   healthy     nothing to do
--   degraded    works, but something needs a look
--   unhealthy   streams are not heard, or the record is wrong
-- Reads     instance, instance_load, assignment, job, source, setting
create or replace function {{ api }}.health()
    returns table (component text, status text, finding text, detail jsonb, response_time interval)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
declare
    v_check text;
    v_begun timestamptz;
begin
    foreach v_check in array array['integrity', 'instances', 'streams', 'jobs', 'sources'] loop
        v_begun := {{ private }}.now();
        return query execute format(
            'select %L::text, h.status, h.finding, h.detail, {{ private }}.now() - $1 from {{ private }}.%I() as h', v_check, 'check_' || v_check
        ) using v_begun;
    end loop;
end
$function$;
comment on function {{ api }}.health() is 'A row per component: healthy, degraded or unhealthy, with what was found and how long the check took. All in all the system is as well as its worst row.';
revoke all on function {{ api }}.health() from public;
grant execute on function {{ api }}.health() to {{ reader }}, {{ admin }};
