-- The runs of the purge, the first one first.
select
    extract(epoch from r.started_at)::double precision as at,
    1000 * extract(epoch from r.finished_at - r.started_at)::double precision as milliseconds,
    (select sum(v.value::bigint) from jsonb_each_text(r.result - 'more') as v)::bigint as rows,
    (r.result -> 'more')::boolean as more
from {{ private }}.job_run as r
where r.job = 'purge_history'
order by r.job_run_id
