-- An operator has seen an alert.
-- Writes    alert
-- Raises    OR107 unknown alert
create or replace function {{ api }}.acknowledge_alert(p_alert_id bigint)
    returns table (alert_id bigint, acknowledged_at timestamptz, acknowledged_by text)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
    set jit = off
as $function$
begin
    update {{ private }}.alert as a
    set acknowledged_at = coalesce(a.acknowledged_at, {{ private }}.now()), acknowledged_by = coalesce(a.acknowledged_by, {{ private }}.actor())
    where a.alert_id = p_alert_id;
    if not found then
        perform {{ private }}.unknown_alert(p_alert_id);
    end if;
    return query select a.alert_id, a.acknowledged_at, a.acknowledged_by from {{ private }}.alert as a where a.alert_id = p_alert_id;
end
$function$;
comment on function {{ api }}.acknowledge_alert(bigint) is
'Say that a person has seen an alert. It is not reminded of any more.
p_alert_id: the alert, as the view alerts shows it.
alert_id: the alert.
acknowledged_at: since when it is acknowledged.
acknowledged_by: the login that acknowledged it.
Raises: OR107.
Example: select * from {{ api }}.acknowledge_alert(1);';
revoke all on function {{ api }}.acknowledge_alert(bigint) from public;
grant execute on function {{ api }}.acknowledge_alert(bigint) to {{ admin }};
