-- What a driver would do.
select r.job from {{ api }}.run_due_jobs() as r
