-- Reads     alert
create or replace view {{ api }}.alerts as
select
    a.alert_id,
    a.code,
    a.subject,
    a.severity,
    a.message,
    a.detail,
    a.opened_at,
    a.updated_at,
    a.acknowledged_at,
    a.acknowledged_by,
    a.resolved_at,
    a.delivered_at
from {{ private }}.alert as a;
comment on view {{ api }}.alerts is 'Alerts, open (resolved_at is null) and closed.';
