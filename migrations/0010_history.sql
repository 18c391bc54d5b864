-- History that is asked by time, and by job. Each index has its question, its figures and its cost in
-- docs/decisions/0018-history-without-partitions.md.

create index decision_by_time on {{ private }}.decision (decided_at);
create index movement_by_time on {{ private }}.movement (moved_at);
create index alert_by_time on {{ private }}.alert (opened_at);
create index job_run_by_job on {{ private }}.job_run (job, job_run_id);
create index job_run_failed on {{ private }}.job_run (job_run_id) where outcome = 'failed';
