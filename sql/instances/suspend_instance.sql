-- A planned restart: the instance's streams stay its own for a while, also without its session. Its next process may come at
-- once: who promised to have stopped before (stop_within) says this when it has, and itself.
-- Locks     decision; instance; assignment rows
-- Writes    instance, assignment, settle_request
-- Notifies  the owners that keep streams that were on their way to it
-- Raises    OR101 bad argument · OR103 unknown instance · OR106 another login's · OR301 stale incarnation
--           OR407 another says it for one that promised · 55P03
create or replace function {{ api }}.suspend_instance(
    p_instance_id text, p_incarnation bigint, p_for interval, p_force boolean default false
)
    returns table (suspended_until timestamptz)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
declare
    v_until timestamptz;
begin
    perform {{ private }}.require_argument(
        'p_for', p_for > interval '0' and p_for <= {{ private }}.setting_interval('heartbeat_timeout') and {{ private }}.is_plain(p_for), to_jsonb(p_for),
        format('longer than nothing and at most heartbeat_timeout = %s', {{ private }}.setting_interval('heartbeat_timeout'))
    );
    v_until := {{ private }}.now() + p_for;
    perform {{ private }}.lock_decisions();
    perform {{ private }}.require_its_own_word({{ private }}.authorize_instance(p_instance_id, p_incarnation), p_force);
    update {{ private }}.instance as i set suspended_until = v_until where i.instance_id = p_instance_id;
    perform {{ private }}.free_what_waits_for(array[p_instance_id]);
    -- what is on its way to it stays where it is
    perform {{ private }}.cancel_handovers_to(array[p_instance_id]);
    return query select v_until;
end
$function$;
comment on function {{ api }}.suspend_instance(text, bigint, interval, boolean) is
'Keep the streams of this instance for it until it registers again, for a planned restart. Its next process may register at once, so one that stops by itself (on_isolation = stop) says this when every handler has ended.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_for: for how long, at most heartbeat_timeout.
p_force: true lets an administrator say it for an instance that stops by itself and may still run.
suspended_until: until when they are kept.
Raises: OR101, OR103, OR106, OR301, OR407, 55P03.
Example: select * from {{ api }}.suspend_instance(''fingerv7-001'', 1, ''2 minutes'');';
revoke all on function {{ api }}.suspend_instance(text, bigint, interval, boolean) from public;
grant execute on function {{ api }}.suspend_instance(text, bigint, interval, boolean) to {{ worker }}, {{ admin }};
