-- History is asked by time, and runs by their job. docs/decisions has, in its note on history without partitions, the questions
-- that these indexes answer and what they cost whoever writes.

create index decision_by_time on {{ private }}.decision (decided_at);
create index movement_by_time on {{ private }}.movement (moved_at);
create index alert_by_time on {{ private }}.alert (opened_at);
create index job_run_by_job on {{ private }}.job_run (job, job_run_id);
create index job_run_failed on {{ private }}.job_run (job_run_id) where outcome = 'failed';
