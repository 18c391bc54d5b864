-- Reads     alert, alert_delivery
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
    (
        select max(d.changed_at) from {{ private }}.alert_delivery as d where d.alert_id = a.alert_id and d.state = 'sent'
    ) as delivered_at,
    a.reminders,
    a.event_id
from {{ private }}.alert as a;
comment on view {{ api }}.alerts is 'Alerts, open (resolved_at is null) and closed. delivered_at: when it was last told; reminders: how often it was told again, as it was not acknowledged.';
