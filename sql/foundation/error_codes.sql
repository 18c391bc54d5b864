-- What each SQLSTATE of class OR means, and 55P03, which is met as often. A code is a column, its cause and remedy are the
-- comment of the column: \d+ {{ private }}.error_code shows them in psql, and the reference of errors is made of them.
-- Reads     no table
create or replace view {{ private }}.error_code as
select
    'planned' as or001,
    'bad argument' as or101,
    'unknown stream' as or102,
    'unknown instance' as or103,
    'id in use' as or104,
    'missing capability' as or105,
    'the instance belongs to another login' as or106,
    'unknown name' as or107,
    'the setting cannot have this value' as or108,
    'the source cannot be used' as or109,
    'stale incarnation' as or301,
    'stale epoch' as or302,
    'balancing is paused' as or401,
    'the stream is pinned' as or402,
    'stale plan' as or403,
    'the instance was removed' as or404,
    'the instance cannot take the stream' as or405,
    'too much would be lost' as or406,
    'a promise would be cut short' as or407,
    'an invariant would be broken' as or901,
    'lock not available' as "55p03";
comment on view {{ private }}.error_code is 'The codes of the errors that functions raise on purpose: a column each, with cause and remedy as its comment.';
comment on column {{ private }}.error_code.or001 is
'Cause: A plan is made by doing the work and taking it back; this code ends the part that is taken back. It never leaves the function that raises it.
Remedy: Nothing. If a program ever shows it, report that as a bug.';
comment on column {{ private }}.error_code.or101 is
'Cause: An argument is missing, of another kind, out of bounds, or cannot be combined with the others. The detail names the argument and what was given.
Remedy: Correct the argument. The hint says what would be accepted; the same call will be refused again.';
comment on column {{ private }}.error_code.or102 is
'Cause: No stream has this id. It may have been removed, by an administrator or because its source does not have it any more.
Remedy: Find its id: select stream_id, name from {{ api }}.streams, or find_streams.';
comment on column {{ private }}.error_code.or103 is
'Cause: No instance of this name is registered, or the fleet has forgotten it after removal_timeout.
Remedy: A worker or HTTP client registers again. An administrator looks the name up in the view instances.';
comment on column {{ private }}.error_code.or104 is
'Cause: Another live process holds this instance id: its session holds its lock, or its lease is not over yet. The detail says which process and until when.
Remedy: Stop the other process, wait until its lease is over, or choose another id. If the other process is known to be dead, take over (p_takeover; with p_force, too, while the lease of one that stops by itself runs).';
comment on column {{ private }}.error_code.or105 is
'Cause: An instance that registers without audio_fingerprinting cannot hear any stream.
Remedy: Add audio_fingerprinting to p_capabilities, or leave p_capabilities out.';
comment on column {{ private }}.error_code.or106 is
'Cause: A name belongs to the login that registered it, or to the role that an administrator gave it to, until its goodbye or removal_timeout. Another worker login may not act for it, and may not take its name.
Remedy: Use the login that owns it, or a member of that role; choose another instance id; or let an administrator hand the name over (set_instance_owner).';
comment on column {{ private }}.error_code.or107 is
'Cause: No source, job, plan, setting, event, alert, alert target or claim of this name or id exists, or exists any more. The message says which kind.
Remedy: Look the name up; the hint names the view. A plan is made anew by plan_rebalance. A claim of a job that was taken over after its timeout is not finished any more.';
comment on column {{ private }}.error_code.or108 is
'Cause: The value is not of the kind of the setting, is out of its bounds, or breaks an inequality between settings.
Remedy: Choose a value within the bounds that the detail and the view settings show, or change the other setting of the inequality first.';
comment on column {{ private }}.error_code.or109 is
'Cause: Rows of the source have no id or share one, or none has a usable address. Nothing was changed.
Remedy: Check the column map of the source, then the rows that the detail names.';
comment on column {{ private }}.error_code.or301 is
'Cause: Another process has registered under this instance id since, or the instance was removed. This process does not speak for the instance any more.
Remedy: Stop all handlers, register again, and use the incarnation that the answer gives. The shim does so by itself.';
comment on column {{ private }}.error_code.or302 is
'Cause: The stream has another owner, or a later life of this one. What was heard under the old epoch may have been heard by the new owner, too.
Remedy: Stop the handler of this stream and write nothing more under this epoch. The next beat tells what to run.';
comment on column {{ private }}.error_code.or401 is
'Cause: An administrator has paused balancing. The detail says who, when and why. Failover, placement and drains go on.
Remedy: Wait, or end the pause: select * from {{ api }}.resume_balancing().';
comment on column {{ private }}.error_code.or402 is
'Cause: The stream is pinned to another instance than the one it is to move to.
Remedy: Unpin it first (unpin_stream), or pin it to the other instance (pin_stream).';
comment on column {{ private }}.error_code.or403 is
'Cause: The plan was applied before, or instances, capacities or assignments have changed since it was made.
Remedy: Plan again (plan_rebalance) and look at the new plan.';
comment on column {{ private }}.error_code.or404 is
'Cause: An administrator removed the instance for good. It may not register, and there is nothing to drain.
Remedy: If it is to come back: select * from {{ api }}.readmit_instance(…), then register.';
comment on column {{ private }}.error_code.or405 is
'Cause: The instance has no room, lacks a capability that the stream requires, or is in no state to be given streams.
Remedy: Choose another instance; the view instances shows status, capacity and capabilities. Or make room first.';
comment on column {{ private }}.error_code.or406 is
'Cause: The batch of a source would remove or deactivate more of its streams than max_removed_part allows, is empty, or the source that is to be removed still has streams. Nothing was changed.
Remedy: Check the source. If it is right, synchronise once with force; to remove a source with its streams, say p_remove_streams.';
comment on column {{ private }}.error_code.or407 is
'Cause: An instance that stops by itself (on_isolation = stop) may still run its streams, and it was said in its name, by another login, that it has stopped.
Remedy: Let it say so itself: stop its process. Or use remove_instance, which waits until it has stopped. If nothing of it runs any more: p_force.';
comment on column {{ private }}.error_code.or901 is
'Cause: The database found that what it was about to write contradicts its own rules. Nothing was changed. This is a bug, or a row that was edited by hand.
Remedy: Run select * from {{ api }}.diagnose(), and report it with message, detail and the statement that was run. A row that was edited by hand is set right by repair_record.';
comment on column {{ private }}.error_code."55p03" is
'Cause: PostgreSQLs own code: a lock was not free within lock_timeout, mostly because another decision, or a long transaction, held it.
Remedy: Try again with a growing pause; drivers, workers and commands do so by themselves. select * from {{ api }}.lock_holders() says who holds it.';
