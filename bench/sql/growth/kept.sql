-- How much of the oldest months a stream's present state still points to, so that it cannot be dropped with its month.
select count(distinct a.decision_id) as decisions
from {{ private }}.assignment as a
join {{ private }}.decision as d on d.decision_id = a.decision_id
where d.decided_at < {{ private }}.now() - interval '30 days'
