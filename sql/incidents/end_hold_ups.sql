-- End what keeps decisions waiting, now. The job watch_transactions does the same; this is for a session beside the one whose job waits.
-- Locks     hold_up (by login and lock)
-- Writes    hold_up, incident_pattern
create or replace function {{ api }}.end_hold_ups()
    returns table (pid integer, login text, application_name text, lock text, kept interval, ended text)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_ended jsonb := {{ private }}.end_hold_ups_now();
begin
    perform {{ private }}.note_ended(v_ended);
    return query
    select e.pid, e.login, e.application_name, e.lock, e.kept, e.ended
    from jsonb_to_recordset(v_ended) as e(pid integer, login text, application_name text, lock text, kept interval, ended text);
end
$function$;
comment on function {{ api }}.end_hold_ups() is
'End transactions that have kept others waiting for decisions for more than 5 s, and sessions that hold this system''s advisory locks without being one of its programs. The job watch_transactions does the same every 5 s; a driver calls this from a second session while a job of its own waits, and so does pg_cron.
pid: the server process.
login: its login.
application_name: its program.
lock: what it held: decision, key of decisions, session of an instance, or table and its name.
kept: for how long it had kept another waiting; null for a lock that was not its own.
ended: terminated, gone (it ended just then), or not permitted.
Example: select * from {{ api }}.end_hold_ups();';
revoke all on function {{ api }}.end_hold_ups() from public;
grant execute on function {{ api }}.end_hold_ups() to {{ admin }};
