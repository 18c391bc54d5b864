-- Reads     alert_delivery, alert
create or replace view {{ api }}.alert_deliveries as
select
    d.alert_id,
    a.code,
    a.subject,
    a.severity,
    d.event,
    d.event_number,
    d.target,
    d.happened_at,
    d.state,
    d.attempts,
    d.sent_by,
    d.changed_at,
    d.error
from {{ private }}.alert_delivery as d
inner join {{ private }}.alert as a on d.alert_id = a.alert_id;
comment on view {{ api }}.alert_deliveries is 'What each target was told of each alert: pending, sending, sent, failed (given up after a day) or unknown (its driver died while sending, and it is not sent twice).';
grant select on {{ api }}.alert_deliveries to {{ reader }}, {{ admin }};
