-- Rows of history that are past retention; what a stream's present state points to is among them.
select
    (select count(*) from {{ private }}.movement as m join {{ private }}.decision as d on d.decision_id = m.decision_id where d.decided_at < l.before)
    + (select count(*) from {{ private }}.decision as d where d.decided_at < l.before)
    + (select count(*) from {{ private }}.job_run as r where r.started_at < l.before)
    + (select count(*) from {{ private }}.fleet_sample as s where s.sampled_at < l.before)
    + (select count(*) from {{ private }}.repair as p where p.found_at < l.before)
    + (select count(*) from {{ private }}.alert as a where a.resolved_at < l.before) as rows
from (select {{ private }}.now() - {{ private }}.setting_interval('history_retention') as before) as l
