-- Remove a target for alerts, with what it was told and is yet to be told.
-- Locks     the target's row
-- Writes    alert_target, alert_delivery
-- Raises    OR101 the target log always exists · OR107 unknown target
create or replace function {{ api }}.remove_alert_target(p_target text)
    returns table (target text, undelivered integer)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
#variable_conflict use_column
declare
    v_undelivered integer;
begin
    perform {{ private }}.require_argument(
        'p_target', p_target is distinct from 'log', to_jsonb(p_target), 'the target log always exists; set_alert_target can disable it'
    );
    perform {{ private }}.lock_alert_target(p_target);
    select count(*) into v_undelivered
    from {{ private }}.alert_delivery as d
    where d.target = p_target and d.state in ('pending', 'sending');
    delete from {{ private }}.alert_target as t where t.target = p_target;
    return query select p_target, v_undelivered;
end
$function$;
comment on function {{ api }}.remove_alert_target(text) is
'Remove a target for alerts, with what it was told and is yet to be told.
p_target: the target.
target: the target that was removed.
undelivered: events that it was yet to be told.
Raises: OR101, OR107.
Example: select * from {{ api }}.remove_alert_target(''ops'');';
revoke all on function {{ api }}.remove_alert_target(text) from public;
grant execute on function {{ api }}.remove_alert_target(text) to {{ admin }};
