-- An alert has been told.
-- Writes    alert
-- Raises    OR107 unknown alert
create or replace function {{ api }}.mark_alert_delivered(p_alert_id bigint)
    returns table (alert_id bigint, delivered_at timestamptz)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '5s'
as $function$
begin
    return query
    update {{ private }}.alert as a set delivered_at = {{ private }}.now() where a.alert_id = p_alert_id
    returning a.alert_id, a.delivered_at;
    if not found then
        perform {{ private }}.unknown_alert(p_alert_id);
    end if;
end
$function$;
comment on function {{ api }}.mark_alert_delivered(bigint) is 'This alert has been told to whoever should know.';
revoke all on function {{ api }}.mark_alert_delivered(bigint) from public;
grant execute on function {{ api }}.mark_alert_delivered(bigint) to {{ admin }};
