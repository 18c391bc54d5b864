-- One event id ties a log line, a decision and an alert together (private/events.sql). What happened before has none.

alter table {{ private }}.decision add column event_id uuid;
comment on column {{ private }}.decision.event_id is 'What happened in one transaction has one id. Null: before there were any.';
create index decision_by_event on {{ private }}.decision (event_id);

alter table {{ private }}.job_run add column event_id uuid;
comment on column {{ private }}.job_run.event_id is 'The id of what the run did; of all its transactions when it needs the outside world. Null: before there were any.';
create index job_run_by_event on {{ private }}.job_run (event_id);

alter table {{ private }}.alert add column event_id uuid;
comment on column {{ private }}.alert.event_id is 'The decision or job run that it is about, else whatever opened it. Null: before there were any.';
create index alert_by_event on {{ private }}.alert (event_id);

-- Where an alert that is opened later finds what caused it.
alter table {{ private }}.instance add column probation_event_id uuid;
comment on column {{ private }}.instance.probation_event_id is 'What began its last probation: a loss, or its new registration after a crash.';
alter table {{ private }}.station_fault add column event_id uuid;
comment on column {{ private }}.station_fault.event_id is 'What found the fault.';
alter table {{ private }}.source add column failure_event_id uuid;
comment on column {{ private }}.source.failure_event_id is 'Its last synchronisation that failed.';
alter table {{ private }}.controller add column recovery_event_id uuid;
comment on column {{ private }}.controller.recovery_event_id is 'What switched recovery mode on last.';
