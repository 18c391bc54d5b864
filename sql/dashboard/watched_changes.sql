-- The dashboard and other watchers are told that there is something new to see: an instance's status, an alert, whether balancing
-- is frozen. Decisions and hand-overs tell it themselves. The hint has no content; equal ones in a transaction are one.
-- A beat tells nothing, also when it changes a status: each notification wakes every listener, and after an outage all beat at once.
-- Notifies  changes

create or replace function {{ private }}.notify_watchers_of_row()
    returns trigger
    language plpgsql volatile
as $function$
begin
    perform {{ private }}.notify_watchers();
    return null;
end
$function$;
comment on function {{ private }}.notify_watchers_of_row() is 'Something changed that people watch.';

create or replace trigger notify_watchers_on_insert
    after insert on {{ private }}.instance
    for each row execute function {{ private }}.notify_watchers_of_row();

create or replace trigger notify_watchers_on_update
    after update of status on {{ private }}.instance
    for each row when (old.status is distinct from new.status and new.status_event <> 'beat')
    execute function {{ private }}.notify_watchers_of_row();

create or replace trigger notify_watchers_on_insert
    after insert on {{ private }}.alert
    for each row execute function {{ private }}.notify_watchers_of_row();

create or replace trigger notify_watchers_on_update
    after update of severity, acknowledged_at, resolved_at on {{ private }}.alert
    -- one by one: what PostgreSQL makes of a comparison of rows reads differently after a restore (db check)
    for each row when (
        old.severity is distinct from new.severity
        or old.acknowledged_at is distinct from new.acknowledged_at
        or old.resolved_at is distinct from new.resolved_at
    )
    execute function {{ private }}.notify_watchers_of_row();

create or replace trigger notify_watchers_on_update
    after update of paused_at, recovery_since on {{ private }}.controller
    for each row when ((old.paused_at, old.recovery_since) is distinct from (new.paused_at, new.recovery_since))
    execute function {{ private }}.notify_watchers_of_row();
