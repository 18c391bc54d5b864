-- Alerts that were opened or closed since they were last delivered.
-- Reads     alert
create or replace function {{ api }}.alerts_to_deliver()
    returns table (alert_id bigint, code text, subject text, severity text, message text, detail jsonb, opened_at timestamptz, resolved_at timestamptz)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $function$
begin
    return query
    select a.alert_id, a.code, a.subject, a.severity, a.message, a.detail, a.opened_at, a.resolved_at
    from {{ private }}.alert as a
    where a.delivered_at is null or a.delivered_at < a.resolved_at
    order by a.alert_id;
end
$function$;
comment on function {{ api }}.alerts_to_deliver() is 'Alerts that were opened or closed since they were last delivered.';
revoke all on function {{ api }}.alerts_to_deliver() from public;
grant execute on function {{ api }}.alerts_to_deliver() to {{ admin }};
