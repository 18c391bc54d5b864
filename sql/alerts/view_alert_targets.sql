-- Reads     alert_target, alert_delivery
create or replace view {{ api }}.alert_targets as
select
    t.target,
    t.minimum_severity,
    t.enabled,
    t.created_at,
    t.last_sent_at,
    t.consecutive_failures,
    t.last_error,
    t.retry_at,
    (
        select count(*)::integer from {{ private }}.alert_delivery as d
        where d.target = t.target and d.state in ('pending', 'sending')
    ) as undelivered
from {{ private }}.alert_target as t;
comment on view {{ api }}.alert_targets is 'Where alerts go: from which severity on, when last, and what keeps them from going. The addresses are not here, but in the environment of the drivers.';
grant select on {{ api }}.alert_targets to {{ reader }}, {{ admin }};
