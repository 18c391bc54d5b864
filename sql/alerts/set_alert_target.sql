-- Make a target for alerts, or change the one of that name. Its address is not kept here: the drivers find it in their
-- environment, as ORCHESTRATOR_ALERT_URL_<TARGET>. What is left out stays as it is.
-- Locks     the target's row
-- Writes    alert_target
-- Raises    OR101 bad argument
create or replace function {{ api }}.set_alert_target(
    p_target text, p_minimum_severity text default null, p_enabled boolean default null
)
    returns table (target text, minimum_severity text, enabled boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
#variable_conflict use_column
begin
    perform {{ private }}.require_argument(
        'p_target', p_target ~ '^[a-z0-9][a-z0-9_]{0,47}$', to_jsonb(p_target), 'a name of lowercase letters, digits and underscores'
    );
    perform {{ private }}.require_argument(
        'p_minimum_severity', p_minimum_severity is null or p_minimum_severity in ('info', 'warning', 'critical'),
        to_jsonb(p_minimum_severity), 'info, warning or critical'
    );
    return query
    insert into {{ private }}.alert_target as t (target, minimum_severity, enabled, created_at)
    values (p_target, coalesce(p_minimum_severity, 'warning'), coalesce(p_enabled, true), {{ private }}.now())
    on conflict (target) do update
    set
        minimum_severity = coalesce(p_minimum_severity, t.minimum_severity),
        enabled = coalesce(p_enabled, t.enabled),
        -- an operator who sees to it wants to know at once whether it works now
        retry_at = null
    returning t.target, t.minimum_severity, t.enabled;
end
$function$;
comment on function {{ api }}.set_alert_target(text, text, boolean) is
'Add a target for alerts, or change it. Its address stands in the environment of the drivers, as ORCHESTRATOR_ALERT_URL_<TARGET>. Null leaves a value as it is.
p_target: the name of the target.
p_minimum_severity: from which severity on it is told: info, warning or critical; warning for a new one.
p_enabled: whether it is told at all; true for a new one.
target: the name of the target.
minimum_severity: from which severity on it is told.
enabled: whether it is told at all.
Raises: OR101.
Example: select * from {{ api }}.set_alert_target(''ops'', ''critical'');';
revoke all on function {{ api }}.set_alert_target(text, text, boolean) from public;
grant execute on function {{ api }}.set_alert_target(text, text, boolean) to {{ admin }};
