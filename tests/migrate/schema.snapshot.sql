CREATE SCHEMA orchestrator;

CREATE SCHEMA orchestrator_private;

CREATE TYPE orchestrator_private.report AS (
	status text,
	current_streams integer,
	processed_count bigint,
	error_count bigint,
	cpu_usage real,
	memory_usage real,
	last_activity timestamp with time zone,
	"timestamp" timestamp with time zone,
	heartbeat_interval double precision,
	progressing integer,
	stalled jsonb,
	breaker text,
	breaker_opened integer,
	round_trip real,
	standbys bigint,
	standby_window double precision,
	standbys_silent jsonb
);

COMMENT ON TYPE orchestrator_private.report IS 'The report of a beat, as heartbeat() describes it; what it does not say is null.';

CREATE FUNCTION orchestrator.acknowledge(p_instance_id text, p_incarnation bigint, p_started bigint[] DEFAULT '{}'::bigint[], p_started_epochs bigint[] DEFAULT '{}'::bigint[], p_stopped bigint[] DEFAULT '{}'::bigint[], p_failed jsonb DEFAULT '[]'::jsonb, p_stopped_epochs bigint[] DEFAULT NULL::bigint[]) RETURNS TABLE(started integer, stopped integer, failed integer, ignored integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.acknowledge(p_instance_id text, p_incarnation bigint, p_started bigint[], p_started_epochs bigint[], p_stopped bigint[], p_failed jsonb, p_stopped_epochs bigint[]) IS 'Confirm starts and stops (with their epochs), and report failures, in batches. A confirmed stop ends a hand-over: the next owner gets the stream at once. What does not concern this instance any more is counted as ignored.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_started: ids of the streams that it runs now.
p_started_epochs: the epoch of each of them, in the same order.
p_stopped: ids of the streams that it has stopped.
p_failed: an array of {"stream_id", "epoch", "error"}: what it could not hear, and why.
p_stopped_epochs: the epoch of each stream that it has stopped, in the same order, or null; a stop ends no ownership that began later.
started: starts that were confirmed.
stopped: stops that were confirmed.
failed: failures that were recorded.
ignored: what did not concern this instance any more.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from orchestrator.acknowledge(''fingerv7-001'', 1, p_started => ''{1, 2}'', p_started_epochs => ''{1, 1}'');';

CREATE FUNCTION orchestrator.acknowledge_alert(p_alert_id bigint) RETURNS TABLE(alert_id bigint, acknowledged_at timestamp with time zone, acknowledged_by text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.acknowledge_alert(p_alert_id bigint) IS 'Say that a person has seen an alert. It is not reminded of any more.
p_alert_id: the alert, as the view alerts shows it.
alert_id: the alert.
acknowledged_at: since when it is acknowledged.
acknowledged_by: the login that acknowledged it.
Raises: OR107.
Example: select * from orchestrator.acknowledge_alert(1);';

CREATE FUNCTION orchestrator.add_source(p_source text, p_conninfo text DEFAULT NULL::text, p_table_name text DEFAULT NULL::text, p_column_map jsonb DEFAULT NULL::jsonb, p_sync_interval interval DEFAULT NULL::interval, p_max_removed_part numeric DEFAULT NULL::numeric, p_enabled boolean DEFAULT NULL::boolean, p_heartbeats text DEFAULT NULL::text, p_music_log text DEFAULT NULL::text) RETURNS TABLE(source text, kind text, created boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.add_source(p_source text, p_conninfo text, p_table_name text, p_column_map jsonb, p_sync_interval interval, p_max_removed_part numeric, p_enabled boolean, p_heartbeats text, p_music_log text) IS 'Add a source of streams, or change the one of that name. A source is a table of another PostgreSQL, or (without an address) a list whose batches are brought by hand. Null leaves a value as it is.
p_source: the name of the source.
p_conninfo: where the PostgreSQL is, as a libpq connection string without a password.
p_table_name: the table there, with its schema if need be.
p_column_map: columns that have other names than the known ones: {"name": "nome"}.
p_sync_interval: the time between two readings, 1 second to 30 days; 60 seconds for a new source.
p_max_removed_part: the largest part of its streams (0 to 1) that one reading may remove; 0.2 for a new source.
p_enabled: whether it is read; true for a new source.
p_heartbeats: the table in its database that clients write a row of themselves into (server_heartbeats), to be read as a second sign of life; an empty text ends it.
p_music_log: the table in its database that clients write what they recognised into (music_log), to be read as a witness of who hears what; an empty text ends it.
source: the name of the source.
kind: postgresql or list.
created: true when it is new.
Raises: OR101, 55P03.
Example: select * from orchestrator.add_source(''production'', ''host=production.example.org dbname=radio'', ''streams'', ''{"name": "nome"}'');';

CREATE FUNCTION orchestrator.add_stream(p_url text, p_name text DEFAULT NULL::text, p_region text DEFAULT NULL::text, p_required_capabilities text[] DEFAULT '{}'::text[], p_metadata jsonb DEFAULT '{}'::jsonb, p_external_id text DEFAULT NULL::text, p_standby boolean DEFAULT NULL::boolean) RETURNS TABLE(stream_id bigint, state text, instance_id text, epoch bigint, event_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.add_stream(p_url text, p_name text, p_region text, p_required_capabilities text[], p_metadata jsonb, p_external_id text, p_standby boolean) IS 'Add a station. It is given to an instance at once when one has room, unless a removed one of its address may still be heard.
p_url: its address, http or https, at most 2000 bytes.
p_name: its name, at most 2000 bytes; else its address.
p_region: where it would best be heard (strategy location), at most 200 bytes.
p_required_capabilities: what an instance must be able to do beyond audio_fingerprinting.
p_metadata: a JSON object of at most 100000 bytes, passed on to the worker.
p_external_id: its id in your own lists, at most 2000 bytes; else its address.
p_standby: whether it is to have a standby; null: as the setting standbys says.
stream_id: the id of the new stream.
state: assigned, or waiting when no instance can have it.
instance_id: the instance that has it; null when it waits.
epoch: the epoch of this ownership.
event_id: the id of the event, for explain_event.
Raises: OR101, OR108, 55P03.
Example: select * from orchestrator.add_stream(''http://radio.example.org/8'', ''Radio 8'', p_region => ''south'');';

CREATE FUNCTION orchestrator.apply_plan(p_plan_id bigint) RETURNS TABLE(decision_id bigint, moves integer, least_moves integer, still_waiting integer, event_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.apply_plan(p_plan_id bigint) IS 'Make a planned rebalance, exactly as it was shown. It is refused when instances, capacities or assignments have changed since.
p_plan_id: the plan, as plan_rebalance returned it.
decision_id: the decision, in the view decisions.
moves: streams that were moved or asked to move.
least_moves: the least number of moves that reaches the same loads.
still_waiting: streams of the whole fleet that wait for an instance now.
event_id: the id of the event, for explain_event.
Raises: OR107, OR401, OR403, 55P03.
Example: select * from orchestrator.apply_plan(1);';

CREATE FUNCTION orchestrator.assert_current(p_stream_id bigint, p_epoch bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.assert_current(p_stream_id bigint, p_epoch bigint) IS 'Refuse (OR302) unless this epoch still owns the stream. For a writer of results in this database that may write a second twice at a forced change of hands: a transaction that was let through before the change may commit after it. Where each second must be written once, put the fence table (orchestrator db render --fence) into this database and call its advance and assert_current.
p_stream_id: the stream.
p_epoch: the epoch under which the writer heard it.
Raises: OR302.
Example: select orchestrator.assert_current(1, 1);';

CREATE FUNCTION orchestrator.assignments_at(p_at timestamp with time zone) RETURNS TABLE(stream_id bigint, instance_id text, epoch bigint, state text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.assignments_at(p_at timestamp with time zone) IS 'Who had which stream at a moment of the past, as the view assignments showed it then. Streams that were removed since are there; streams that had no owner are not. Where the server''s clock was set back, a moment that it said twice means the second time. What happened between a backup and its restore is not known: the answer for that time is what the backup knew.
p_at: the moment, within history_retention; an error says in its detail which one is the oldest.
stream_id: the stream; one that was removed since has no name any more.
instance_id: who had it.
epoch: under which epoch; null for a moment before the upgrade that began to record epochs, where it is not known otherwise.
state: assigned, running or releasing; waiting: its instance was lost, and no other could take it. Null for a moment before that upgrade.
Raises: OR101.
Example: select instance_id, count(*) from orchestrator.assignments_at((select max(decided_at) from orchestrator.decisions)) group by instance_id;';

CREATE FUNCTION orchestrator.attach_session(p_instance_id text, p_incarnation bigint) RETURNS TABLE(attached boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.attach_session(p_instance_id text, p_incarnation bigint) IS 'Tie this connection to the instance. When the connection ends, the orchestrator notices within a second. Not behind a pooler in transaction mode.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
attached: true when this connection is tied now.
Raises: OR101, OR103, OR106, OR301.
Example: select * from orchestrator.attach_session(''fingerv7-001'', 1);';

CREATE FUNCTION orchestrator.claim_alert_deliveries(p_targets text[], p_driver text DEFAULT NULL::text) RETURNS TABLE(target text, alert_id bigint, code text, subject text, severity text, message text, detail jsonb, event text, event_number integer, attempts integer, opened_at timestamp with time zone, happened_at timestamp with time zone, acknowledged_by text, resolved_at timestamp with time zone, event_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.claim_alert_deliveries(p_targets text[], p_driver text) IS 'Claim all that one of these targets is yet to be told, to be sent as one message. No rows: there is nothing to send now. Commit the claim before sending, and end it with finish_alert_delivery.
p_targets: names of the targets that the caller can reach.
p_driver: the name of the caller; else its login.
target: the target of all rows of this claim.
alert_id: the alert.
code: the code of the alert.
subject: what the alert is about.
severity: info, warning or critical.
message: the alert in a sentence.
detail: its figures, as JSON.
event: opened, escalated, reminded or resolved.
event_number: how many events of this alert came before, of its kind.
attempts: how often this event was tried, with this time.
opened_at: when the alert was opened.
happened_at: when this event happened.
acknowledged_by: the login that acknowledged the alert, if one has.
resolved_at: when it was resolved, if it was.
event_id: the id of the event, for explain_event.
Example: select * from orchestrator.claim_alert_deliveries(''{log}'', ''driver:host:4711'');';

CREATE FUNCTION orchestrator.coverage(p_from timestamp with time zone, p_to timestamp with time zone DEFAULT NULL::timestamp with time zone, p_stream_id bigint DEFAULT NULL::bigint, p_instance_id text DEFAULT NULL::text, p_cause text DEFAULT NULL::text) RETURNS TABLE(stream_id bigint, name text, cause text, why text, expected double precision, covered double precision, uncovered double precision, uncertain double precision, unwitnessed double precision, gaps integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET work_mem TO '32MB'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.coverage(p_from timestamp with time zone, p_to timestamp with time zone, p_stream_id bigint, p_instance_id text, p_cause text) IS 'Say which seconds of which stream were heard within a time, and why others were not: a row for each stream and cause of its gaps, the worst first; a stream without a gap has one row without a cause. What is older than history_retention is not counted.
p_from: from this moment on.
p_to: up to this moment; null, or later than now: now.
p_stream_id: only this stream; null: all.
p_instance_id: only gaps that began with this owner; null: all.
p_cause: only gaps of this cause: crash, hand-over, planned restart, waiting, stall, station fault, isolation or restored; null: all.
stream_id: the stream.
name: its name; null when it was removed.
cause: the cause of its gaps that this row counts; null: it has none.
why: of waiting, or of a loss that no other could take: no capacity, no capability or paused; else null.
expected: seconds in which the stream should have been heard, the same in each of its rows.
covered: seconds of those in which a confirmed owner had it, the same in each of its rows.
uncovered: seconds in which no owner had it, of this cause.
uncertain: seconds of this cause that are not known: from the last sign of life to the end of the session or the decision.
unwitnessed: seconds of the covered ones whose owner does not say with which streams it makes progress.
gaps: how many gaps this row counts.
Raises: OR101.
Example: select * from orchestrator.coverage(''2026-11-29'');';

CREATE FUNCTION orchestrator.decisions_between(p_from timestamp with time zone, p_to timestamp with time zone DEFAULT NULL::timestamp with time zone, p_stream_id bigint DEFAULT NULL::bigint, p_instance_id text DEFAULT NULL::text) RETURNS TABLE(decision_id bigint, decided_at timestamp with time zone, rule text, what text, why text, streams integer, changes jsonb, trigger text, actor text, reason text, event_id uuid)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.decisions_between(p_from timestamp with time zone, p_to timestamp with time zone, p_stream_id bigint, p_instance_id text) IS 'What moved in a time, and why: a row for each decision that was made in it, or whose streams changed hands in it (a hand-over ends after the decision that began it). In the order in which they were made, whatever the clock said.
p_from: the beginning, within history_retention; an error says in its detail which moment is the oldest.
p_to: the end, which is no part of it; null: until now.
p_stream_id: only what concerns this stream.
p_instance_id: only what concerns this instance: streams that it gave or got, or decisions about it.
decision_id: the decision.
decided_at: when it was made.
rule: by which rule.
what: what moved in this time, in words; (asked): the owner has been asked and still has it.
why: the rule, the reason, what set it off and who, in words.
streams: how many streams moved in this time, of those that were asked for.
changes: what moved: for each pair of instances from_instance_id, to_instance_id, reason, streams and the first hundred stream_ids.
trigger: what set it off.
actor: who.
reason: the reason that was given, if any.
event_id: the id of the event, for explain_event.
Raises: OR101.
Example: select decided_at, what, why from orchestrator.decisions_between((select max(decided_at) from orchestrator.decisions));';

CREATE FUNCTION orchestrator.deregister_instance(p_instance_id text, p_incarnation bigint, p_force boolean DEFAULT false) RETURNS TABLE(moved integer, still_waiting integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.deregister_instance(p_instance_id text, p_incarnation bigint, p_force boolean) IS 'Say goodbye, having stopped every handler. The instance leaves and its streams move at once.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_force: true lets an administrator say it for an instance that stops by itself (on_isolation = stop) and may still run.
moved: streams that moved to others.
still_waiting: streams of the whole fleet that wait for an instance now.
Raises: OR101, OR103, OR106, OR301, OR407, 55P03.
Example: select * from orchestrator.deregister_instance(''fingerv7-001'', 1);';

CREATE FUNCTION orchestrator.detach_session(p_instance_id text, p_incarnation bigint) RETURNS TABLE(detached boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.detach_session(p_instance_id text, p_incarnation bigint) IS 'Untie this connection from the instance, as if the connection had ended.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
detached: false when this connection was not tied to it.
Raises: OR101.
Example: select * from orchestrator.detach_session(''fingerv7-001'', 1);';

CREATE FUNCTION orchestrator.diagnose() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.diagnose() IS 'Say what is wrong, on what evidence, and what repairs it, the worst first. No rows: there is nothing to do.
severity: critical (streams are not heard, or the record is wrong), warning (it will come to that) or info.
code: the kind of finding; the manual of diagnosis lists all.
subject: the instance, stream, job or other thing that it is about.
finding: what was found, in a sentence.
evidence: the figures, as JSON.
recommendation: what to do.
repair: the statement or command to copy and paste; null where a person has to act.
Example: select severity, code, subject, finding, repair from orchestrator.diagnose();';

CREATE FUNCTION orchestrator.drain_instance(p_instance_id text, p_reason text DEFAULT 'drained by an administrator'::text) RETURNS TABLE(instance_id text, status text, streams_to_hand_over integer, event_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.drain_instance(p_instance_id text, p_reason text) IS 'Empty an instance without losing a second of its streams. It gets nothing new and hands over what it has, as others have room. Holds until undrain_instance.
p_instance_id: the instance.
p_reason: why, for the record.
instance_id: the instance.
status: its status now.
streams_to_hand_over: streams that it has yet to hand over.
event_id: the id of the event, for explain_event.
Raises: OR103, OR404, 55P03.
Example: select * from orchestrator.drain_instance(''fingerv7-001'', ''new disk'');';

CREATE FUNCTION orchestrator.end_hold_ups() RETURNS TABLE(pid integer, login text, application_name text, lock text, kept interval, ended text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.end_hold_ups() IS 'End transactions that have kept others waiting for decisions for more than 5 s, and sessions that hold this system''s advisory locks without being one of its programs. The job watch_transactions does the same every 5 s; a driver calls this from a second session while a job of its own waits, and so does pg_cron.
pid: the server process.
login: its login.
application_name: its program.
lock: what it held: decision, key of decisions, session of an instance, or table and its name.
kept: for how long it had kept another waiting; null for a lock that was not its own.
ended: terminated, gone (it ended just then), or not permitted.
Example: select * from orchestrator.end_hold_ups();';

CREATE FUNCTION orchestrator.end_recovery() RETURNS TABLE(recovery_since timestamp with time zone, failures_in_last_minute integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.end_recovery() IS 'End recovery mode by hand. What fails from now on can switch it on again.
recovery_since: since when it was on; null when it was off.
failures_in_last_minute: how much failed in the last minute.
Example: select * from orchestrator.end_recovery();';

CREATE FUNCTION orchestrator.explain_event(p_event_id text) RETURNS TABLE(event_id uuid, at timestamp with time zone, kind text, what text, subject text, text text, id bigint, detail jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.explain_event(p_event_id text) IS 'Tell the story of one event id in the order in which it happened: the run of a job, decisions, moves (a row for each pair of instances), alerts and their deliveries.
p_event_id: the id, or at least its first 8 characters.
event_id: the id of the event, for explain_event.
at: when this part happened.
kind: job run, decision, move, alert or delivery.
what: the job, rule, event or other name of this part.
subject: what it is about.
text: this part in a sentence.
id: the id of the job run, decision or alert.
detail: more about this part, as JSON.
Raises: OR101, OR107.
Example: select at, kind, what, subject, text from orchestrator.explain_event((select event_id::text from orchestrator.events order by at desc limit 1));';

CREATE FUNCTION orchestrator.explain_instance(p_instance_id text) RETURNS TABLE(at timestamp with time zone, what text, gained integer, lost integer, rule text, trigger text, actor text, reason text, decision_id bigint, detail jsonb, event_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.explain_instance(p_instance_id text) IS 'Tell the life of an instance, latest first: what it is now, then registrations, losses, drains, late beats, repairs, alerts, and each decision with the streams that it gained and lost. At most two hundred rows.
p_instance_id: the instance.
at: when it happened.
what: the status now, or what happened.
gained: streams that came to it; in the first row, those on their way to it.
lost: streams that left it; in the first row, those that it is handing over.
rule: the rule of the decision.
trigger: the event that caused it.
actor: the login or job that caused it.
reason: why, in words.
decision_id: the decision, in the view decisions.
detail: more about it, as JSON.
event_id: the id of the event, for explain_event.
Raises: OR103.
Example: select at, what, gained, lost, rule, reason from orchestrator.explain_instance(''fingerv7-001'');';

CREATE FUNCTION orchestrator.explain_stream(p_stream_id bigint) RETURNS TABLE(at timestamp with time zone, what text, from_instance_id text, to_instance_id text, epoch bigint, rule text, trigger text, actor text, reason text, decision_id bigint, detail jsonb, event_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.explain_stream(p_stream_id bigint) IS 'Say which instance has a stream and why, or why it waits and what excludes each candidate; then each change of hands before, the latest first, at most two hundred.
p_stream_id: the stream.
at: since when it is so, or when it changed hands.
what: now and its state, or the reason of the move.
from_instance_id: the instance that has it; of a move, the one that had it.
to_instance_id: the instance that gets it.
epoch: the epoch of the ownership.
rule: the rule of the decision.
trigger: what set the decision off.
actor: the login or job that caused it.
reason: why, as the decision records it.
decision_id: the decision, in the view decisions.
detail: candidates and what excludes them; of a move the loads and thresholds of that moment and the alternatives.
event_id: the id of the event, for explain_event.
Raises: OR102.
Example: select at, what, from_instance_id, to_instance_id, epoch, rule, reason from orchestrator.explain_stream(1);';

CREATE FUNCTION orchestrator.find_streams(p_text text, p_limit integer DEFAULT 20) RETURNS TABLE(stream_id bigint, name text, url text, state text, instance_id text, found_by text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.find_streams(p_text text, p_limit integer) IS 'Find streams by their id, by their id in their source where that is a number, or by a part of their name or address in any case, the best matches first.
p_text: an id, or 1 to 200 characters.
p_limit: the most rows, 1 to 1000.
stream_id: the stream.
name: its name.
url: its address, without login and query.
state: idle, waiting, assigned, running or releasing.
instance_id: the instance that has it.
found_by: what matched: id, number (the id in the source), name or url.
Raises: OR101.
Example: select * from orchestrator.find_streams(''radio'', 5);';

CREATE FUNCTION orchestrator.finish_alert_delivery(p_target text, p_driver text DEFAULT NULL::text, p_error jsonb DEFAULT NULL::jsonb, p_unknown boolean DEFAULT false) RETURNS TABLE(events integer, state text, consecutive_failures integer, retry_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.finish_alert_delivery(p_target text, p_driver text, p_error jsonb, p_unknown boolean) IS 'End a claim: the message was sent, or failed and is tried again (after 10 s, doubling up to 10 minutes, for a day), or went out without an answer and is not sent twice.
p_target: the target of the claim.
p_driver: the name under which it was claimed.
p_error: null when it was sent; else {"message": …}, kept without what looks like a secret.
p_unknown: true when it went out and no answer came.
events: events that the claim held; 0 when it took so long that it was given up as unknown.
state: sent, pending (to be tried again) or unknown.
consecutive_failures: failures of this target in a row.
retry_at: not before this moment is it tried again.
Raises: OR101, OR107.
Example: select * from orchestrator.finish_alert_delivery(''ops'', ''driver:host:4711'');';

CREATE FUNCTION orchestrator.finish_job(p_job_run_id bigint, p_error jsonb DEFAULT NULL::jsonb, p_result jsonb DEFAULT NULL::jsonb) RETURNS TABLE(job text, next_run_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.finish_job(p_job_run_id bigint, p_error jsonb, p_result jsonb) IS 'End a job that this driver claimed, with an error or a result.
p_job_run_id: the claim, as run_next_job returned it.
p_error: {"code", "message", "detail", "hint"} when it failed.
p_result: what it did, as JSON; null when it found nothing to do.
job: the name of the job.
next_run_at: when it is due again.
Raises: OR107.
Example: select * from orchestrator.finish_job(1, p_result => ''{"sent": 1}'');';

CREATE FUNCTION orchestrator.get_assignments(p_instance_id text, p_incarnation bigint) RETURNS TABLE(stream_id bigint, epoch bigint, state text, name text, url text, metadata jsonb, adopts boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.get_assignments(p_instance_id text, p_incarnation bigint) IS 'Return the full set of streams that the instance should be running. Streams that it was asked to hand over are not among them.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
stream_id: the stream.
epoch: the epoch under which results are written.
state: assigned (not confirmed yet) or running.
name: the name of the station.
url: its address.
metadata: what the source knows about it, as JSON.
adopts: whether it runs under an older epoch, and its handler goes on under this one.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select stream_id, epoch, state, name, url from orchestrator.get_assignments(''fingerv7-001'', 1);';

CREATE FUNCTION orchestrator.get_commands(p_instance_id text, p_incarnation bigint) RETURNS TABLE(action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.get_commands(p_instance_id text, p_incarnation bigint) IS 'Return what the instance has to start, to stop and to prepare: all that it has not confirmed yet. It is a read, for the moment after a notification.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
action: add, remove or prepare, as in the answer of heartbeat.
stream_id: the stream.
epoch: the epoch under which to start or stop it.
name: the name of the station; null for remove.
url: its address; null for remove.
metadata: what the source knows about it; null for remove.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select action, stream_id, epoch, url from orchestrator.get_commands(''fingerv7-001'', 1);';

CREATE FUNCTION orchestrator.health() RETURNS TABLE(component text, status text, finding text, detail jsonb, response_time interval)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.health() IS 'Check connectivity, integrity and timeliness, a row per component. The whole is as well as its worst row.
component: what was checked.
status: healthy, degraded (it works and needs a look) or unhealthy (streams are not heard, or the record is wrong).
finding: what was found, in a sentence.
detail: the figures, as JSON.
response_time: how long the check took.
Example: select component, status, finding from orchestrator.health();';

CREATE FUNCTION orchestrator.heartbeat(p_instance_id text, p_incarnation bigint, p_digest bigint DEFAULT NULL::bigint, p_report jsonb DEFAULT '{}'::jsonb) RETURNS TABLE(action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.heartbeat(p_instance_id text, p_incarnation bigint, p_digest bigint, p_report jsonb) IS 'Say that an instance is alive, and what it runs. The answer is what repairs the difference to what it should run; no rows: there is none.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_digest: the digest of what it runs, a signed 64-bit integer; null says nothing about it.
p_report: what else it knows, all keys optional: status ("draining" asks to be emptied), current_streams, processed_count, error_count, cpu_usage and memory_usage (percent), last_activity, timestamp, heartbeat_interval (seconds), progressing (streams), stalled ([{"stream_id", "epoch", "silent_for" (seconds)}]), breaker ("closed", "half-open", "open"), breaker_opened (times), round_trip (seconds that the beat before took), standbys (the digest of what it hears as a standby, over the numbers of these), standby_window (seconds that its standbys keep), standbys_silent ([{"stream_id", "epoch" (the number), "silent_for"}]).
action: add, remove (of stream 0, which nobody has: what is reported is not known here, and report_streams is to tell it in full), restart (a silent stream), prepare (hear the stream without being its owner yet, acknowledge a start when it is heard, and stop preparing what is not named any more), standby (hear the stream without being its owner, and acknowledge a start when it is heard), standby_end (hear it no more; of stream 0: end every standby that this answer does not name; what the answer adds is promoted and not ended) or notice.
stream_id: the stream; null for a notice.
epoch: the epoch under which to start or stop it; for prepare the one that it is going to have; of a standby its number, which is below zero.
name: the name of the station; only for add, prepare and standby.
url: its address; only for add, prepare and standby.
metadata: what the source knows about it; for a notice heartbeat_interval (seconds, to beat so often from now on), next_beat_in (seconds, when a stream is on its way), standby_window (seconds that standbys are to keep from now on) and no_driver_for (seconds).
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from orchestrator.heartbeat(''fingerv7-001'', 1, 0, ''{"current_streams": 0, "cpu_usage": 12.5}'');';

CREATE FUNCTION orchestrator.http_assign_streams(p_request jsonb, p_dialect text DEFAULT NULL::text, p_address text DEFAULT NULL::text, p_waited interval DEFAULT '00:00:00'::interval) RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_assign_streams(p_request jsonb, p_dialect text, p_address text, p_waited interval) IS 'Answer POST /streams/assign and GET /api/streams/assign: a client asks for streams. The first answer after its registration names all that it is to run; how many it asks for does not count.
p_request: the keys of the request: server_id and requested_count, or worker_id and capacity.
p_dialect: server (default) or worker, by the path of the request.
p_address: where the client calls from.
p_waited: for how long this request has been held already.
status: the HTTP status; 102 says that the answer is held: ask again after hold_for seconds.
body: the JSON answer; its ids are those of the source.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from orchestrator.http_assign_streams(''{"server_id": "server-1", "requested_count": 5}'');';

CREATE FUNCTION orchestrator.http_assignments() RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_assignments() IS 'Answer GET /streams/assignments: which instance has which stream, by the ids of the source.
status: the HTTP status.
body: assignments.
Example: select * from orchestrator.http_assignments();';

CREATE FUNCTION orchestrator.http_dashboard(p_diagnosis jsonb DEFAULT NULL::jsonb) RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_dashboard(p_diagnosis jsonb) IS 'Answer GET /: all that the dashboard shows, in one round trip.
p_diagnosis: the diagnosis of an earlier answer, which is then taken for granted; null diagnoses anew, which costs more than all the rest.
status: the HTTP status.
body: verdict, health, diagnosis, fleet, instances, hand-overs, decisions, alerts, jobs, coverage and history.
Raises: OR101.
Example: select status, body -> ''verdict'' from orchestrator.http_dashboard();';

CREATE FUNCTION orchestrator.http_diagnostic(p_request jsonb) RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_diagnostic(p_request jsonb) IS 'Answer POST /diagnostic: what the instance has and should not have, and what it should have and has not. Nothing changes.
p_request: server_id, local_streams (ids) and local_stream_count.
status: the HTTP status.
body: the JSON answer; its ids are those of the source.
Raises: OR101, OR106.
Example: select * from orchestrator.http_diagnostic(''{"server_id": "server-1", "local_streams": [], "local_stream_count": 0}'');';

CREATE FUNCTION orchestrator.http_health(p_version text DEFAULT NULL::text) RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_health(p_version text) IS 'Answer GET /health. The status is 200 even when something is unhealthy; probes that go by the status ask /readyz.
p_version: the version of the program that answers.
status: the HTTP status.
body: status (healthy; limited when a service is degraded, or streams wait while others are heard; or unhealthy), uptime (seconds), services with their response times (ms), instances and streams by state.
Example: select * from orchestrator.http_health(''0.1.0'');';

CREATE FUNCTION orchestrator.http_heartbeat(p_request jsonb, p_dialect text DEFAULT NULL::text, p_address text DEFAULT NULL::text) RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_heartbeat(p_request jsonb, p_dialect text, p_address text) IS 'Answer POST /heartbeat and POST /api/heartbeat: a beat over HTTP. In the manual''s dialect it also confirms what earlier answers commanded. One in the name of a client that asks for its streams counts only when it is that client''s own.
p_request: the keys of the dialect. current_streams is how many streams the instance has, or better the array of their ids.
p_dialect: worker for /api/heartbeat; else the keys tell.
p_address: where the client calls from.
status: the HTTP status.
body: the JSON answer.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from orchestrator.http_heartbeat(''{"instance_id": "http-1", "current_streams": []}'');';

CREATE FUNCTION orchestrator.http_instance(p_request jsonb) RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_instance(p_request jsonb) IS 'Answer GET /instances/{server_id}: one instance and its streams, by their ids in their source. A stream that it is asked to hand over is not among them any more.
p_request: {"server_id": …}.
status: the HTTP status.
body: the JSON answer.
Raises: OR101, OR103.
Example: select * from orchestrator.http_instance(''{"server_id": "server-1"}'');';

CREATE FUNCTION orchestrator.http_instances() RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_instances() IS 'Answer GET /instances: every instance that was not removed, and a summary.
status: the HTTP status.
body: loads as percentages of capacity; system_imbalance, the difference of the highest and the lowest load; performance_score, the part of the work that succeeds (0 to 1).
Example: select * from orchestrator.http_instances();';

CREATE FUNCTION orchestrator.http_metrics() RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_metrics() IS 'Answer GET /metrics as JSON.
status: the HTTP status.
body: the named figures of the fleet (decisions are those of the last hour); in series all that is measured and does not belong to one instance, by the names that Prometheus knows.
Example: select * from orchestrator.http_metrics();';

CREATE FUNCTION orchestrator.http_present() RETURNS TABLE(again_in double precision)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_present() IS 'Say that an HTTP server is there and clients can speak.
again_in: say so again after so many seconds.
Example: select * from orchestrator.http_present();';

CREATE FUNCTION orchestrator.http_rebalance(p_request jsonb DEFAULT '{}'::jsonb) RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_rebalance(p_request jsonb) IS 'Answer POST /rebalance: rebalance now, and say what moved or why nothing did.
p_request: reason, optional.
status: the HTTP status.
body: status, message, moved_streams, least_moves, still_waiting, event_id, and at most 1000 moves by name.
Raises: OR101, OR401, 55P03.
Example: select * from orchestrator.http_rebalance(''{"reason": "after the upgrade"}'');';

CREATE FUNCTION orchestrator.http_register(p_request jsonb, p_address text DEFAULT NULL::text, p_dialect text DEFAULT NULL::text, p_waited interval DEFAULT '00:00:00'::interval) RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_register(p_request jsonb, p_address text, p_dialect text, p_waited interval) IS 'Answer POST /register and POST /api/workers/register: an instance that only speaks HTTP comes to life, or comes back. A client that asks for its streams and whose name another process has is held, and refused when that one is still there after http_hold.
p_request: the keys of the dialect; the id and max_streams are required.
p_address: where the client calls from.
p_dialect: worker for /api/workers/register; else the keys tell.
p_waited: for how long this request has been held already.
status: the HTTP status; 102 says that the answer is held: ask again after hold_for seconds.
body: the JSON answer.
Raises: OR101, OR104, OR105, OR106, OR404, 55P03.
Example: select * from orchestrator.http_register(''{"instance_id": "http-2", "max_streams": 50}'', ''192.0.2.7'');';

CREATE FUNCTION orchestrator.http_release_streams(p_request jsonb, p_address text DEFAULT NULL::text) RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_release_streams(p_request jsonb, p_address text) IS 'Answer POST /streams/release: a client gives streams back; they go to workers with room, or to clients that ask. When it gives back all that it has, it has said goodbye.
p_request: server_id and stream_ids, numbers or texts, in which one may stand several times.
p_address: where the client calls from.
status: the HTTP status.
body: the JSON answer, with stream_ids as they were sent.
Raises: OR101, OR103, OR106, OR301, OR407, 55P03.
Example: select * from orchestrator.http_release_streams(''{"server_id": "server-1", "stream_ids": [1]}'');';

CREATE FUNCTION orchestrator.http_remove_instance(p_request jsonb, p_address text DEFAULT NULL::text) RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_remove_instance(p_request jsonb, p_address text) IS 'Answer DELETE /instances/{server_id}: the client says goodbye, and its streams go to others.
p_request: {"server_id": …}.
p_address: where the client calls from.
status: the HTTP status.
body: the JSON answer.
Raises: OR101, OR103, OR106, OR301, OR407, 55P03.
Example: select * from orchestrator.http_remove_instance(''{"server_id": "server-1"}'');';

CREATE FUNCTION orchestrator.http_source_test() RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_source_test() IS 'Answer GET /postgres/test: whether the stations could be read from their database when that was last tried.
status: the HTTP status, 200 either way.
body: status (success or error), message, database, table, total_streams.
Example: select * from orchestrator.http_source_test();';

CREATE FUNCTION orchestrator.http_status() RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_status() IS 'Answer GET /status: the fleet at a glance, in the words of the server_id dialect.
status: the HTTP status.
body: the JSON answer.
Example: select * from orchestrator.http_status();';

CREATE FUNCTION orchestrator.http_streams() RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_streams() IS 'Answer GET /streams: how many stations there are, and the first ten.
status: the HTTP status.
body: total, and streams by their ids in their source.
Example: select * from orchestrator.http_streams();';

CREATE FUNCTION orchestrator.http_streams_status() RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_streams_status() IS 'Answer GET /streams/status: which instance has what, and what was decided last.
status: the HTTP status.
body: streams by state, distribution by instance, and in recent_changes the last 20 decisions that moved a stream.
Example: select * from orchestrator.http_streams_status();';

CREATE FUNCTION orchestrator.http_update_stream(p_request jsonb, p_address text DEFAULT NULL::text) RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_update_stream(p_request jsonb, p_address text) IS 'Answer POST /api/streams/update: a client says how its work on a stream stands. What it has ended is due again.
p_request: worker_instance_id, stream_id and status: processing, completed, failed or cancelled.
p_address: where the client calls from.
status: the HTTP status.
body: the JSON answer.
Raises: OR101, OR106, 55P03.
Example: select * from orchestrator.http_update_stream(''{"worker_instance_id": "worker-1", "stream_id": "1", "status": "completed"}'');';

CREATE FUNCTION orchestrator.http_worker_metrics() RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_worker_metrics() IS 'Answer GET /api/metrics: the fleet at a glance. Rates are percentages.
status: the HTTP status.
body: orchestrator, workers, streams.
Example: select * from orchestrator.http_worker_metrics();';

CREATE FUNCTION orchestrator.http_workers() RETURNS TABLE(status integer, body jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.http_workers() IS 'Answer GET /api/workers: every instance that was not removed.
status: the HTTP status.
body: workers, and their total.
Example: select * from orchestrator.http_workers();';

CREATE FUNCTION orchestrator.is_current(p_stream_id bigint, p_epoch bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.is_current(p_stream_id bigint, p_epoch bigint) IS 'Say whether this epoch still owns the stream. It reads one row and takes no lock: the answer is true of this moment, and a change of hands waits for no transaction that has asked.
p_stream_id: the stream.
p_epoch: the epoch under which the writer heard it.
Example: select orchestrator.is_current(1, 1);';

CREATE FUNCTION orchestrator_private.now() RETURNS timestamp with time zone
    LANGUAGE sql PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.now() IS 'The time now, moving on within a transaction.';

CREATE FUNCTION orchestrator_private.tenths(p_at timestamp with time zone) RETURNS integer
    LANGUAGE sql STABLE PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.tenths(p_at timestamp with time zone) IS 'Tenths of a second since 1970, of which the lowest 31 bits: the same again after seven years.';

CREATE TABLE orchestrator_private.decision_gate (
);

COMMENT ON TABLE orchestrator_private.decision_gate IS 'Always empty. Who decides holds it in exclusive mode, who confirms in share mode; the queue for it is fair, seen in pg_locks, and under lock_timeout.';

CREATE FUNCTION orchestrator_private.decision_holders() RETURNS TABLE(pid integer, held interval)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.decision_holders() IS 'Server processes that decide or confirm, and for how long they have kept others out; null where that is not known.';

CREATE FUNCTION orchestrator_private.lock_key(p_name text) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.lock_key(p_name text) IS 'The key of an advisory lock of this fleet.';

CREATE FUNCTION orchestrator_private.waiting_sessions() RETURNS TABLE(pid integer, waiting_since timestamp with time zone, waits_for integer[])
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.waiting_sessions() IS 'Server processes that wait for a lock of any kind, since when, and for whom.';

CREATE VIEW orchestrator_private.fleet_lock AS
 SELECT
        CASE
            WHEN (l.relation = ('orchestrator_private.decision_gate'::regclass)::oid) THEN 'decision'::text
            WHEN (k.key = orchestrator_private.lock_key('decision'::text)) THEN 'key of decisions'::text
            WHEN (l.relation IS NOT NULL) THEN ('table '::text || (c.relname)::text)
            ELSE l.locktype
        END AS lock,
    l.mode,
    l.granted,
    l.pid,
    l.waitstart,
    l.virtualtransaction,
    pg_blocking_pids(l.pid) AS waits_for,
    k.key,
    COALESCE(((l.locktype = 'advisory'::text) OR (n.nspname = ANY (ARRAY['orchestrator'::name, 'orchestrator_private'::name]))), false) AS is_ours,
    (l.granted AND ((k.key = orchestrator_private.lock_key('decision'::text)) OR ((n.nspname = 'orchestrator_private'::name) AND (c.relkind = 'r'::"char") AND (l.mode <> 'AccessShareLock'::text)))) AS holds_up_others
   FROM (((pg_locks l
     LEFT JOIN pg_class c ON ((l.relation = c.oid)))
     LEFT JOIN pg_namespace n ON ((c.relnamespace = n.oid)))
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN ((l.locktype = 'advisory'::text) AND (l.objsubid = 1)) THEN (((l.classid)::bigint << 32) | (l.objid)::bigint)
                    ELSE NULL::bigint
                END AS key) k)
  WHERE (l.database = ( SELECT d.oid
           FROM pg_database d
          WHERE (d.datname = current_database())));

COMMENT ON VIEW orchestrator_private.fleet_lock IS 'Locks of this database in this fleet''s terms: who holds the decision lock, its tables or other locks, or waits for them.';

CREATE FUNCTION orchestrator.lock_holders() RETURNS TABLE(lock text, mode text, pid integer, login text, application_name text, state text, transaction_age interval, waiting integer)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.lock_holders() IS 'Say whose locks make others wait: who holds the decision lock, its key without being one of this system''s programs, or locks on its tables. At most ten rows, the ones that most wait for first.
lock: decision, key of decisions, or table and its name.
mode: the mode of the lock, as PostgreSQL names it.
pid: the server process that holds it.
login: its login.
application_name: its program.
state: active, or idle in transaction.
transaction_age: for how long its transaction has been open.
waiting: how many sessions wait for it.
Example: select * from orchestrator.lock_holders();';

CREATE FUNCTION orchestrator.metrics() RETURNS TABLE(name text, kind text, unit text, help text, labels jsonb, value double precision, bounds double precision[], counts bigint[], sum double precision, count bigint)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.metrics() IS 'Return everything that is measured, a row per series.
name: the name, as Prometheus has it.
kind: counter, gauge or histogram.
unit: seconds, streams and so on.
help: what it means.
labels: the labels of this series, as JSON.
value: of a counter or gauge, its value.
bounds: of a histogram, the upper bounds of its buckets (inclusive).
counts: how many observations fell into each bucket; one bucket more, for what is above all bounds.
sum: the sum of all observations.
count: the number of observations.
Example: select name, labels, value from orchestrator.metrics() where kind = ''gauge'';';

CREATE FUNCTION orchestrator.move_stream(p_stream_id bigint, p_instance_id text, p_reason text DEFAULT 'manual'::text) RETURNS TABLE(decision_id bigint, from_instance_id text, to_instance_id text, epoch bigint, event_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.move_stream(p_stream_id bigint, p_instance_id text, p_reason text) IS 'Move one stream to one instance: by hand-over while its owner lives, at once when it waits. No rows: it is there already.
p_stream_id: the stream.
p_instance_id: the instance that is to have it.
p_reason: why, for the record.
decision_id: the decision, in the view decisions.
from_instance_id: the instance that has it; null when it waited.
to_instance_id: the instance that gets it.
epoch: the epoch now; in a hand-over it is still the owner''s.
event_id: the id of the event, for explain_event.
Raises: OR102, OR103, OR402, OR405, 55P03.
Example: select * from orchestrator.move_stream(1, ''fingerv7-002'', ''closer to the station'');';

CREATE FUNCTION orchestrator.pause_balancing(p_reason text DEFAULT NULL::text) RETURNS TABLE(paused_at timestamp with time zone, paused_by text, reason text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.pause_balancing(p_reason text) IS 'Freeze balancing. Failover, placement and drains go on.
p_reason: why, for the record.
paused_at: since when it is paused.
paused_by: the login that paused it.
reason: why it was paused.
Raises: 55P03.
Example: select * from orchestrator.pause_balancing(''network maintenance'');';

CREATE FUNCTION orchestrator.pin_stream(p_stream_id bigint, p_instance_id text DEFAULT NULL::text) RETURNS TABLE(stream_id bigint, pinned_to text, event_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.pin_stream(p_stream_id bigint, p_instance_id text) IS 'Pin a stream to an instance. Balancing leaves it there. When the instance is lost, the stream fails over like any other, and goes home when the instance is back.
p_stream_id: the stream.
p_instance_id: the instance; null: the one that has it.
stream_id: the stream.
pinned_to: the instance that it is pinned to.
event_id: the id of the event, for explain_event.
Raises: OR101, OR102, OR103, OR405, 55P03.
Example: select * from orchestrator.pin_stream(1, ''fingerv7-002'');';

CREATE FUNCTION orchestrator.plan_effect(p_plan_id bigint) RETURNS TABLE(instance_id text, max_streams integer, streams_before integer, streams_after integer, gained integer, lost integer, moves integer, least_moves integer, immovable integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.plan_effect(p_plan_id bigint) IS 'Say what a plan would do to each instance, while the fleet is still as it was planned for.
p_plan_id: the plan, as plan_rebalance returned it.
instance_id: the instance.
max_streams: the capacity of the instance.
streams_before: streams that it has now.
streams_after: streams that it would have.
gained: streams that would come to it.
lost: streams that would leave it.
moves: moves of the whole plan.
least_moves: the least number of moves that reaches the same loads.
immovable: streams that nothing can move while the instance lives: it would hear on.
Raises: OR107, OR403.
Example: select * from orchestrator.plan_effect(1);';

CREATE FUNCTION orchestrator.plan_rebalance() RETURNS TABLE(plan_id bigint, stream_id bigint, from_instance_id text, to_instance_id text, why text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.plan_rebalance() IS 'Plan a rebalance: each move that rebalance() would make now. No rows: there is nothing to do. It is done and taken back, so the plan cannot differ from the deed. plan_effect sums it up, apply_plan makes it.
plan_id: the plan; the same in each row.
stream_id: the stream.
from_instance_id: the instance that has the stream; null when it waits.
to_instance_id: the instance that would get it.
why: the reason of this move.
Raises: 55P03.
Example: select * from orchestrator.plan_rebalance();';

CREATE FUNCTION orchestrator.read_clock() RETURNS TABLE(clock timestamp with time zone, stepped interval)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.read_clock() IS 'What the server''s clock says. A driver compares it with a clock of its own that does not step, each time before it asks for a job.
clock: the time now.
stepped: all steps of the clock that are known, added up. The clock less this goes steadily, or the clock has stepped anew.
Example: select clock, stepped from orchestrator.read_clock();';

CREATE FUNCTION orchestrator.readmit_instance(p_instance_id text) RETURNS TABLE(instance_id text, status text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.readmit_instance(p_instance_id text) IS 'Let an instance that was removed register again.
p_instance_id: the instance.
instance_id: the instance.
status: its status now.
Raises: OR103.
Example: select * from orchestrator.readmit_instance(''fingerv7-003'');';

CREATE FUNCTION orchestrator.rebalance(p_reason text DEFAULT 'manual'::text) RETURNS TABLE(decision_id bigint, moves integer, least_moves integer, still_waiting integer, event_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.rebalance(p_reason text) IS 'Place what waits and bring every instance to its fair share, now.
p_reason: why, for the record.
decision_id: the decision, in the view decisions.
moves: streams that were moved or asked to move.
least_moves: the least number of moves that reaches the same loads.
still_waiting: streams of the whole fleet that wait for an instance now.
event_id: the id of the event, for explain_event.
Raises: OR401, 55P03.
Example: select * from orchestrator.rebalance(''after the upgrade'');';

CREATE FUNCTION orchestrator.record_clock_step(p_step interval, p_within interval, p_stepped interval, p_driver text DEFAULT NULL::text) RETURNS TABLE(recorded boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.record_clock_step(p_step interval, p_within interval, p_stepped interval, p_driver text) IS 'Record that the server''s clock stepped, as a driver has measured against a clock that does not step. Every stored moment that is compared with now moves with the clock, so nothing else happens for it.
p_step: by how much, less than nothing when it went back.
p_within: how long ago it was at most.
p_stepped: what read_clock said when it was measured. When another driver has recorded a step meanwhile, this one is left out.
p_driver: the name of the caller; else its login.
recorded: whether it was recorded; else read the clock again.
Raises: OR101, 55P03.
Example: select recorded from orchestrator.record_clock_step(''-1 hour'', ''1 second'', ''0'');';

CREATE FUNCTION orchestrator.record_failures(p_reporter text, p_failures jsonb) RETURNS TABLE(recorded integer, recovery boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.record_failures(p_reporter text, p_failures jsonb) IS 'Record which calls of a driver, or of another program of an administrator, failed.
p_reporter: kind and name, such as driver:host:4711. Instances report for themselves, by report_failures.
p_failures: as in report_failures.
recorded: failures that were counted.
recovery: whether recovery mode is on.
Raises: OR101.
Example: select * from orchestrator.record_failures(''driver:host:4711'', ''[{"function": "run_next_job", "sqlstate": "08006", "message": "server closed the connection"}]'');';

CREATE FUNCTION orchestrator.record_heartbeats(p_source text, p_rows jsonb, p_read_at timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS TABLE(clients integer, signs integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.record_heartbeats(p_source text, p_rows jsonb, p_read_at timestamp with time zone) IS 'Take the rows that clients wrote of themselves into the production database. One that was written anew is a sign of life: its client is not declared lost for its silence over HTTP before heartbeats_timeout has passed since then. It registers nothing and brings nothing back. The number of streams that a client says it hears is kept beside that of the books.
p_source: the source in whose database the table is.
p_rows: an array of {"server_id", "last_heartbeat", "age" (seconds, by that database''s clock), "status", "ip_address", "processing", "first_answer"}, each client once.
p_read_at: the moment of reading, as witnesses_due returned it; null: now.
clients: how many of the rows are of clients that have registered here.
signs: how many of those are signs of life.
Raises: OR101.
Example: select * from orchestrator.record_heartbeats(''production'', ''[{"server_id": "server-1", "last_heartbeat": "2026-03-01T12:00:00Z", "age": 4.2, "status": "ONLINE", "processing": 20}]'');';

CREATE FUNCTION orchestrator.record_music(p_source text, p_rows jsonb, p_last_id bigint, p_read_at timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS TABLE(stations integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.record_music(p_source text, p_rows jsonb, p_last_id bigint, p_read_at timestamp with time zone) IS 'Take what instances have written into music_log since the last reading: a witness of who hears what, for diagnose().
p_source: the source in whose database the table is.
p_rows: an array of {"name": the station, "written_by": the instance, by its own name}.
p_last_id: the newest id in the table; null when it is empty.
p_read_at: the moment of reading, as witnesses_due returned it; null: now.
stations: how many stations were written.
Raises: OR101.
Example: select * from orchestrator.record_music(''production'', ''[{"name": "Radio 1", "written_by": "server-1"}]'', 4711);';

CREATE FUNCTION orchestrator.record_sync_failure(p_source text, p_error jsonb, p_event_id uuid DEFAULT NULL::uuid) RETURNS TABLE(consecutive_failures integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.record_sync_failure(p_source text, p_error jsonb, p_event_id uuid) IS 'Record that a source could not be synchronised, and why. Its streams stay as they are.
p_source: the source.
p_error: {"code", "message", "detail", "hint"}, without a password.
p_event_id: the event id of the job run that this is a part of.
consecutive_failures: failures of this source in a row.
Raises: OR101, OR107.
Example: select * from orchestrator.record_sync_failure(''production'', ''{"code": "08001", "message": "could not connect"}'');';

CREATE FUNCTION orchestrator.record_witness_failure(p_source text, p_witness text, p_error jsonb) RETURNS TABLE(consecutive_failures integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.record_witness_failure(p_source text, p_witness text, p_error jsonb) IS 'Record that a witness of a source could not be read, and why. No instance is lost for it, and no alert opened. No row: there is no such witness any more.
p_source: the source.
p_witness: heartbeats or music_log.
p_error: {"code", "message", "detail", "hint"}, without a password.
consecutive_failures: failures of this witness in a row.
Raises: OR101.
Example: select * from orchestrator.record_witness_failure(''production'', ''heartbeats'', ''{"code": "08001", "message": "could not connect"}'');';

CREATE FUNCTION orchestrator.register_instance(p_instance_id text, p_max_streams integer, p_capabilities text[] DEFAULT NULL::text[], p_version text DEFAULT NULL::text, p_location text DEFAULT NULL::text, p_lease interval DEFAULT NULL::interval, p_takeover boolean DEFAULT false, p_metadata jsonb DEFAULT '{}'::jsonb, p_stop_within interval DEFAULT NULL::interval, p_force boolean DEFAULT false) RETURNS TABLE(instance_id text, incarnation bigint, status text, channel text, heartbeat_interval interval, heartbeat_timeout interval, assigned_streams integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.register_instance(p_instance_id text, p_max_streams integer, p_capabilities text[], p_version text, p_location text, p_lease interval, p_takeover boolean, p_metadata jsonb, p_stop_within interval, p_force boolean) IS 'Register an instance, or its return. Within the grace the same name gets the same streams: a different process under new epochs, the same process (metadata key "process") under those that it had.
p_instance_id: the name of the instance.
p_max_streams: how many streams it can have, 1 to 1000.
p_capabilities: what it can do; audio_fingerprinting must be among it. Null: just that.
p_version: the version of its program.
p_location: its region (strategy location).
p_lease: its own limit of silence, at least two heartbeat intervals and at most max_lease; null: heartbeat_timeout.
p_takeover: true ends another live process with this id, but not one that stops by itself while its lease runs.
p_metadata: what else is worth keeping, as a JSON object.
p_stop_within: so long after it sent its last accepted beat all its handlers have stopped, by its own clock. No other instance gets its streams before its lease is over.
p_force: true, with p_takeover, takes over from a process that stops by itself, too, although it may still run what this one starts.
instance_id: the instance.
incarnation: the number of this life; every other call names it.
status: its status now.
channel: the channel to LISTEN on.
heartbeat_interval: how often to beat.
heartbeat_timeout: the silence after which it is lost.
assigned_streams: streams that it has already.
Raises: OR101, OR104, OR105, OR106, OR404, 55P03.
Example: select * from orchestrator.register_instance(''fingerv7-004'', 100, p_version => ''7.2'', p_location => ''south'', p_lease => ''90 seconds'');';

CREATE FUNCTION orchestrator.release_streams(p_instance_id text, p_incarnation bigint, p_streams bigint[], p_reason text DEFAULT 'released'::text) RETURNS TABLE(stream_id bigint, to_instance_id text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.release_streams(p_instance_id text, p_incarnation bigint, p_streams bigint[], p_reason text) IS 'Give streams back, having stopped them. They go to others at once and do not return for refusal_time; what no other can take waits.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_streams: ids of the streams, at most 10000.
p_reason: why, for the record.
stream_id: the stream.
to_instance_id: the instance that has it now; null when it waits.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select * from orchestrator.release_streams(''fingerv7-001'', 1, ''{1, 2}'', ''disk full'');';

CREATE FUNCTION orchestrator.remove_alert_target(p_target text) RETURNS TABLE(target text, undelivered integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.remove_alert_target(p_target text) IS 'Remove a target for alerts, with what it was told and is yet to be told.
p_target: the target.
target: the target that was removed.
undelivered: events that it was yet to be told.
Raises: OR101, OR107.
Example: select * from orchestrator.remove_alert_target(''ops'');';

CREATE FUNCTION orchestrator.remove_instance(p_instance_id text, p_reason text DEFAULT 'removed by an administrator'::text, p_force boolean DEFAULT false) RETURNS TABLE(instance_id text, moved integer, still_waiting integer, event_id uuid, free_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.remove_instance(p_instance_id text, p_reason text, p_force boolean) IS 'Remove an instance for good. Its streams move at once, so drain it first to lose nothing. Those of an instance that stops by itself (on_isolation = stop) wait until it has stopped, at most for its lease. It may not register again until readmit_instance.
p_instance_id: the instance.
p_reason: why, for the record.
p_force: true waits for no promise: the streams move at once, also while the instance may still hear them. For one that is known to be dead, also after it was removed.
instance_id: the instance.
moved: streams that moved to others.
still_waiting: streams of the whole fleet that wait for an instance now.
event_id: the id of the event, for explain_event.
free_at: when the last of its streams that wait until it has stopped can be given to others; null when none waits for it.
Raises: OR103, 55P03.
Example: select * from orchestrator.remove_instance(''fingerv7-002'', ''the machine is gone'');';

CREATE FUNCTION orchestrator.remove_source(p_source text, p_remove_streams boolean DEFAULT false) RETURNS TABLE(removed_streams integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.remove_source(p_source text, p_remove_streams boolean) IS 'Remove a source. While it has streams this is refused (OR406), unless they are to be removed with it.
p_source: the source.
p_remove_streams: true removes its streams, too.
removed_streams: streams that were removed.
Raises: OR101, OR107, OR406, 55P03.
Example: select * from orchestrator.remove_source(''night'', p_remove_streams => true);';

CREATE FUNCTION orchestrator.remove_stream(p_stream_id bigint, p_reason text DEFAULT 'removed'::text) RETURNS TABLE(decision_id bigint, from_instance_id text, event_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.remove_stream(p_stream_id bigint, p_reason text) IS 'Remove a station for good. The instance that has it stops.
p_stream_id: the stream.
p_reason: why, for the record.
decision_id: the decision, in the view decisions.
from_instance_id: the instance that had it.
event_id: the id of the event, for explain_event.
Raises: OR102, 55P03.
Example: select * from orchestrator.remove_stream(1, ''off the air'');';

CREATE FUNCTION orchestrator.renew_epoch(p_instance_id text, p_incarnation bigint, p_stream_id bigint, p_above bigint) RETURNS TABLE(epoch bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.renew_epoch(p_instance_id text, p_incarnation bigint, p_stream_id bigint, p_above bigint) IS 'Ask for an epoch above one that a fence has named, for a stream that is still this instance''s own. A claim that lies more than 30 days ahead of the clock is refused, and opens an alert.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_stream_id: the stream.
p_above: the epoch that the fence named.
epoch: the stream''s epoch now, which is above that; no row when the stream is another''s, or the claim was refused.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select epoch from orchestrator.renew_epoch(''fingerv7-001'', 1, 1, 7);';

CREATE FUNCTION orchestrator.repair_record() RETURNS TABLE(subject text, code text, was text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.repair_record() IS 'Set the record right where diagnose says that it is wrong: missing rows, counters and digests that differ from a recount, rows that contradict each other. No rows: nothing was wrong.
subject: the instance or stream.
code: the finding of diagnose.
was: what was wrong.
Raises: 55P03.
Example: select * from orchestrator.repair_record();';

CREATE FUNCTION orchestrator.report_failures(p_instance_id text, p_incarnation bigint, p_failures jsonb) RETURNS TABLE(recorded integer, recovery boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.report_failures(p_instance_id text, p_incarnation bigint, p_failures jsonb) IS 'Report which calls of a worker failed since the last report, also those that failed because the database could not be reached.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_failures: at most 100 of {"function", "sqlstate", "message", "detail", "count", "first_ago" and "last_ago" (seconds ago), "consecutive" (the longest run of failed rounds), "over" (whether it works again)}. One failure is one failed round, not each of its tries. Refusals (OR1xx, OR4xx) are answers and not counted.
recorded: failures that were counted.
recovery: whether recovery mode is on.
Raises: OR101, OR103, OR106, OR301.
Example: select * from orchestrator.report_failures(''fingerv7-001'', 1, ''[{"function": "heartbeat", "sqlstate": "08006", "message": "server closed the connection", "count": 2, "last_ago": 3.5}]'');';

CREATE FUNCTION orchestrator.report_streams(p_instance_id text, p_incarnation bigint, p_streams bigint[], p_epochs bigint[]) RETURNS TABLE(action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.report_streams(p_instance_id text, p_incarnation bigint, p_streams bigint[], p_epochs bigint[]) IS 'Reconcile with the full set of what the instance runs. What it runs is confirmed, what it was asked to stop and does not run is handed over, and the answer brings it in step. What differed without a reason is in the view repairs.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_streams: ids of all streams that it runs, at most 10000.
p_epochs: the epoch of each of them, in the same order.
action: add, remove or prepare, as in the answer of heartbeat.
stream_id: the stream.
epoch: the epoch under which to start or stop it.
name: the name of the station; null for remove.
url: its address; null for remove.
metadata: what the source knows about it; null for remove.
Raises: OR101, OR103, OR106, OR301, 55P03.
Example: select action, stream_id, epoch from orchestrator.report_streams(''fingerv7-001'', 1, ''{1, 2}'', ''{1, 1}'');';

CREATE FUNCTION orchestrator.request_job(p_job text) RETURNS TABLE(job text, next_run_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.request_job(p_job text) IS 'Make a job due now, and wake a driver for it.
p_job: the job.
job: the job.
next_run_at: when it is due: now.
Raises: OR107.
Example: select * from orchestrator.request_job(''check_balance'');';

CREATE FUNCTION orchestrator.resume_balancing() RETURNS TABLE(was_paused_at timestamp with time zone, was_paused_by text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.resume_balancing() IS 'Balance again, beginning with what has become unfair meanwhile.
was_paused_at: since when it was paused; null when it was not.
was_paused_by: the login that had paused it.
Raises: 55P03.
Example: select * from orchestrator.resume_balancing();';

CREATE FUNCTION orchestrator.run_due_jobs() RETURNS TABLE(job text, outcome text, result jsonb, error jsonb, duration interval, event_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.run_due_jobs() IS 'Run every job that is due, in one call, a row for each. For psql and pg_cron; jobs that need the outside world are left to a driver.
job: the job.
outcome: done, nothing (there was nothing to do) or failed.
result: what it did, as JSON.
error: why it failed, as JSON.
duration: how long it took.
event_id: the id of the event, for explain_event.
Raises: 55P03.
Example: select job, outcome, result from orchestrator.run_due_jobs();';

CREATE FUNCTION orchestrator.run_next_job(p_driver text DEFAULT NULL::text, p_outside boolean DEFAULT false, p_clock timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS TABLE(job text, job_run_id bigint, outcome text, result jsonb, error jsonb, duration interval, next_due_in interval, event_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.run_next_job(p_driver text, p_outside boolean, p_clock timestamp with time zone) IS 'Run the most overdue job, record it, and say when the next one is due. One job is one transaction.
p_driver: the name of the caller; else its login.
p_outside: true also claims jobs that need the outside world; the caller does them and calls finish_job.
p_clock: what the server''s clock said a moment ago, by read_clock, and agreed with a clock of the caller''s that does not step. If it has moved by more than a second since, nothing is run: read it again. Null: the caller has no such clock.
job: the job; null when none is due.
job_run_id: its run, for finish_job; null when there was nothing to do.
outcome: done, nothing, failed or claimed.
result: what it did, as JSON.
error: why it failed, as JSON.
duration: how long it took.
next_due_in: how long the caller may sleep.
event_id: the id of the event, for explain_event; null when nothing was done.
Raises: 55P03.
Example: select job, outcome, next_due_in from orchestrator.run_next_job(''driver:host:4711'');';

CREATE FUNCTION orchestrator.schedule_job(p_job text, p_schedule text DEFAULT NULL::text, p_enabled boolean DEFAULT NULL::boolean) RETURNS TABLE(job text, schedule text, enabled boolean, next_run_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.schedule_job(p_job text, p_schedule text, p_enabled boolean) IS 'Change when a job runs, and whether it does. Null leaves a value as it is.
p_job: the job.
p_schedule: an interval such as 10 seconds, or five cron fields in UTC.
p_enabled: false switches it off.
job: the job.
schedule: its schedule now.
enabled: whether it runs.
next_run_at: when it is due.
Raises: OR101, OR107.
Example: select * from orchestrator.schedule_job(''purge_history'', ''30 2 * * *'');';

CREATE FUNCTION orchestrator.serve_source(p_source text, p_serves_http boolean) RETURNS TABLE(source text, serves_http boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.serve_source(p_source text, p_serves_http boolean) IS 'Say whether clients that speak HTTP may be given the stations of a source, by their ids in it. Two sources that know different stations by one number cannot both serve them.
p_source: the source.
p_serves_http: whether they may.
source: the source.
serves_http: whether they may.
Raises: OR101, OR107.
Example: select * from orchestrator.serve_source(''manual'', false);';

CREATE FUNCTION orchestrator.set_alert_target(p_target text, p_minimum_severity text DEFAULT NULL::text, p_enabled boolean DEFAULT NULL::boolean) RETURNS TABLE(target text, minimum_severity text, enabled boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.set_alert_target(p_target text, p_minimum_severity text, p_enabled boolean) IS 'Add a target for alerts, or change it. Its address stands in the environment of the drivers, as ORCHESTRATOR_ALERT_URL_<TARGET>. Null leaves a value as it is.
p_target: the name of the target.
p_minimum_severity: from which severity on it is told: info, warning or critical; warning for a new one.
p_enabled: whether it is told at all; true for a new one.
target: the name of the target.
minimum_severity: from which severity on it is told.
enabled: whether it is told at all.
Raises: OR101.
Example: select * from orchestrator.set_alert_target(''ops'', ''critical'');';

CREATE FUNCTION orchestrator.set_capacity(p_instance_id text, p_max_streams integer) RETURNS TABLE(instance_id text, max_streams integer, assigned_streams integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.set_capacity(p_instance_id text, p_max_streams integer) IS 'Change how many streams an instance may have, until it registers with another number. What it holds above that is handed over.
p_instance_id: the instance.
p_max_streams: its capacity, 1 to 1000.
instance_id: the instance.
max_streams: its capacity now.
assigned_streams: streams that it has.
Raises: OR101, OR103, 55P03.
Example: select * from orchestrator.set_capacity(''fingerv7-001'', 80);';

CREATE FUNCTION orchestrator.set_client_kind(p_instance_id text, p_kind text) RETURNS TABLE(instance_id text, kind text, can_be_moved boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.set_client_kind(p_instance_id text, p_kind text) IS 'Say what a client that asks for its streams over HTTP does with an answer. What nobody has said is learned from what it does. Streams of a comparing client can be moved while it lives; those of every other stay until it gives them back or ends.
p_instance_id: the instance.
p_kind: plain: starts what any answer names. first_answer_only: starts its first answer, and one stream of a later one at most. comparing: plain, and looks every half minute which streams are its own and stops the others; only the plain host of the server module does so, and the old host looks the same and does not. learned: forget what was said.
instance_id: the instance.
kind: what is taken for true now.
can_be_moved: whether its streams can be moved while it lives.
Raises: OR101, OR103, 55P03.
Example: select * from orchestrator.set_client_kind(''server-1'', ''comparing'');';

CREATE FUNCTION orchestrator.set_instance_owner(p_instance_id text, p_role text, p_reason text DEFAULT NULL::text) RETURNS TABLE(instance_id text, login text, former_login text, status text, event_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.set_instance_owner(p_instance_id text, p_role text, p_reason text) IS 'Hand the name of an instance over to another login, or to a group role whose members share it. A process of a login that may not speak for it any more is refused from then on, and ends; start its successor within disconnect_grace, and it gets the same streams. A name that is free is kept for that role until it registers.
p_instance_id: the instance.
p_role: the login or group role that it belongs to from now on.
p_reason: why, for the record.
instance_id: the instance.
login: whose it is now.
former_login: whose it was.
status: its status, which this does not change.
event_id: the id of the event, for explain_event.
Raises: OR101, OR103, 55P03.
Example: select * from orchestrator.set_instance_owner(''fingerv7-001'', ''orchestrator_worker'', ''logins are rotated'');';

CREATE FUNCTION orchestrator.set_setting(p_name text, p_value text) RETURNS TABLE(name text, old_value text, value text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.set_setting(p_name text, p_value text) IS 'Change one setting. Its bounds and the inequalities between settings are checked; a change that breaks one is refused (OR108) and changes nothing.
p_name: the setting.
p_value: its new value, as text.
name: the setting.
old_value: its value before.
value: its value now.
Raises: OR107, OR108.
Example: select * from orchestrator.set_setting(''rebalance_cooldown'', ''10 minutes'');';

CREATE FUNCTION orchestrator.set_standby(p_stream_id bigint, p_standby boolean) RETURNS TABLE(stream_id bigint, standby boolean, has_one boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.set_standby(p_stream_id bigint, p_standby boolean) IS 'Say whether a stream is to have a standby: another instance that hears it, on another host, and owns it in the moment in which its owner is lost.
p_stream_id: the stream.
p_standby: true or false; null: as the setting standbys says.
stream_id: the stream.
standby: what is said now.
has_one: whether it has one at this moment; the job place_standbys looks every few seconds.
Raises: OR102, OR108, 55P03.
Example: select * from orchestrator.set_standby(1, true);';

CREATE FUNCTION orchestrator.set_stream_active(p_stream_id bigint, p_active boolean) RETURNS TABLE(stream_id bigint, state text, instance_id text, event_id uuid)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.set_stream_active(p_stream_id bigint, p_active boolean) IS 'Switch a station off (it is taken from its owner) or on (it is placed again). Off and on at once it stays where it was, under a new epoch.
p_stream_id: the stream.
p_active: true for on.
stream_id: the stream.
state: idle, waiting, assigned or running.
instance_id: the instance that has it now.
event_id: the id of the event, for explain_event.
Raises: OR101, OR102, 55P03.
Example: select * from orchestrator.set_stream_active(1, false);';

CREATE FUNCTION orchestrator.signs_of_life() RETURNS TABLE(server_id text, last_ts bigint, ip_address text, processing_streams integer, processing_stream_names text[], cpu_percent double precision, memory_percent double precision)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.signs_of_life() IS 'Return each living instance as older dashboards know it from Redis, workers too. A driver writes these there each minute, where REDIS_URL is set.
server_id: its name, as it says it itself.
last_ts: when it was last heard, in whole seconds since 1970.
ip_address: where it is, as far as that is known.
processing_streams: how many streams it hears by the books.
processing_stream_names: their names.
cpu_percent: how busy its host is, as it said last; null when it did not say.
memory_percent: how much memory is used there, the same.
Example: select server_id, processing_streams from orchestrator.signs_of_life();';

CREATE FUNCTION orchestrator.sources_due(p_source text DEFAULT NULL::text) RETURNS TABLE(source text, conninfo text, table_name text, column_map jsonb, read_at timestamp with time zone, network_timeout interval, consecutive_failures integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.sources_due(p_source text) IS 'Return the tables that are to be read now, or the one named. A source that failed is left alone for longer each time, up to ten minutes.
p_source: the source to read, due or not; null: all that are due.
source: the name of the source.
conninfo: where it is, without a password.
table_name: the table there.
column_map: columns that have other names than the known ones.
read_at: the moment of reading, which sync_streams wants to know.
network_timeout: how long a network operation may take.
consecutive_failures: failures of this source in a row.
Raises: OR101, OR107.
Example: select source, conninfo, table_name from orchestrator.sources_due(''production'');';

CREATE FUNCTION orchestrator.station_problems(p_stations jsonb) RETURNS TABLE(place integer, problem text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.station_problems(p_stations jsonb) IS 'Say which rows of a list cannot be stations, and why. sync_streams skips such rows, and add_stream refuses them. Nothing is added.
p_stations: a JSON array of objects with the keys url, external_id, name, region and metadata, all but the first optional.
place: the place of the row in the array; the first is 1.
problem: what is wrong with it.
Raises: OR101.
Example: select * from orchestrator.station_problems(''[{"url": "http://radio.example.org/8"}, {"url": "http://radio.example.org:99999"}]'');';

CREATE FUNCTION orchestrator.suspend_instance(p_instance_id text, p_incarnation bigint, p_for interval, p_force boolean DEFAULT false) RETURNS TABLE(suspended_until timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.suspend_instance(p_instance_id text, p_incarnation bigint, p_for interval, p_force boolean) IS 'Keep the streams of this instance for it until it registers again, for a planned restart. Its next process may register at once, so one that stops by itself (on_isolation = stop) says this when every handler has ended.
p_instance_id: the instance.
p_incarnation: its incarnation, as register_instance returned it.
p_for: for how long, at most heartbeat_timeout.
p_force: true lets an administrator say it for an instance that stops by itself and may still run.
suspended_until: until when they are kept.
Raises: OR101, OR103, OR106, OR301, OR407, 55P03.
Example: select * from orchestrator.suspend_instance(''fingerv7-001'', 1, ''2 minutes'');';

CREATE FUNCTION orchestrator.sync_streams(p_source text, p_batch uuid, p_force boolean DEFAULT false, p_read_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_keep_vanished boolean DEFAULT false, p_event_id uuid DEFAULT NULL::uuid) RETURNS TABLE(inserted integer, updated integer, activated integer, deactivated integer, removed integer, unchanged integer, skipped integer, reconnected integer, superseded boolean, skipped_rows jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.sync_streams(p_source text, p_batch uuid, p_force boolean, p_read_at timestamp with time zone, p_keep_vanished boolean, p_event_id uuid) IS 'Make the streams of a source equal to a staged batch, in one merge: new rows become waiting streams, changed ones are updated, inactive ones taken from their owners, vanished ones removed. A new address gets a new epoch. Rows that cannot be stations (station_problems says why) are skipped and leave their streams as they are.
p_source: the source.
p_batch: the batch, copied into stream_staging before; its rows are deleted when the merge succeeds.
p_force: true goes through although more than max_removed_part of the streams would be lost (OR406); an empty batch is refused even so.
p_read_at: when the source was read, by the clock of this database. A batch older than the last one merged is left out. Null: now.
p_keep_vanished: true keeps streams that the batch does not have, as for lists that add up.
p_event_id: the event id of the job run that this is a part of.
inserted: streams that are new.
updated: streams that were changed.
activated: streams that were switched on.
deactivated: streams that were switched off.
removed: streams that were removed.
unchanged: streams that stayed as they were.
skipped: rows that could not be used.
reconnected: streams whose address changed and whose owner connects again.
superseded: true when a newer reading was merged before.
skipped_rows: the first rows that could not be used, and why.
Raises: OR101, OR107, OR109, OR406, 55P03.
Example: select inserted, updated, removed, unchanged from orchestrator.sync_streams(''night'', ''6f1c8a52-3c7e-4c44-9d0e-0a8f5b1c2d3e'');';

CREATE FUNCTION orchestrator.undrain_instance(p_instance_id text) RETURNS TABLE(instance_id text, status text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.undrain_instance(p_instance_id text) IS 'End a drain. The instance may have streams again.
p_instance_id: the instance.
instance_id: the instance.
status: its status now.
Raises: OR103, 55P03.
Example: select * from orchestrator.undrain_instance(''fingerv7-001'');';

CREATE FUNCTION orchestrator.unpin_stream(p_stream_id bigint) RETURNS TABLE(stream_id bigint, was_pinned_to text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.unpin_stream(p_stream_id bigint) IS 'Let balancing move a stream again.
p_stream_id: the stream.
stream_id: the stream.
was_pinned_to: the instance that it was pinned to; null when it was not.
Raises: OR102, 55P03.
Example: select * from orchestrator.unpin_stream(1);';

CREATE FUNCTION orchestrator.what_if(p_without text[] DEFAULT '{}'::text[], p_with jsonb DEFAULT '{}'::jsonb, p_capacity jsonb DEFAULT '{}'::jsonb) RETURNS TABLE(instance_id text, change text, capacity_before integer, capacity_after integer, streams_before integer, streams_after integer, gained integer, lost integer, moves integer, least_moves integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.what_if(p_without text[], p_with jsonb, p_capacity jsonb) IS 'Say what would become of the streams without some instances, with new ones, or with other capacities. Nothing is changed: it is done and taken back.
p_without: instances that would be gone for good.
p_with: instances that would come: {"new": 100}, or {"new": {"max_streams": 100, "location": "south", "capabilities": […]}}.
p_capacity: other capacities: {"fingerv7-001": 80}.
instance_id: the instance; null in the row that counts the streams that wait.
change: new, without or capacity; null for an instance that stays as it is.
capacity_before: its capacity now.
capacity_after: its capacity then.
streams_before: its streams now.
streams_after: its streams then.
gained: streams that would come to it.
lost: streams that would leave it.
moves: moves in all.
least_moves: the least number of moves that reaches the same loads.
Raises: OR101, OR103, 55P03.
Example: select instance_id, change, streams_before, streams_after from orchestrator.what_if(p_without => ''{fingerv7-002}'');';

CREATE FUNCTION orchestrator.witnesses_due() RETURNS TABLE(source text, witness text, conninfo text, table_name text, after_id bigint, read_at timestamp with time zone, network_timeout interval, consecutive_failures integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '5s'
    SET jit TO 'off'
    SET "DateStyle" TO 'ISO, MDY'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    SET array_nulls TO 'on'
    SET quote_all_identifiers TO 'off'
    SET standard_conforming_strings TO 'on'
    SET transform_null_equals TO 'off'
    AS …;

COMMENT ON FUNCTION orchestrator.witnesses_due() IS 'Return the tables beside the stations of sources that are to be read now, for what they tell of clients. One that failed is left alone for longer each time, up to ten minutes.
source: the name of the source.
witness: heartbeats or music_log.
conninfo: where it is, without a password.
table_name: the table there.
after_id: of music_log only rows beyond this id are new; null: none is, only the newest id is wanted.
read_at: the moment of reading, which is handed back with what was read.
network_timeout: how long a network operation may take.
consecutive_failures: failures of this witness in a row.
Example: select source, witness, table_name from orchestrator.witnesses_due();';

CREATE FUNCTION orchestrator_private.abandon_deliveries() RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.abandon_deliveries() IS 'What has been "sending" for two minutes was lost with its driver: it is unknown whether it went out, and it is not sent twice. What could not be sent for a day has failed.';

CREATE FUNCTION orchestrator_private.account_for_another_database() RETURNS trigger
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.account_for_another_database() IS 'After a restore or a promotion what was heard since the last sign in this database is not known.';

CREATE FUNCTION orchestrator_private.account_for_assignments() RETURNS trigger
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS …;

COMMENT ON FUNCTION orchestrator_private.account_for_assignments() IS 'Notes since when streams should be heard, are heard, and are not.';

CREATE FUNCTION orchestrator_private.account_for_lost_instance() RETURNS trigger
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS …;

COMMENT ON FUNCTION orchestrator_private.account_for_lost_instance() IS 'Notes that the streams of an instance that is gone are not heard: uncertain from its last beat, certain from the end of its session or from now.';

CREATE FUNCTION orchestrator_private.activate_streams(p_stream_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.activate_streams(p_stream_ids bigint[]) IS 'Let those of these streams that are active and idle wait for an instance, from the moment on at which they may be given to one.';

CREATE FUNCTION orchestrator_private.active_between(p_from timestamp with time zone, p_to timestamp with time zone) RETURNS TABLE(active_time_id bigint, stream_id bigint, began_at timestamp with time zone, ended_at timestamp with time zone, last_owner text)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.active_between(p_from timestamp with time zone, p_to timestamp with time zone) IS 'When streams should have been heard within a time that is not later than now.';

CREATE FUNCTION orchestrator_private.actor() RETURNS text
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.actor() IS 'The login behind this call and the program that it names.';

CREATE FUNCTION orchestrator_private.add_assignments(p_stream_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.add_assignments(p_stream_ids bigint[]) IS 'Begin the lives of these streams: they wait, or are idle while they are not active; from when on they may be given to an instance says free_at.';

CREATE FUNCTION orchestrator_private.add_commands(p_instance_id text, p_only_unconfirmed boolean) RETURNS TABLE(action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.add_commands(p_instance_id text, p_only_unconfirmed boolean) IS 'Streams that an instance should be running: all, or those it has not confirmed.';

CREATE FUNCTION orchestrator_private.add_missing_rows() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.add_missing_rows() IS 'Gives every instance its counters and its heartbeat, every stream its assignment.';

CREATE FUNCTION orchestrator_private.unusual_address_problem(p_url text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.unusual_address_problem(p_url text) IS 'Why a text cannot be the address of a station, one rule after the other.';

CREATE FUNCTION orchestrator_private.address_problem(p_url text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.address_problem(p_url text) IS 'Why a text cannot be the address of a station: http or https, with a host, at most 2000 bytes; null when it can.';

CREATE FUNCTION orchestrator_private.adopt_ownerships(p_stream_ids bigint[], p_above bigint[] DEFAULT NULL::bigint[], p_run_above boolean DEFAULT false) RETURNS text[]
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.adopt_ownerships(p_stream_ids bigint[], p_above bigint[], p_run_above boolean) IS 'New epochs for the owners of these streams, who go on with them; above those that are given, if any are, under which they may say that they run them. Hand-overs go on. Returns the owners, present and next.';

CREATE FUNCTION orchestrator_private.alert_conditions() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.alert_conditions() IS 'What is wrong now, one row per alert that should be open.';

CREATE TABLE orchestrator_private.alert (
    alert_id bigint NOT NULL,
    code text NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    severity text NOT NULL,
    message text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    acknowledged_at timestamp with time zone,
    acknowledged_by text,
    resolved_at timestamp with time zone,
    reminded_at timestamp with time zone,
    reminders integer DEFAULT 0 NOT NULL,
    event_id uuid,
    CONSTRAINT severity_is_known CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text])))
);

COMMENT ON TABLE orchestrator_private.alert IS 'An open or closed alert. Per code and subject at most one is open.';

COMMENT ON COLUMN orchestrator_private.alert.reminders IS 'How often it was told again while it was not acknowledged.';

COMMENT ON COLUMN orchestrator_private.alert.event_id IS 'The decision or job run that it is about, else what opened it. Null: before there were any.';

CREATE FUNCTION orchestrator_private.alert_is_open(p_code text, p_subject text) RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.alert_is_open(p_code text, p_subject text) IS 'Whether this alert is open.';

CREATE FUNCTION orchestrator_private.alerts_named(p_alert_ids bigint[]) RETURNS jsonb
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.alerts_named(p_alert_ids bigint[]) IS 'Alerts by their codes and subjects; null for none.';

CREATE FUNCTION orchestrator_private.all_findings() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.all_findings() IS 'What every part of the diagnosis has found, in no order.';

CREATE FUNCTION orchestrator_private.answer_failure(p_decision_id bigint, p_stream_id bigint, p_instance_id text, p_rule text, p_trigger text, p_error text) RETURNS bigint
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.answer_failure(p_decision_id bigint, p_stream_id bigint, p_instance_id text, p_rule text, p_trigger text, p_error text) IS 'A stream failed too often where it is: its station is blamed, or it is handed over, or it stays. Returns the decision, opened when there was none.';

CREATE TABLE orchestrator_private.decision (
    decision_id bigint NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    rule text NOT NULL,
    trigger text NOT NULL,
    actor text NOT NULL,
    reason text,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    moves integer DEFAULT 0 NOT NULL,
    least_moves integer DEFAULT 0 NOT NULL,
    still_waiting integer,
    duration interval,
    event_id uuid,
    CONSTRAINT moves_are_not_negative CHECK (((moves >= 0) AND (least_moves >= 0)))
);

COMMENT ON TABLE orchestrator_private.decision IS 'One decision: which rule, what set it off, who, the loads and thresholds at that moment, the moves made and the least number that could have reached the same balance.';

COMMENT ON COLUMN orchestrator_private.decision.event_id IS 'What happened in one transaction has one id. Null: before there were any.';

CREATE FUNCTION orchestrator_private.answer_stalls() RETURNS orchestrator_private.decision
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.answer_stalls() IS 'Hand streams that stay silent over to others, or blame their stations.';

CREATE TABLE orchestrator_private.instance (
    instance_id text NOT NULL,
    status text NOT NULL,
    status_event text NOT NULL,
    status_changed_at timestamp with time zone NOT NULL,
    incarnation bigint DEFAULT 1 NOT NULL,
    max_streams integer NOT NULL,
    capabilities text[] DEFAULT ARRAY['audio_fingerprinting'::text] NOT NULL,
    version text,
    location text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    owner_role name NOT NULL,
    lease interval,
    process text,
    session_key bigint,
    session_lost_at timestamp with time zone,
    suspended_until timestamp with time zone,
    standing_order text,
    lost_by_decision_id bigint,
    registered_at timestamp with time zone NOT NULL,
    stop_within interval,
    crashes integer DEFAULT 0 NOT NULL,
    losses integer DEFAULT 0 NOT NULL,
    last_lost_at timestamp with time zone,
    probation_until timestamp with time zone,
    probation_event_id uuid,
    is_unusual boolean GENERATED ALWAYS AS (((status <> 'removed'::text) AND ((status = 'inactive'::text) OR (session_lost_at IS NOT NULL) OR (suspended_until IS NOT NULL) OR (probation_until IS NOT NULL) OR (crashes > 0) OR (losses > 0)))) STORED NOT NULL,
    is_living boolean GENERATED ALWAYS AS ((status <> ALL (ARRAY['inactive'::text, 'removed'::text]))) STORED NOT NULL,
    is_placeable boolean GENERATED ALWAYS AS ((status = ANY (ARRAY['registered'::text, 'active'::text, 'recovering'::text]))) STORED NOT NULL,
    placement text DEFAULT 'push'::text NOT NULL,
    stops_streams boolean DEFAULT false NOT NULL,
    keeps_streams boolean GENERATED ALWAYS AS ((((placement = 'pull'::text) AND (NOT stops_streams)) OR COALESCE(((metadata -> 'keeps_streams'::text) = 'true'::jsonb), false))) STORED NOT NULL,
    owner_oid oid,
    name_is_reserved boolean DEFAULT false NOT NULL,
    CONSTRAINT can_fingerprint_audio CHECK (('audio_fingerprinting'::text = ANY (capabilities))),
    CONSTRAINT crashes_and_losses_are_counts CHECK (((crashes >= 0) AND (losses >= 0))),
    CONSTRAINT incarnation_is_positive CHECK ((incarnation > 0)),
    CONSTRAINT instance_id_is_a_name CHECK ((instance_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$'::text)),
    CONSTRAINT it_stops_before_its_lease_is_over CHECK (((stop_within > '00:00:00'::interval) AND (stop_within < lease))),
    CONSTRAINT lease_is_positive CHECK ((lease > '00:00:00'::interval)),
    CONSTRAINT max_streams_is_in_range CHECK (((max_streams >= 1) AND (max_streams <= 1000))),
    CONSTRAINT metadata_is_an_object CHECK ((jsonb_typeof(metadata) = 'object'::text)),
    CONSTRAINT placement_is_known CHECK ((placement = ANY (ARRAY['push'::text, 'pull'::text]))),
    CONSTRAINT standing_order_is_known CHECK ((standing_order = ANY (ARRAY['drain'::text, 'stay away'::text]))),
    CONSTRAINT status_is_known CHECK ((status = ANY (ARRAY['registered'::text, 'active'::text, 'warning'::text, 'inactive'::text, 'recovering'::text, 'draining'::text, 'removed'::text])))
);

COMMENT ON TABLE orchestrator_private.instance IS 'A worker process, by its name. The row outlives the process: incarnation counts its lives.';

COMMENT ON COLUMN orchestrator_private.instance.status_event IS 'The event of the state machine that led to the present status.';

COMMENT ON COLUMN orchestrator_private.instance.incarnation IS 'Grows each time a new process registers under this name; a call with an old one is refused (OR301).';

COMMENT ON COLUMN orchestrator_private.instance.owner_role IS 'The login or group role that the name belongs to.';

COMMENT ON COLUMN orchestrator_private.instance.lease IS 'The instance''s own limit of silence instead of heartbeat_timeout; no rule declares it lost before.';

COMMENT ON COLUMN orchestrator_private.instance.process IS 'Which process registered (metadata key "process"): the same one may register again at any time.';

COMMENT ON COLUMN orchestrator_private.instance.session_key IS 'Key of the advisory lock that the attached session holds; null when none is attached (HTTP, poolers, psql).';

COMMENT ON COLUMN orchestrator_private.instance.session_lost_at IS 'Since when the lock of the attached session is gone; null while it is held.';

COMMENT ON COLUMN orchestrator_private.instance.suspended_until IS 'A planned restart: no rule declares the instance lost before.';

COMMENT ON COLUMN orchestrator_private.instance.standing_order IS 'An administrator''s order that outlives registrations: "drain" gets no streams, "stay away" may not register.';

COMMENT ON COLUMN orchestrator_private.instance.lost_by_decision_id IS 'The decision that gave its streams to others when it was lost; tells what to take from it when it comes back.';

COMMENT ON COLUMN orchestrator_private.instance.stop_within IS 'on_isolation = stop: so long after the last beat that was accepted all its handlers have stopped, by its own clock. Null: they go on.';

COMMENT ON COLUMN orchestrator_private.instance.crashes IS 'How many of its processes in a row ended young and without a goodbye.';

COMMENT ON COLUMN orchestrator_private.instance.losses IS 'How often in a row it was declared lost, each time soon after the last.';

COMMENT ON COLUMN orchestrator_private.instance.last_lost_at IS 'When it was last declared lost.';

COMMENT ON COLUMN orchestrator_private.instance.probation_until IS 'It came and went too often: until then it gets streams only when no other has room.';

COMMENT ON COLUMN orchestrator_private.instance.probation_event_id IS 'What began its last probation: a loss, or its new registration after a crash.';

COMMENT ON COLUMN orchestrator_private.instance.is_unusual IS 'Whether there is more to look at than its last beat and its session: it is lost, restarts, is on probation, or has crashes or losses that will be forgotten.';

COMMENT ON COLUMN orchestrator_private.instance.is_living IS 'Whether its status is that of a process which is there: neither lost nor removed.';

COMMENT ON COLUMN orchestrator_private.instance.is_placeable IS 'Whether its status lets it be given streams: it is there, not late and not draining. A standing order, a suspension or a probation may still keep them away.';

COMMENT ON COLUMN orchestrator_private.instance.placement IS 'How it is given streams. push: whenever a decision is made, and it hears of it. pull: in the answer to its own ask only; what it has cannot be moved while it lives.';

COMMENT ON COLUMN orchestrator_private.instance.stops_streams IS 'An administrator has said that this client, which asks for its streams, stops what is taken from it.';

COMMENT ON COLUMN orchestrator_private.instance.keeps_streams IS 'It hears on what is taken from it: a client that is given streams in the answer to its own ask only, unless an administrator has said that it stops what is taken from it; or a worker that said so when it registered (metadata key "keeps_streams"). Nothing is moved off it while it lives.';

COMMENT ON COLUMN orchestrator_private.instance.owner_oid IS 'The oid that this role had when the name became its own: by it a role that was renamed is found, when no role has its old name.';

COMMENT ON COLUMN orchestrator_private.instance.name_is_reserved IS 'The name is free, but an administrator gave it to a role since: that role alone may register under it next.';

CREATE FUNCTION orchestrator_private.any_instance_is_placeable() RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.any_instance_is_placeable() IS 'Whether any instance may be given streams.';

CREATE TABLE orchestrator_private.plan (
    plan_id bigint NOT NULL,
    planned_at timestamp with time zone NOT NULL,
    planned_by text NOT NULL,
    fingerprint text NOT NULL,
    applied_by_decision_id bigint
);

COMMENT ON TABLE orchestrator_private.plan IS 'A rebalance that was shown and not yet made. It can be applied while the state has the same fingerprint.';

CREATE FUNCTION orchestrator_private.applicable_plan(p_plan_id bigint) RETURNS orchestrator_private.plan
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.applicable_plan(p_plan_id bigint) IS 'The plan, while the fleet is as it was made for; else OR107 or OR403.';

CREATE FUNCTION orchestrator_private.apply_acknowledgement(p_instance_id text, p_incarnation bigint, p_started bigint[], p_started_epochs bigint[], p_stopped bigint[], p_failed jsonb, p_stopped_epochs bigint[]) RETURNS TABLE(started integer, stopped integer, failed integer, ignored integer)
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.apply_acknowledgement(p_instance_id text, p_incarnation bigint, p_started bigint[], p_started_epochs bigint[], p_stopped bigint[], p_failed jsonb, p_stopped_epochs bigint[]) IS 'Confirm starts and stops and record failures; how many of each concerned this instance, and how many did not.';

CREATE FUNCTION orchestrator_private.apply_status_event(p_instance orchestrator_private.instance, p_report orchestrator_private.report) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.apply_status_event(p_instance orchestrator_private.instance, p_report orchestrator_private.report) IS 'An instance that was late, lost, new or suspended is heard, or one asks to be drained.';

CREATE FUNCTION orchestrator_private.apply_what_if_changes(p_without text[], p_with jsonb, p_capacity jsonb) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.apply_what_if_changes(p_without text[], p_with jsonb, p_capacity jsonb) IS 'Make it so.';

CREATE FUNCTION orchestrator_private.as_bigint(p_value jsonb) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.as_bigint(p_value jsonb) IS 'An id out of a report; OR101 when it is none.';

CREATE FUNCTION orchestrator_private.ask_standbys() RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.ask_standbys() IS 'Stalled streams that their standbys hear are theirs; of those that these do not hear, either, the stations are at fault.';

CREATE TABLE orchestrator_private.pull_client (
    instance_id text NOT NULL,
    name text NOT NULL,
    dialect text NOT NULL,
    address text,
    peer text,
    capacity bigint NOT NULL,
    registered_at timestamp with time zone NOT NULL,
    is_fresh boolean DEFAULT true NOT NULL,
    has_left boolean DEFAULT false NOT NULL,
    is_asking boolean DEFAULT false NOT NULL,
    asked_at timestamp with time zone,
    beat_at timestamp with time zone,
    answered_at timestamp with time zone,
    refused_at timestamp with time zone,
    list_length bigint DEFAULT 0 NOT NULL,
    came_with bigint DEFAULT 0 NOT NULL,
    kind text,
    kind_is_set boolean DEFAULT false NOT NULL,
    probed_at timestamp with time zone,
    rival_address text,
    rival_at timestamp with time zone,
    stray_address text,
    stray_at timestamp with time zone,
    stray_load bigint,
    CONSTRAINT dialect_of_a_pull_client_is_known CHECK ((dialect = ANY (ARRAY['server'::text, 'worker'::text]))),
    CONSTRAINT kind_of_client_is_known CHECK ((kind = ANY (ARRAY['plain'::text, 'first_answer_only'::text, 'comparing'::text])))
)
WITH (fillfactor='50');

COMMENT ON TABLE orchestrator_private.pull_client IS 'A client that asks for its streams: who it is, when it spoke, and how long its own list of streams is as far as its words tell.';

COMMENT ON COLUMN orchestrator_private.pull_client.name IS 'Its name as it sends it; instance_id is made of it where it is longer or holds other characters.';

COMMENT ON COLUMN orchestrator_private.pull_client.address IS 'The ip and port that its registration named.';

COMMENT ON COLUMN orchestrator_private.pull_client.peer IS 'The network address that its registration came from.';

COMMENT ON COLUMN orchestrator_private.pull_client.capacity IS 'How many streams it said that it takes. The number that it asks for is this less the length of its list.';

COMMENT ON COLUMN orchestrator_private.pull_client.is_fresh IS 'It has registered and its first ask has not been answered: what it is given now, it starts.';

COMMENT ON COLUMN orchestrator_private.pull_client.has_left IS 'It gave back all that it had, which is its goodbye: it is given nothing before it registers again.';

COMMENT ON COLUMN orchestrator_private.pull_client.is_asking IS 'It asks every few seconds; else it only beats.';

COMMENT ON COLUMN orchestrator_private.pull_client.answered_at IS 'When it was last given streams.';

COMMENT ON COLUMN orchestrator_private.pull_client.refused_at IS 'When it was last answered with an error: it may not speak for a while, and runs on.';

COMMENT ON COLUMN orchestrator_private.pull_client.list_length IS 'How many entries its list has if it received the last answer; the next ask shows it.';

COMMENT ON COLUMN orchestrator_private.pull_client.came_with IS 'The length of the list that it began this life with, where none of it was given here.';

COMMENT ON COLUMN orchestrator_private.pull_client.kind IS 'plain: starts what any answer names. first_answer_only: starts the streams of its first answer, and one of a later one at most. comparing: plain, and stops what is not its own any more, which only an administrator can say. Null: not known yet.';

COMMENT ON COLUMN orchestrator_private.pull_client.kind_is_set IS 'An administrator has said so; otherwise it was learned from what the client did.';

COMMENT ON COLUMN orchestrator_private.pull_client.probed_at IS 'When it was given one stream to see whether it starts more than its first answer.';

COMMENT ON COLUMN orchestrator_private.pull_client.rival_address IS 'Where another process tried to register this name from while this one lived.';

COMMENT ON COLUMN orchestrator_private.pull_client.stray_address IS 'Where words in its name came from that were not its own.';

COMMENT ON COLUMN orchestrator_private.pull_client.stray_load IS 'The number of streams that those words spoke of.';

CREATE FUNCTION orchestrator_private.ask_workers_for(p_client orchestrator_private.pull_client, p_most bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.ask_workers_for(p_client orchestrator_private.pull_client, p_most bigint) IS 'Let workers hand over to a client that has just begun what they have beyond their shares. Whether any is on its way.';

CREATE FUNCTION orchestrator_private.assign_standbys(p_stream_ids bigint[], p_instance_ids text[], p_change text) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.assign_standbys(p_stream_ids bigint[], p_instance_ids text[], p_change text) IS 'These instances are to hear these streams as their standbys, each under a new number.';

CREATE FUNCTION orchestrator_private.assign_streams(p_requirement_id integer, p_count bigint, p_last_resort boolean, p_without text[] DEFAULT '{}'::text[]) RETURNS text[]
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.assign_streams(p_requirement_id integer, p_count bigint, p_last_resort boolean, p_without text[]) IS 'One instance id per stream of a requirement that can be taken, up to a count, without those instances: its region first under the strategy location, instances on probation last if at all.';

CREATE FUNCTION orchestrator_private.assignment_event(p_from_state text, p_to_state text, p_from_id text, p_to_id text, p_old_next_id text, p_next_id text, p_epochs bigint, p_old_make_before_break boolean, p_make_before_break boolean) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.assignment_event(p_from_state text, p_to_state text, p_from_id text, p_to_id text, p_old_next_id text, p_next_id text, p_epochs bigint, p_old_make_before_break boolean, p_make_before_break boolean) IS 'The name of an assignment''s step by what changed: its states, owners, next owners, the growth of its epoch, how its hand-over goes. Null: no such step.';

CREATE TABLE orchestrator_private.job (
    job text NOT NULL,
    schedule text NOT NULL,
    function_name text NOT NULL,
    runs_in text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    timeout interval DEFAULT '00:00:30'::interval NOT NULL,
    next_run_at timestamp with time zone NOT NULL,
    claimed_by text,
    claimed_until timestamp with time zone,
    last_started_at timestamp with time zone,
    last_duration interval,
    last_outcome text,
    last_result jsonb,
    runs bigint DEFAULT 0 NOT NULL,
    failures bigint DEFAULT 0 NOT NULL,
    consecutive_failures integer DEFAULT 0 NOT NULL,
    description text NOT NULL,
    duration_counts bigint[],
    duration_sum double precision DEFAULT 0 NOT NULL,
    lag_counts bigint[],
    lag_sum double precision DEFAULT 0 NOT NULL,
    CONSTRAINT runs_in_is_known CHECK ((runs_in = ANY (ARRAY['database'::text, 'driver'::text]))),
    CONSTRAINT timeout_is_positive CHECK ((timeout > '00:00:00'::interval))
)
WITH (fillfactor='50');

COMMENT ON TABLE orchestrator_private.job IS 'A periodic job. Schedule: an interval such as 1 second, or five cron fields in UTC. A job of the database is a function; a job of the driver needs the outside world and runs in Python.';

COMMENT ON COLUMN orchestrator_private.job.duration_counts IS 'How many runs took how long: the buckets of orchestrator_job_duration_seconds.';

COMMENT ON COLUMN orchestrator_private.job.duration_sum IS 'How many seconds all runs took.';

COMMENT ON COLUMN orchestrator_private.job.lag_counts IS 'How many runs began how late: the buckets of orchestrator_job_lag_seconds.';

COMMENT ON COLUMN orchestrator_private.job.lag_sum IS 'How many seconds all runs began after they were due.';

CREATE FUNCTION orchestrator_private.attempt_job(p_job orchestrator_private.job, OUT result jsonb, OUT error jsonb) RETURNS record
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.attempt_job(p_job orchestrator_private.job, OUT result jsonb, OUT error jsonb) IS 'Run a job of the database; what it changed is undone when it fails, and the error is returned.';

CREATE FUNCTION orchestrator_private.authorize_instance(p_instance_id text, p_incarnation bigint) RETURNS orchestrator_private.instance
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.authorize_instance(p_instance_id text, p_incarnation bigint) IS 'The instance, when this login and this incarnation may speak for it; else OR103, OR106 or OR301.';

CREATE FUNCTION orchestrator_private.authorize_name(p_instance_id text) RETURNS void
    LANGUAGE plpgsql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.authorize_name(p_instance_id text) IS 'Refuse to speak in the name of an instance of another login, whichever way it is given streams.';

CREATE FUNCTION orchestrator_private.await_owners(p_stream_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.await_owners(p_stream_ids bigint[]) IS 'From now on these streams wait for an instance.';

CREATE FUNCTION orchestrator_private.await_promises(p_decision_id bigint, p_instance_ids text[], p_reason text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.await_promises(p_decision_id bigint, p_instance_ids text[], p_reason text) IS 'Those of these instances, which are gone by order or by word, that may still run their streams: these are taken from them, and wait until they have stopped.';

CREATE FUNCTION orchestrator_private.await_restarts(p_instance_id text, p_stream_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.await_restarts(p_instance_id text, p_stream_ids bigint[]) IS 'Their owner has stopped these streams and keeps them (their hand-over was called off too late): it is to start them again.';

CREATE FUNCTION orchestrator_private.balancing_is_frozen() RETURNS boolean
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.balancing_is_frozen() IS 'Whether nothing may be moved for balance by itself: balancing is paused, or recovery mode is on.';

CREATE FUNCTION orchestrator_private.named_capabilities(p_required jsonb) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.named_capabilities(p_required jsonb) IS 'The names in a required_capabilities value (a JSON list, or one text with commas), as requirement keeps them.';

CREATE FUNCTION orchestrator_private.station_problem(p_url text, p_external_id text DEFAULT NULL::text, p_name text DEFAULT NULL::text, p_region text DEFAULT NULL::text, p_capabilities text[] DEFAULT NULL::text[], p_metadata jsonb DEFAULT NULL::jsonb) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.station_problem(p_url text, p_external_id text, p_name text, p_region text, p_capabilities text[], p_metadata jsonb) IS 'Why this cannot be a station: its address, and the lengths of what is kept of it; null when it can.';

CREATE UNLOGGED TABLE orchestrator.stream_staging (
    batch uuid NOT NULL,
    line integer NOT NULL,
    external_id text,
    name text,
    url text,
    active boolean,
    region text,
    metadata jsonb,
    staged_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    standby boolean
);

COMMENT ON TABLE orchestrator.stream_staging IS 'Where a synchronisation copies what a source holds, before sync_streams merges it. Administrators may insert and nothing else.';

COMMENT ON COLUMN orchestrator.stream_staging.standby IS 'Whether the stream is to have a standby; null says nothing about it.';

CREATE TABLE orchestrator_private.requirement (
    requirement_id integer NOT NULL,
    capabilities text[] NOT NULL,
    region text
);

COMMENT ON TABLE orchestrator_private.requirement IS 'What a stream asks of its instance: capabilities it must have (sorted, without audio_fingerprinting, which every instance has) and a region it would rather be in. Planning counts streams by these few kinds instead of reading each stream.';

CREATE FUNCTION orchestrator_private.batch_rows(p_batch uuid) RETURNS TABLE(line integer, external_id text, name text, url text, active boolean, region text, capabilities text[], requirement_id integer, metadata jsonb, problem text, standby boolean)
    LANGUAGE sql STABLE ROWS 10000
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS …;

COMMENT ON FUNCTION orchestrator_private.batch_rows(p_batch uuid) IS 'The rows of a staged batch as streams; problem says why a row cannot be used.';

CREATE TABLE orchestrator_private.assignment (
    stream_id bigint NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    instance_id text,
    next_instance_id text,
    state text DEFAULT 'waiting'::text NOT NULL,
    requirement_id integer NOT NULL,
    pinned_to text,
    decision_id bigint,
    assigned_at timestamp with time zone,
    waiting_since timestamp with time zone,
    releasing_since timestamp with time zone,
    make_before_break boolean DEFAULT false NOT NULL,
    next_epoch bigint,
    adopted_from bigint,
    CONSTRAINT a_next_owner_is_another CHECK ((next_instance_id <> instance_id)),
    CONSTRAINT a_next_owner_when_releasing CHECK (((next_instance_id IS NOT NULL) = (state = 'releasing'::text))),
    CONSTRAINT an_owner_when_held CHECK (((instance_id IS NOT NULL) = (state = ANY (ARRAY['assigned'::text, 'running'::text, 'releasing'::text])))),
    CONSTRAINT releasing_since_when_releasing CHECK (((releasing_since IS NOT NULL) = (state = 'releasing'::text))),
    CONSTRAINT state_is_known CHECK ((state = ANY (ARRAY['idle'::text, 'waiting'::text, 'assigned'::text, 'running'::text, 'releasing'::text]))),
    CONSTRAINT waiting_since_when_waiting CHECK (((waiting_since IS NOT NULL) = (state = 'waiting'::text)))
)
WITH (fillfactor='80');
ALTER TABLE ONLY orchestrator_private.assignment ALTER COLUMN decision_id SET (n_distinct=-0.01);

COMMENT ON TABLE orchestrator_private.assignment IS 'Who has a stream: one row per stream, so two owners cannot be written down. idle: the stream is inactive; waiting: no instance has room or the ability; assigned: given, not yet confirmed; running: confirmed; releasing: its owner was asked to stop.';

COMMENT ON COLUMN orchestrator_private.assignment.epoch IS 'Grows with each change of hands and each new incarnation of the owner. The fence compares it.';

COMMENT ON COLUMN orchestrator_private.assignment.next_instance_id IS 'During a hand-over: who gets the stream when its owner has stopped.';

COMMENT ON COLUMN orchestrator_private.assignment.decision_id IS 'The decision that last changed this row''s owner or started its hand-over.';

COMMENT ON COLUMN orchestrator_private.assignment.waiting_since IS 'Since when the stream waits for an instance; a moment to come while an instance that it was taken from may still be running it.';

COMMENT ON COLUMN orchestrator_private.assignment.make_before_break IS 'How its hand-over goes, read only while it is releasing. True: the next owner prepares, and the present one goes on until it has. False: the present one was asked to stop.';

COMMENT ON COLUMN orchestrator_private.assignment.next_epoch IS 'The highest epoch under which an instance was told to prepare the stream. It is given to that instance or to none.';

COMMENT ON COLUMN orchestrator_private.assignment.adopted_from IS 'The epoch under which its owner runs it, until it says that it has adopted the present one; null as a rule.';

CREATE TABLE orchestrator_private.stream (
    stream_id bigint NOT NULL,
    source text DEFAULT 'manual'::text NOT NULL,
    external_id text NOT NULL,
    name text NOT NULL,
    url text NOT NULL,
    active boolean DEFAULT true NOT NULL,
    region text,
    requirement_id integer NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    number bigint GENERATED ALWAYS AS (
CASE
    WHEN (external_id ~ '^(0|[1-9][0-9]{0,17})$'::text) THEN (external_id)::bigint
    ELSE NULL::bigint
END) STORED,
    standby boolean,
    CONSTRAINT name_is_not_empty CHECK ((name ~ '[^[:space:]]'::text)),
    CONSTRAINT stream_metadata_is_an_object CHECK ((jsonb_typeof(metadata) = 'object'::text)),
    CONSTRAINT url_is_http CHECK ((url ~* '^https?://[^[:space:]]+$'::text))
);

COMMENT ON TABLE orchestrator_private.stream IS 'A station: what is to be heard.';

COMMENT ON COLUMN orchestrator_private.stream.number IS 'Its id in its source as a number, by which clients that speak HTTP know it; null when it is none.';

COMMENT ON COLUMN orchestrator_private.stream.standby IS 'Whether it is to have a standby; null: as the setting standbys says.';

CREATE FUNCTION orchestrator_private.batch_changes(p_source text, p_batch uuid, p_keep_vanished boolean) RETURNS TABLE(changes integer, known integer, known_active integer, staged integer, inserted integer, unchanged integer, skipped integer, lost_active integer, refitted integer, unmet integer, removed bigint[], deactivated bigint[], activated bigint[], updated bigint[], rehosted bigint[], misfits bigint[], skipped_rows jsonb)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.batch_changes(p_source text, p_batch uuid, p_keep_vanished boolean) IS 'What a staged batch would change: counts, stream ids by kind of change, the first twenty rows that cannot be used.';

CREATE FUNCTION orchestrator_private.be_sure_of_database() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.be_sure_of_database() IS 'For who is about to say or to hear epochs without a decision: if this may be another database than it was, new ones are given first.';

CREATE FUNCTION orchestrator_private.begin_active_times(p_stream_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS …;

COMMENT ON FUNCTION orchestrator_private.begin_active_times(p_stream_ids bigint[]) IS 'From now on these streams should be heard; none hears them yet.';

CREATE FUNCTION orchestrator_private.begin_cold_start(p_client orchestrator_private.pull_client) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.begin_cold_start(p_client orchestrator_private.pull_client) IS 'Note when a fleet begins from nothing.';

CREATE FUNCTION orchestrator_private.begin_gaps(p_stream_ids bigint[], p_causes text[], p_instance_ids text[], p_began timestamp with time zone[], p_sure timestamp with time zone[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS …;

COMMENT ON FUNCTION orchestrator_private.begin_gaps(p_stream_ids bigint[], p_causes text[], p_instance_ids text[], p_began timestamp with time zone[], p_sure timestamp with time zone[]) IS 'These streams are no longer heard: since the last sign that they were (p_began), and certainly from p_sure on. A gap that is open goes on as what it began as.';

CREATE FUNCTION orchestrator_private.begin_generation() RETURNS trigger
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.begin_generation() IS 'Give all owners epochs of the new generation.';

CREATE FUNCTION orchestrator_private.begin_probation(p_instance_id text) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.begin_probation(p_instance_id text) IS 'An instance is here again: if it came and went too often, others are preferred to it for a while.';

CREATE FUNCTION orchestrator_private.best_instance(p_stream_id bigint) RETURNS text
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.best_instance(p_stream_id bigint) IS 'The other instance that would be least loaded with this one stream more, has what it takes and has not refused it.';

CREATE FUNCTION orchestrator_private.blame_station(p_stream_id bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.blame_station(p_stream_id bigint) IS 'Whether a stream that failed again has failed on so many instances, or all that are able, that it is its station''s own fault; if so that is noted.';

CREATE FUNCTION orchestrator_private.blame_station_for_silence(p_stream_id bigint, p_standby_id text) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.blame_station_for_silence(p_stream_id bigint, p_standby_id text) IS 'A station that neither its owner nor its standby hears is at fault.';

CREATE FUNCTION orchestrator_private.bring_into_region(p_decision_id bigint, p_most integer) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.bring_into_region(p_decision_id bigint, p_most integer) IS 'Under the strategy location: hand streams that are heard elsewhere over to instances of their region, as far as those have room.';

CREATE FUNCTION orchestrator_private.bring_pinned_home(p_decision_id bigint) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.bring_pinned_home(p_decision_id bigint) IS 'Give pinned streams back to the instance that they are pinned to, where it is there and has room.';

CREATE FUNCTION orchestrator_private.call_off(p_stream_ids bigint[]) RETURNS text[]
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.call_off(p_stream_ids bigint[]) IS 'End the hand-overs of these streams: their owners keep them under their epochs. Returns the owner of each.';

CREATE FUNCTION orchestrator_private.call_off_preparations(p_stream_ids bigint[]) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.call_off_preparations(p_stream_ids bigint[]) IS 'The next owners are not to be; the present ones, which never stopped, keep these streams under their epochs.';

CREATE FUNCTION orchestrator_private.caller_oid() RETURNS oid
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.caller_oid() IS 'The oid of the login behind this call.';

CREATE FUNCTION orchestrator_private.cancel_handovers_to(p_instance_ids text[]) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.cancel_handovers_to(p_instance_ids text[]) IS 'These instances do not become next owners: the present ones keep the streams under their epochs.';

CREATE FUNCTION orchestrator_private.candidates(p_stream_id bigint) RETURNS TABLE(instance_id text, streams integer, max_streams integer, excluded_by text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.candidates(p_stream_id bigint) IS 'Every instance, and what keeps it from having a stream; null: it could have it. The least loaded of those first.';

CREATE FUNCTION orchestrator_private.capacities_out_of_range() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.capacities_out_of_range() IS 'Alert, for each client whose capacity is none that an instance can have.';

CREATE FUNCTION orchestrator_private.capacity_of(p_given jsonb) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.capacity_of(p_given jsonb) IS 'A capacity from 1 to 1000, given as a number or as the key max_streams of an object; null when it is none.';

CREATE FUNCTION orchestrator_private.carry_repairs(p_instance_id text, p_is_same_process boolean) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.carry_repairs(p_instance_id text, p_is_same_process boolean) IS 'A process that could not be brought in step registers again (R3.2): that is recorded, too.';

CREATE FUNCTION orchestrator_private.cause_of_alert(p_code text, p_subject text) RETURNS uuid
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.cause_of_alert(p_code text, p_subject text) IS 'The event of the decision or job run that an alert is about; null when it is about none.';

CREATE FUNCTION orchestrator_private.cause_of_waiting() RETURNS uuid
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.cause_of_waiting() IS 'The event that left the stream that has waited for longest without an owner, or with a lost one.';

CREATE FUNCTION orchestrator_private.check_assignment_transition() RETURNS trigger
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_assignment_transition() IS 'Refuses a step that the life of an assignment does not have.';

CREATE FUNCTION orchestrator_private.check_balance() RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_balance() IS 'Job check_balance: rebalance by itself when loads differ by more than the thresholds.';

CREATE FUNCTION orchestrator_private.check_batch(p_source text, p_batch uuid) RETURNS void
    LANGUAGE plpgsql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_batch(p_source text, p_batch uuid) IS 'Refuses a staged batch whose ids are missing or doubled (OR109).';

CREATE FUNCTION orchestrator_private.check_clock() RETURNS TABLE(status text, finding text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_clock() IS 'Health of the server''s clock: whether it stepped within an hour.';

CREATE FUNCTION orchestrator_private.check_failures(p_failures jsonb) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_failures(p_failures jsonb) IS 'Refuse (OR101) a report of failures that cannot be read.';

CREATE FUNCTION orchestrator_private.check_instance_transition() RETURNS trigger
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_instance_transition() IS 'Refuses a change of status that the state machine does not have.';

CREATE FUNCTION orchestrator_private.check_instances() RETURNS TABLE(status text, finding text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_instances() IS 'Health of the fleet.';

CREATE FUNCTION orchestrator_private.check_integrity() RETURNS TABLE(status text, finding text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_integrity() IS 'Health of the record itself: all sums, and a recount of one part of the instances after the other. diagnose() recounts all of them.';

CREATE FUNCTION orchestrator_private.check_jobs() RETURNS TABLE(status text, finding text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_jobs() IS 'Health of the jobs: whether any driver is there and what it runs succeeds.';

CREATE TABLE orchestrator_private.source (
    source text NOT NULL,
    kind text NOT NULL,
    conninfo text,
    table_name text,
    column_map jsonb DEFAULT '{}'::jsonb NOT NULL,
    sync_interval interval DEFAULT '00:01:00'::interval NOT NULL,
    max_removed_part numeric DEFAULT 0.2 NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_attempt_at timestamp with time zone,
    last_success_at timestamp with time zone,
    last_result jsonb,
    last_error jsonb,
    consecutive_failures integer DEFAULT 0 NOT NULL,
    sync_counts bigint[],
    sync_sum double precision DEFAULT 0 NOT NULL,
    failure_event_id uuid,
    serves_http boolean DEFAULT true NOT NULL,
    CONSTRAINT a_table_has_an_address CHECK (((kind <> 'postgresql'::text) OR ((conninfo IS NOT NULL) AND (table_name IS NOT NULL)))),
    CONSTRAINT conninfo_has_no_password CHECK ((conninfo !~* 'password|:[^/@]*@'::text)),
    CONSTRAINT kind_is_known CHECK ((kind = ANY (ARRAY['manual'::text, 'list'::text, 'postgresql'::text]))),
    CONSTRAINT max_removed_part_is_a_part CHECK (((max_removed_part >= (0)::numeric) AND (max_removed_part <= (1)::numeric))),
    CONSTRAINT source_is_a_name CHECK ((source ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$'::text)),
    CONSTRAINT sync_interval_is_positive CHECK ((sync_interval >= '00:00:01'::interval))
);

COMMENT ON TABLE orchestrator_private.source IS 'Where streams come from. No password is kept here: libpq finds it in the environment or the password file of the program that synchronises.';

COMMENT ON COLUMN orchestrator_private.source.sync_counts IS 'How many synchronisations took how long, from reading to merged: the buckets of orchestrator_sync_duration_seconds.';

COMMENT ON COLUMN orchestrator_private.source.sync_sum IS 'How many seconds all synchronisations took.';

COMMENT ON COLUMN orchestrator_private.source.failure_event_id IS 'Its last synchronisation that failed.';

COMMENT ON COLUMN orchestrator_private.source.serves_http IS 'Whether clients that speak HTTP may be given its streams, by their ids in it.';

CREATE FUNCTION orchestrator_private.check_loss(p_source orchestrator_private.source, p_change jsonb, p_force boolean) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_loss(p_source orchestrator_private.source, p_change jsonb, p_force boolean) IS 'Refuses a batch that would lose too many of its source''s streams (OR406) or has no usable row (OR109).';

CREATE FUNCTION orchestrator_private.check_recovery() RETURNS TABLE(status text, finding text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_recovery() IS 'Health of the calls: how many fail, and whether that is so many that recovery mode is on.';

CREATE FUNCTION orchestrator_private.check_registration(p_instance_id text, p_max_streams integer, p_capabilities text[], p_version text, p_location text, p_lease interval, p_metadata jsonb, p_stop_within interval) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_registration(p_instance_id text, p_max_streams integer, p_capabilities text[], p_version text, p_location text, p_lease interval, p_metadata jsonb, p_stop_within interval) IS 'Refuse a registration that says impossible things.';

CREATE FUNCTION orchestrator_private.check_reported_streams(p_streams bigint[], p_epochs bigint[]) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_reported_streams(p_streams bigint[], p_epochs bigint[]) IS 'Refuse a full set that says impossible things.';

CREATE FUNCTION orchestrator_private.check_return(p_known orchestrator_private.instance, p_is_same_process boolean, p_takeover boolean, p_force boolean) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_return(p_known orchestrator_private.instance, p_is_same_process boolean, p_takeover boolean, p_force boolean) IS 'Refuse a registration under a name that is another login''s, barred or in use.';

CREATE FUNCTION orchestrator_private.check_schedule(p_schedule text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_schedule(p_schedule text) IS 'Refuse (OR101) what is no schedule.';

CREATE FUNCTION orchestrator_private.check_settings() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_settings() IS 'Refuse (OR108) settings that break the timing inequalities.';

CREATE FUNCTION orchestrator_private.check_source(p_source text, p_conninfo text, p_table_name text, p_column_map jsonb, p_sync_interval interval, p_max_removed_part numeric) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_source(p_source text, p_conninfo text, p_table_name text, p_column_map jsonb, p_sync_interval interval, p_max_removed_part numeric) IS 'Refuses what cannot be a source (OR101).';

CREATE FUNCTION orchestrator_private.check_sources() RETURNS TABLE(status text, finding text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_sources() IS 'Health of the sources.';

CREATE FUNCTION orchestrator_private.check_stalled(p_stalled jsonb) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_stalled(p_stalled jsonb) IS 'A data exception when the list of streams that a beat reports as silent cannot be read.';

CREATE FUNCTION orchestrator_private.check_standby_window() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_standby_window() IS 'Refuse (OR108) a window of standbys that is shorter than a loss can take to be noticed.';

CREATE FUNCTION orchestrator_private.check_streams() RETURNS TABLE(status text, finding text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_streams() IS 'Health of the assignments.';

CREATE FUNCTION orchestrator_private.check_what_if(p_without text[], p_with jsonb, p_capacity jsonb) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.check_what_if(p_without text[], p_with jsonb, p_capacity jsonb) IS 'Refuse (OR101, OR103) what cannot be supposed.';

CREATE FUNCTION orchestrator_private.claim_job(p_outside boolean) RETURNS orchestrator_private.job
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.claim_job(p_outside boolean) IS 'The most overdue job that no other session is running, locked until the end of the transaction.';

CREATE FUNCTION orchestrator_private.clients_with_unknown_lists() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.clients_with_unknown_lists() IS 'Alert, for each client whose own list holds streams that it was not given here: what it runs is not known.';

CREATE FUNCTION orchestrator_private.clock_went_back() RETURNS interval
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.clock_went_back() IS 'How far the clock went back since a job last began, at least; null when nothing says that it did.';

CREATE FUNCTION orchestrator_private.close_decision(p_decision_id bigint, p_moves integer DEFAULT NULL::integer, p_least_moves integer DEFAULT NULL::integer, p_keep boolean DEFAULT true) RETURNS orchestrator_private.decision
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.close_decision(p_decision_id bigint, p_moves integer, p_least_moves integer, p_keep boolean) IS 'End a decision: count its moves and the least possible, record loads and thresholds, and tell each affected instance once. One that is not to be kept and moved nothing was none.';

CREATE FUNCTION orchestrator_private.close_repairs(p_instance_id text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.close_repairs(p_instance_id text) IS 'The worker is in step again, or differs in nothing that has no reason.';

CREATE FUNCTION orchestrator_private.commands_for(p_instance_id text, p_is_explained boolean) RETURNS TABLE(action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.commands_for(p_instance_id text, p_is_explained boolean) IS 'Commands that repair the difference between what a worker runs and its assignments: removes first, then adds.';

CREATE SEQUENCE orchestrator_private.session_attachment
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

COMMENT ON SEQUENCE orchestrator_private.session_attachment IS 'Counts attached sessions, so that one that came and went between two looks is seen.';

CREATE FUNCTION orchestrator_private.compare_sessions_anew() RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.compare_sessions_anew() IS 'What a session lock says has changed, though no lock has: the next look compares them all.';

CREATE FUNCTION orchestrator_private.complete_handovers(p_stream_ids bigint[], p_reason text, p_owner_confirmed boolean) RETURNS TABLE(completed integer, unplaced bigint[])
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.complete_handovers(p_stream_ids bigint[], p_reason text, p_owner_confirmed boolean) IS 'The second step of a hand-over: the next owner gets the stream under a new epoch. The movement belongs to the decision that began it. Returns how many changed hands, and those whose owner has stopped and whose next owner is gone: the caller places them.';

CREATE FUNCTION orchestrator_private.confirm_preparations(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[]) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.confirm_preparations(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[]) IS 'The next owner hears these streams: from now on they are its own, and what the old owner still writes is refused.';

CREATE FUNCTION orchestrator_private.confirm_received(p_client orchestrator_private.pull_client) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.confirm_received(p_client orchestrator_private.pull_client) IS 'The client''s list has what it was given: it runs.';

CREATE FUNCTION orchestrator_private.confirm_standbys(p_instance_id text, p_stream_ids bigint[], p_numbers bigint[]) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.confirm_standbys(p_instance_id text, p_stream_ids bigint[], p_numbers bigint[]) IS 'These streams are heard by their standbys under these numbers; returns how many are this instance''s.';

CREATE FUNCTION orchestrator_private.confirm_starts(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[]) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.confirm_starts(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[]) IS 'These streams run under these epochs; returns how many are this instance''s.';

CREATE FUNCTION orchestrator_private.confirm_stopped(p_client orchestrator_private.pull_client, p_load bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.confirm_stopped(p_client orchestrator_private.pull_client, p_load bigint) IS 'A client that compares its list with the books has as many streams as these leave it: whatever else it had it has stopped. Whether that is news.';

CREATE FUNCTION orchestrator_private.confirm_stops(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[] DEFAULT NULL::bigint[]) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.confirm_stops(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[]) IS 'These streams are stopped, under these epochs and all before: hand-overs are completed, withdrawals confirmed.';

CREATE FUNCTION orchestrator_private.confirmed_digest(p_instance_id text) RETURNS bigint
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.confirmed_digest(p_instance_id text) IS 'The digest of what a worker runs if it has done all that it confirmed and nothing since.';

CREATE FUNCTION orchestrator_private.continue_event(p_event_id uuid) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.continue_event(p_event_id uuid) IS 'What happens in this transaction belongs to an event that began in another one; null: to its own.';

CREATE FUNCTION orchestrator_private.could_lock_decisions() RETURNS boolean
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.could_lock_decisions() IS 'lock_decisions() for what can be done without it when a decision takes longer than lock_timeout allows.';

CREATE FUNCTION orchestrator_private.count_assignments() RETURNS trigger
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.count_assignments() IS 'Keeps instance_load and requirement_load equal to a recount of assignment.';

CREATE FUNCTION orchestrator_private.count_decision(p_decision orchestrator_private.decision) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.count_decision(p_decision orchestrator_private.decision) IS 'A decision is made: how long it took, how many streams it moved, and how few could have done.';

CREATE FUNCTION orchestrator_private.count_failover(p_decision orchestrator_private.decision) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.count_failover(p_decision orchestrator_private.decision) IS 'Streams of lost instances were given to others: how long after their last beat, or after their sessions were gone.';

CREATE FUNCTION orchestrator_private.count_failures(p_reporter text, p_failures jsonb, p_now timestamp with time zone) RETURNS bigint
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.count_failures(p_reporter text, p_failures jsonb, p_now timestamp with time zone) IS 'Count failures into the ten seconds in which they happened, an hour back at most; returns how many there were in all.';

CREATE FUNCTION orchestrator_private.count_gaps() RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.count_gaps() IS 'Add the seconds of gaps that are over to the metric; returns how many there were.';

CREATE FUNCTION orchestrator_private.count_into(p_counts bigint[], p_metric text, p_values double precision[]) RETURNS bigint[]
    LANGUAGE plpgsql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.count_into(p_counts bigint[], p_metric text, p_values double precision[]) IS 'These counts of a histogram''s buckets (null: none yet) with these values counted in.';

CREATE TABLE orchestrator_private.movement (
    stream_id bigint NOT NULL,
    epoch bigint NOT NULL,
    decision_id bigint NOT NULL,
    from_instance_id text,
    to_instance_id text,
    reason text NOT NULL,
    moved_at timestamp with time zone NOT NULL,
    from_epoch bigint
);
ALTER TABLE ONLY orchestrator_private.movement ALTER COLUMN decision_id SET (n_distinct=-0.01);

COMMENT ON TABLE orchestrator_private.movement IS 'One stream''s change of hands, append-only. It is written when the hands change, so a planned hand-over appears when the owner has let go. to_instance_id is null when it has no owner afterwards.';

COMMENT ON COLUMN orchestrator_private.movement.from_epoch IS 'The epoch of the ownership that ended; null where there was none, and in old rows.';

CREATE FUNCTION orchestrator_private.count_moved(p_decision_id bigint) RETURNS integer
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.count_moved(p_decision_id bigint) IS 'How many streams a decision gave to an instance; the others that it moved wait.';

CREATE FUNCTION orchestrator_private.count_retries(p_failures jsonb) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.count_retries(p_failures jsonb) IS 'Calls failed and were left for later: how many of which class. The last thing that a report writes.';

CREATE FUNCTION orchestrator_private.count_round_trips(p_now timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.count_round_trips(p_now timestamp with time zone) IS 'Add up the round trips that beats told since the last time. Each beat counts once at most: of several in between only the last one is known.';

CREATE FUNCTION orchestrator_private.count_standbys() RETURNS trigger
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.count_standbys() IS 'Keeps the counts and digests of standbys in instance_load equal to a recount.';

CREATE FUNCTION orchestrator_private.count_up(p_metric text, p_label text, p_by double precision) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.count_up(p_metric text, p_label text, p_by double precision) IS 'Let a counter grow.';

CREATE TABLE orchestrator_private.instance_load (
    instance_id text NOT NULL,
    owned integer DEFAULT 0 NOT NULL,
    incoming integer DEFAULT 0 NOT NULL,
    outgoing integer DEFAULT 0 NOT NULL,
    digest bigint DEFAULT 0 NOT NULL,
    changed_at timestamp with time zone,
    standbys integer DEFAULT 0 NOT NULL,
    standby_digest bigint DEFAULT 0 NOT NULL,
    has_standbys boolean DEFAULT false NOT NULL,
    CONSTRAINT counts_are_not_negative CHECK (((owned >= 0) AND (incoming >= 0) AND (outgoing >= 0))),
    CONSTRAINT standbys_are_not_negative CHECK ((standbys >= 0))
)
WITH (fillfactor='50');

COMMENT ON TABLE orchestrator_private.instance_load IS 'How many streams an instance owns, how many of those are leaving, how many are coming, and the digest of what it should be running. Kept by statement-level triggers on assignment.';

COMMENT ON COLUMN orchestrator_private.instance_load.standbys IS 'Streams that it hears as their standby. Each takes a place.';

COMMENT ON COLUMN orchestrator_private.instance_load.standby_digest IS 'The digest of those.';

COMMENT ON COLUMN orchestrator_private.instance_load.has_standbys IS 'Whether another instance is the standby of any of its own streams, so that it is to beat more often. As of the last look of the job place_standbys.';

CREATE FUNCTION orchestrator_private.count_waiting(p_limit integer) RETURNS integer
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.count_waiting(p_limit integer) IS 'How many streams wait for an instance that lives: they have no owner, or a lost one that no other could succeed. Counted up to a limit so that the cost is bounded.';

CREATE FUNCTION orchestrator_private.coverage_of_day(p_day timestamp with time zone) RETURNS TABLE(whole_day double precision, uncovered double precision, uncertain double precision, worst jsonb, causes jsonb)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.coverage_of_day(p_day timestamp with time zone) IS 'Seconds of all streams in the day that begins at this moment: expected in the whole day as it looks now, uncovered and uncertain so far, with the ten worst streams and the causes.';

CREATE FUNCTION orchestrator_private.cron_values(p_field text, p_minimum integer, p_maximum integer) RETURNS integer[]
    LANGUAGE plpgsql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.cron_values(p_field text, p_minimum integer, p_maximum integer) IS 'The numbers that one cron field means; OR101 when it means none.';

CREATE FUNCTION orchestrator_private.cure_stations(p_progressing bigint[]) RETURNS bigint[]
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.cure_stations(p_progressing bigint[]) IS 'Forget the faults of stations that are heard again, ran without a failure for ten minutes, or are not to be heard; null when there are none.';

CREATE FUNCTION orchestrator_private.dashboard_alerts(p_limit integer) RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.dashboard_alerts(p_limit integer) IS 'The alerts that are open, and those that were closed within the hour; at most so many.';

CREATE FUNCTION orchestrator_private.dashboard_coverage() RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.dashboard_coverage() IS 'What was not heard of this day (in UTC) so far, by cause, with the ten worst streams.';

CREATE FUNCTION orchestrator_private.dashboard_decisions(p_limit integer) RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.dashboard_decisions(p_limit integer) IS 'The last so many decisions, with what they went by.';

CREATE FUNCTION orchestrator_private.dashboard_handovers(p_limit integer) RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.dashboard_handovers(p_limit integer) IS 'The hand-overs in flight, the oldest first, at most so many.';

CREATE FUNCTION orchestrator_private.dashboard_history(p_for interval, p_points integer) RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.dashboard_history(p_for interval, p_points integer) IS 'The fleet over the last time, in so many parts: the least held, capacity and serving, the most waiting, handed over, imbalanced and lost of each.';

CREATE FUNCTION orchestrator_private.dashboard_instances(p_limit integer) RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.dashboard_instances(p_limit integer) IS 'The instances of the dashboard, at most so many.';

CREATE FUNCTION orchestrator_private.dashboard_jobs() RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.dashboard_jobs() IS 'The jobs, and whether they are half a minute overdue.';

CREATE FUNCTION orchestrator_private.dashboard_verdict(p_health jsonb, p_findings jsonb) RETURNS text
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.dashboard_verdict(p_health jsonb, p_findings jsonb) IS 'How the fleet is, in a word: healthy, degraded or unhealthy.';

CREATE FUNCTION orchestrator_private.database_fingerprint() RETURNS text
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.database_fingerprint() IS 'Which server and database this is, and since when it has been running.';

CREATE FUNCTION orchestrator_private.days_below_target() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.days_below_target() IS 'Alert, for this day and the one before (in UTC): so much of it was not heard that it falls below coverage_target.';

CREATE FUNCTION orchestrator_private.deadline_after_step(p_until timestamp with time zone, p_step interval, p_now timestamp with time zone, p_horizon interval) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE STRICT
    AS …;

COMMENT ON FUNCTION orchestrator_private.deadline_after_step(p_until timestamp with time zone, p_step interval, p_now timestamp with time zone, p_horizon interval) IS 'A deadline by the clock as it is now, after a step. It never lies further ahead than its horizon.';

CREATE FUNCTION orchestrator_private.decide_on_beat(p_client orchestrator_private.pull_client, p_load bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.decide_on_beat(p_client orchestrator_private.pull_client, p_load bigint) IS 'What a beat decides that is the client''s own. It runs what its list holds, whatever was decided meanwhile, so what of that is free or with a worker becomes its own again. Whether its list is as long as it says from now on.';

CREATE FUNCTION orchestrator_private.detail_of_event(p_kind text, p_id bigint) RETURNS jsonb
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.detail_of_event(p_kind text, p_id bigint) IS 'All that is recorded of a row of the view events.';

CREATE FUNCTION orchestrator_private.digest_of(p_stream_id bigint, p_epoch bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.digest_of(p_stream_id bigint, p_epoch bigint) IS 'What one stream adds to a digest.';

CREATE FUNCTION orchestrator_private.distribute(p_decision_id bigint, p_requirement_id integer, p_stream_ids bigint[], p_from text[], p_live boolean, p_stay boolean, p_reason text) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.distribute(p_decision_id bigint, p_requirement_id integer, p_stream_ids bigint[], p_from text[], p_live boolean, p_stay boolean, p_reason text) IS 'Give these streams of one requirement to the instances that should have them; live: by hand-over, and what finds no room stays; otherwise now, and what finds no room stays with whoever had it, or waits.';

CREATE FUNCTION orchestrator_private.distribute_without(p_decision_id bigint, p_requirement_id integer, p_stream_ids bigint[], p_from text[], p_live boolean, p_stay boolean, p_reason text, p_without text[]) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.distribute_without(p_decision_id bigint, p_requirement_id integer, p_stream_ids bigint[], p_from text[], p_live boolean, p_stay boolean, p_reason text, p_without text[]) IS 'Give these streams to other instances than those that have them, without those named.';

CREATE FUNCTION orchestrator_private.driver_is_missing() RETURNS boolean
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.driver_is_missing() IS 'No driver is there to run jobs that are long due. Of one that is connected this is known at a second beat, at least 5 s later.';

CREATE FUNCTION orchestrator_private.drivers_connected() RETURNS bigint
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.drivers_connected() IS 'How many drivers have a connection to this database.';

CREATE FUNCTION orchestrator_private.is_cron(p_schedule text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_cron(p_schedule text) IS 'Whether a schedule has five fields; else it is an interval.';

CREATE FUNCTION orchestrator_private.next_run(p_schedule text, p_was_due timestamp with time zone, p_now timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.next_run(p_schedule text, p_was_due timestamp with time zone, p_now timestamp with time zone) IS 'When a job with this schedule is due after a run that was due at a time and has run now.';

CREATE FUNCTION orchestrator_private.due_after_step(p_due timestamp with time zone, p_schedule text, p_step interval, p_now timestamp with time zone, p_within interval) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.due_after_step(p_due timestamp with time zone, p_schedule text, p_step interval, p_now timestamp with time zone, p_within interval) IS 'When a job is due by the clock as it is now, after a step.';

CREATE FUNCTION orchestrator_private.effects(p_from text[], p_to text[]) RETURNS TABLE(instance_id text, gained integer, lost integer)
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.effects(p_from text[], p_to text[]) IS 'What each instance gains and loses by moves from these to those.';

CREATE FUNCTION orchestrator_private.end_active_times(p_stream_ids bigint[], p_owners text[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS …;

COMMENT ON FUNCTION orchestrator_private.end_active_times(p_stream_ids bigint[], p_owners text[]) IS 'From now on these streams need not be heard.';

CREATE FUNCTION orchestrator_private.end_gaps(p_stream_ids bigint[], p_heard_since timestamp with time zone[] DEFAULT NULL::timestamp with time zone[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS …;

COMMENT ON FUNCTION orchestrator_private.end_gaps(p_stream_ids bigint[], p_heard_since timestamp with time zone[]) IS 'These streams are heard: from now on, or since an earlier moment (p_heard_since, one for each stream; null: now). One that was heard all along leaves no gap.';

CREATE FUNCTION orchestrator_private.end_hold_ups_now() RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.end_hold_ups_now() IS 'End what keeps decisions waiting and strangers'' locks, and record whose they are; returns a list of what was to be ended.';

CREATE FUNCTION orchestrator_private.end_old_process(p_instance_id text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.end_old_process(p_instance_id text) IS 'Fence the old process of an instance: its streams stay where they are, under new epochs, but for those that standbys hear.';

CREATE FUNCTION orchestrator_private.end_probations() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.end_probations() IS 'Let those whose probation is over have their share again, and forget what is long past.';

CREATE FUNCTION orchestrator_private.end_session(p_pid integer, p_may_end boolean) RETURNS text
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.end_session(p_pid integer, p_may_end boolean) IS 'End a session: terminated, gone (it was not there any more), or not permitted.';

CREATE FUNCTION orchestrator_private.end_stalls() RETURNS bigint[]
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.end_stalls() IS 'Forget stalls that are over; returns the streams that are heard again.';

CREATE FUNCTION orchestrator_private.end_standbys(p_numbers bigint[], p_change text) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.end_standbys(p_numbers bigint[], p_change text) IS 'These standbys are to stop; returns how many were not over yet.';

CREATE FUNCTION orchestrator_private.end_work(p_client orchestrator_private.pull_client, p_stream_ids bigint[], p_how text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.end_work(p_client orchestrator_private.pull_client, p_stream_ids bigint[], p_how text) IS 'The client has ended its work on a stream: completed, failed or cancelled.';

CREATE FUNCTION orchestrator_private.ended_preparations(p_timed_out boolean, p_limit integer) RETURNS SETOF bigint
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.ended_preparations(p_timed_out boolean, p_limit integer) IS 'Streams whose next owners have not said within handoff_timeout that they hear them; or (false) whose next owners get nothing any more.';

CREATE FUNCTION orchestrator_private.epoch_after(p_epoch bigint, p_next_epoch bigint, p_least bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.epoch_after(p_epoch bigint, p_next_epoch bigint, p_least bigint) IS 'An epoch that was never given: above the last one, above any under which an instance prepares, and of this generation at least.';

CREATE FUNCTION orchestrator_private.error_rates() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.error_rates() IS 'Alert, for each instance and for the fleet: more than error_rate_alert of the last five minutes'' work failed, of twenty pieces at least. Over below 80 % of that.';

CREATE FUNCTION orchestrator_private.evacuate(p_decision_id bigint) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.evacuate(p_decision_id bigint) IS 'Begin the hand-over of what draining and overfull instances hold, as far as others have room; the rest they keep listening to.';

CREATE FUNCTION orchestrator_private.evacuees() RETURNS TABLE(instance_id text, streams integer)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.evacuees() IS 'How many streams draining and overfull instances have still to be asked for.';

CREATE FUNCTION orchestrator_private.evaluate_alerts() RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.evaluate_alerts() IS 'Job evaluate_alerts: opens and closes alerts; adds up the round trips of the beats.';

CREATE FUNCTION orchestrator_private.event_id() RETURNS uuid
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.event_id() IS 'The id of what happens in this transaction.';

CREATE FUNCTION orchestrator_private.event_named(p_event_id text) RETURNS uuid
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.event_named(p_event_id text) IS 'The event whose id is, or begins, so; else OR101 or OR107.';

CREATE FUNCTION orchestrator_private.events_like(p_event_id text) RETURNS TABLE(event_id uuid)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.events_like(p_event_id text) IS 'The events whose ids begin so; ten at most.';

CREATE FUNCTION orchestrator_private.events_of_instance(p_instance_id text) RETURNS TABLE(at timestamp with time zone, what text, gained integer, lost integer, rule text, trigger text, actor text, reason text, decision_id bigint, detail jsonb, event_id uuid)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.events_of_instance(p_instance_id text) IS 'What happened to an instance, in no order.';

CREATE FUNCTION orchestrator_private.explain_now(p_assignment orchestrator_private.assignment) RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.explain_now(p_assignment orchestrator_private.assignment) IS 'Why a stream waits, with every candidate and what excludes it; or who else could have it.';

CREATE FUNCTION orchestrator_private.fail_over(p_decision_id bigint, p_instance_ids text[], p_reason text) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.fail_over(p_decision_id bigint, p_instance_ids text[], p_reason text) IS 'Give the streams of these instances to others, now. What no other can take stays with an owner that may return, and waits when its owner was removed. Nothing else moves.';

CREATE FUNCTION orchestrator_private.failing_calls() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.failing_calls() IS 'Alert, for each reporter: more failures in a row than consecutive_failures_alert, the last of them within ten minutes (R4.2).';

CREATE FUNCTION orchestrator_private.failing_jobs() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.failing_jobs() IS 'Alert, for each job: it failed three times in a row; critical after ten, when failover hangs on it.';

CREATE FUNCTION orchestrator_private.failing_reporters(p_from timestamp with time zone) RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.failing_reporters(p_from timestamp with time zone) IS 'Whom the most failures happened to since then: the first five, with their failures.';

CREATE FUNCTION orchestrator_private.failing_stations() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.failing_stations() IS 'Alert, for each station that fails by its own fault.';

CREATE FUNCTION orchestrator_private.failure_bucket(p_at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.failure_bucket(p_at timestamp with time zone) IS 'The ten seconds that a moment belongs to.';

CREATE FUNCTION orchestrator_private.failure_moves_left() RETURNS integer
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.failure_moves_left() IS 'How many more streams may be moved for failing now.';

CREATE FUNCTION orchestrator_private.failures_per_minute(p_from timestamp with time zone) RETURNS integer
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.failures_per_minute(p_from timestamp with time zone) IS 'The most failures of any minute since then.';

CREATE FUNCTION orchestrator_private.fair_targets(p_total bigint, p_instance_ids text[], p_weights double precision[], p_lower integer[], p_upper integer[], p_held integer[]) RETURNS TABLE(instance_id text, held integer, target integer)
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.fair_targets(p_total bigint, p_instance_ids text[], p_weights double precision[], p_lower integer[], p_upper integer[], p_held integer[]) IS 'The fair number of streams for each instance: proportional to weight, between lower and upper, adding up to the total, by largest remainders, with the least moves away from what is held.';

CREATE FUNCTION orchestrator_private.fall_back(p_stream_ids bigint[]) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.fall_back(p_stream_ids bigint[]) IS 'Ask the owners of these streams to stop after all, with the whole of handoff_timeout to do so.';

CREATE FUNCTION orchestrator_private.findings_balance() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_balance() IS 'Findings: balancing is paused, frozen, or does not come to rest.';

CREATE FUNCTION orchestrator_private.findings_bounds() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_bounds() IS 'Findings: settings whose values cannot be read, or are out of bounds.';

CREATE FUNCTION orchestrator_private.findings_capacity() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_capacity() IS 'Findings: whether the fleet is large enough, and would be without its largest instance.';

CREATE FUNCTION orchestrator_private.findings_clock() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_clock() IS 'Findings about the clock of the server.';

CREATE FUNCTION orchestrator_private.findings_connections() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_connections() IS 'Finding: too few connections are left for the fleet.';

CREATE FUNCTION orchestrator_private.findings_heartbeats() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_heartbeats() IS 'Findings: beats that cannot be HOT updates, or have bloated their table.';

CREATE FUNCTION orchestrator_private.findings_history() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_history() IS 'Finding: history that should have been deleted.';

CREATE FUNCTION orchestrator_private.findings_jobs() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_jobs() IS 'Findings: jobs that no driver runs, that are late, fail, or are switched off.';

CREATE FUNCTION orchestrator_private.findings_music() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_music() IS 'Findings: what music_log tells of who hears what.';

CREATE FUNCTION orchestrator_private.findings_presence() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_presence() IS 'Findings: instances that are late, lost, flapping, cut off, wrong about the time, or out of step.';

CREATE FUNCTION orchestrator_private.findings_pull() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_pull() IS 'Findings: what clients that ask for their streams cannot give up or be given.';

CREATE FUNCTION orchestrator_private.findings_record() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_record() IS 'Findings: counters, digests and rows that cannot be as they are.';

CREATE FUNCTION orchestrator_private.findings_schema() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_schema() IS 'Findings: what differs from what migrations have left.';

CREATE FUNCTION orchestrator_private.findings_sessions() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_sessions() IS 'Findings: long transactions, waits for locks, a filling queue of notifications.';

CREATE FUNCTION orchestrator_private.findings_settings() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_settings() IS 'Findings: settings that make no sense, alone or together.';

CREATE FUNCTION orchestrator_private.findings_shares() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_shares() IS 'Findings: instances that have more than their share, or more than they may.';

CREATE FUNCTION orchestrator_private.findings_sources() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_sources() IS 'Findings: sources that fail, are stale, or would lose too many streams.';

CREATE FUNCTION orchestrator_private.findings_standbys() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_standbys() IS 'Findings: streams that shall have a standby and have none, and why.';

CREATE FUNCTION orchestrator_private.findings_streams() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_streams() IS 'Findings: streams that are stuck in a hand-over, stalled, or fail everywhere.';

CREATE FUNCTION orchestrator_private.findings_waiting() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_waiting() IS 'Findings: streams that wait, by reason.';

CREATE FUNCTION orchestrator_private.findings_witnesses() RETURNS TABLE(severity text, code text, subject text, finding text, evidence jsonb, recommendation text, repair text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.findings_witnesses() IS 'Findings: clients whose own count differs from the books, and witnesses that cannot be read.';

CREATE FUNCTION orchestrator_private.finish_handoffs() RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.finish_handoffs() IS 'Job finish_handoffs: end hand-overs that their owners have not confirmed in time.';

CREATE FUNCTION orchestrator_private.first_answer(p_client orchestrator_private.pull_client, p_list_length bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.first_answer(p_client orchestrator_private.pull_client, p_list_length bigint) IS 'Decide what a client that has just begun is to run. False: not yet.';

CREATE FUNCTION orchestrator_private.fleet_fingerprint() RETURNS text
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.fleet_fingerprint() IS 'Differs when anything differs that a plan was made for.';

CREATE FUNCTION orchestrator_private.forget_standbys(p_instance_ids text[]) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.forget_standbys(p_instance_ids text[]) IS 'These instances are gone, and hear nothing any more.';

CREATE FUNCTION orchestrator_private.former_owners(p_stream_ids bigint[]) RETURNS TABLE(stream_id bigint, instance_id text, run_under bigint)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.former_owners(p_stream_ids bigint[]) IS 'Which of these waiting streams an instance had a moment ago that can have them again, and the epoch under which it may still run them.';

CREATE FUNCTION orchestrator_private.free_at(p_stream_id bigint) RETURNS timestamp with time zone
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.free_at(p_stream_id bigint) IS 'From when a stream without an owner may be given to an instance: now, or later while an instance that it, or a removed stream of its address, was taken from may still be running it.';

CREATE FUNCTION orchestrator_private.free_the_waiting(p_stream_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.free_the_waiting(p_stream_ids bigint[]) IS 'Those of these streams (null: of all) that waited only for what has just ended can be given to an instance.';

CREATE FUNCTION orchestrator_private.free_what_waits_for(p_instance_ids text[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.free_what_waits_for(p_instance_ids text[]) IS 'What was taken from these instances while they lived waits no longer than they can run it, now that they are gone or have said that they have stopped.';

CREATE FUNCTION orchestrator_private.full_notification_queue() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.full_notification_queue() IS 'Alert: the queue of notifications is more than half full, and hints are left out. Over below 40 %.';

CREATE FUNCTION orchestrator_private.gap_causes() RETURNS text[]
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.gap_causes() IS 'What a gap can be caused by.';

CREATE FUNCTION orchestrator_private.gaps_between(p_from timestamp with time zone, p_to timestamp with time zone) RETURNS TABLE(stream_id bigint, cause text, why text, instance_id text, began_at timestamp with time zone, sure_at timestamp with time zone, ended_at timestamp with time zone)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.gaps_between(p_from timestamp with time zone, p_to timestamp with time zone) IS 'The gaps of a time that is not later than now, as far as they lie in it: uncertain from began_at, uncovered from sure_at to ended_at.';

CREATE FUNCTION orchestrator_private.gaps_over() RETURNS TABLE(stream_id bigint, heard_since timestamp with time zone)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.gaps_over() IS 'Open gaps of streams whose owner is there, in step and not silent: since when they are heard.';

CREATE FUNCTION orchestrator_private.gate_is_new() RETURNS boolean
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.gate_is_new() IS 'Whether a transaction from before the gate, which knows only the key, may still be there.';

CREATE FUNCTION orchestrator_private.give_back(p_client orchestrator_private.pull_client, p_stream_ids bigint[], p_entries bigint, p_reason text, p_is_final boolean) RETURNS bigint[]
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.give_back(p_client orchestrator_private.pull_client, p_stream_ids bigint[], p_entries bigint, p_reason text, p_is_final boolean) IS 'These streams are not this client''s any more, and neither are so many entries of its list. Final: when nothing is left, it has said goodbye.';

CREATE FUNCTION orchestrator_private.give_streams(p_decision_id bigint, p_stream_ids bigint[], p_from text[], p_to text[], p_reason text, p_run_under bigint[] DEFAULT NULL::bigint[]) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.give_streams(p_decision_id bigint, p_stream_ids bigint[], p_from text[], p_to text[], p_reason text, p_run_under bigint[]) IS 'Change the owners of these streams now, under a new epoch; a new owner that still runs one under an old epoch (p_run_under) goes on. A missing new owner leaves the stream waiting. Without a decision the movement belongs to the one that last concerned the stream.';

CREATE FUNCTION orchestrator_private.go_above(p_instance_id text, p_streams bigint[], p_epochs bigint[], p_runs_them boolean, p_trigger text) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.go_above(p_instance_id text, p_streams bigint[], p_epochs bigint[], p_runs_them boolean, p_trigger text) IS 'An owner has been shown these epochs of its own streams, later than they are given here (this database, or its clock, was behind when it took its generation): it gets later ones. Of the streams of others nothing changes. Returns how many were its own.';

CREATE FUNCTION orchestrator_private.hand_over(p_decision_id bigint, p_stream_ids bigint[], p_to text[]) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.hand_over(p_decision_id bigint, p_stream_ids bigint[], p_to text[]) IS 'Ask the owners of these streams to stop, so that the next ones can have them; or, where nothing need be lost, the next ones to prepare (make_before_break).';

CREATE FUNCTION orchestrator_private.has_own_number(p_stream orchestrator_private.stream) RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.has_own_number(p_stream orchestrator_private.stream) IS 'Whether clients that speak HTTP can be given this stream: its id in its source is a number that no other has.';

CREATE FUNCTION orchestrator_private.heard_at(p_beat_at timestamp with time zone, p_counts_from timestamp with time zone, p_unwatched tstzmultirange) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.heard_at(p_beat_at timestamp with time zone, p_counts_from timestamp with time zone, p_unwatched tstzmultirange) IS 'From when on an instance counts as silent that was last heard at a time: neither the time before p_counts_from counts nor that in which nobody looked.';

CREATE FUNCTION orchestrator_private.heartbeat_slow_path(p_instance_id text, p_incarnation bigint, p_digest bigint, p_report orchestrator_private.report, OUT in_step boolean, OUT is_explained boolean, OUT attempts smallint) RETURNS record
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.heartbeat_slow_path(p_instance_id text, p_incarnation bigint, p_digest bigint, p_report orchestrator_private.report, OUT in_step boolean, OUT is_explained boolean, OUT attempts smallint) IS 'A beat that is not an ordinary one: hear the instance, compare digests, record what nothing explains. Whether it is in step, whether what differs is explained, and which attempt to get in step this is.';

CREATE FUNCTION orchestrator_private.held_sessions() RETURNS TABLE(session_key bigint, pid integer, login name)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.held_sessions() IS 'Which session locks are held, by which server process and whose it is: the key of a lock is no secret, so that only the lock of a login that may speak for the instance says anything.';

CREATE FUNCTION orchestrator_private.held_up_decisions() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.held_up_decisions() IS 'Alert, for each login: its sessions kept decisions waiting within the last hour.';

CREATE FUNCTION orchestrator_private.hint(p_channel text, p_payload text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.hint(p_channel text, p_payload text) IS 'Notify a channel of this fleet, unless the queue is more than half full.';

CREATE FUNCTION orchestrator_private.hold_alert_target(p_target text) RETURNS boolean
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.hold_alert_target(p_target text) IS 'Lock the target, unless another session does.';

CREATE FUNCTION orchestrator_private.hold_ups() RETURNS TABLE(pid integer, login text, application_name text, state text, may_end boolean, lock text, kept interval, blocking jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.hold_ups() IS 'Transactions that keep others waiting to decide, to confirm or to run a job, and for how long each of them has.';

CREATE FUNCTION orchestrator_private.host_of(p_instance orchestrator_private.instance) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.host_of(p_instance orchestrator_private.instance) IS 'The host that an instance said at registration that it is on; null: it did not say.';

CREATE TABLE orchestrator_private.http_session (
    instance_id text NOT NULL,
    incarnation bigint NOT NULL,
    dialect text NOT NULL,
    address text,
    registered_at timestamp with time zone NOT NULL,
    CONSTRAINT dialect_is_known CHECK ((dialect = ANY (ARRAY['main'::text, 'server'::text, 'worker'::text])))
);

COMMENT ON TABLE orchestrator_private.http_session IS 'An instance that registered over HTTP: the incarnation that its calls stand for.';

COMMENT ON COLUMN orchestrator_private.http_session.dialect IS 'Which of the three dialects it registered in: main (instance_id), server (server_id), worker (/api/workers).';

COMMENT ON COLUMN orchestrator_private.http_session.address IS 'Where it registered from; a client that registers from there again is the same one, started anew.';

CREATE FUNCTION orchestrator_private.http_adopt(p_session orchestrator_private.http_session, p_stream_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_adopt(p_session orchestrator_private.http_session, p_stream_ids bigint[]) IS 'The client says which streams it has: all that it was told is confirmed or denied by that.';

CREATE FUNCTION orchestrator_private.http_buckets(p_bounds double precision[], p_counts bigint[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_buckets(p_bounds double precision[], p_counts bigint[]) IS 'How many observations were at most each of a histogram''s bounds.';

CREATE FUNCTION orchestrator_private.http_client_name(p_request jsonb, p_names text[]) RETURNS text
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_client_name(p_request jsonb, p_names text[]) IS 'The name that a request speaks in: the first of these keys that it has.';

CREATE FUNCTION orchestrator_private.http_client_of(p_name text) RETURNS orchestrator_private.pull_client
    LANGUAGE plpgsql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_client_of(p_name text) IS 'The client of this name; null when none has registered.';

CREATE FUNCTION orchestrator_private.http_commands(p_instance_id text, p_count bigint) RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_commands(p_instance_id text, p_count bigint) IS 'The commands that a beat is answered with: removes first, then adds; remembers that they were said. p_count: the number that the beat told, null when it told more or nothing.';

CREATE FUNCTION orchestrator_private.http_confirm(p_session orchestrator_private.http_session, p_count bigint) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_confirm(p_session orchestrator_private.http_session, p_count bigint) IS 'The client says how many streams it has (null: it does not say): whether that confirms what it was told.';

CREATE FUNCTION orchestrator_private.http_dialect(p_request jsonb, p_dialect text) RETURNS text
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_dialect(p_request jsonb, p_dialect text) IS 'The dialect of a request: by its path, else by its keys.';

CREATE FUNCTION orchestrator_private.http_difference(p_instance_id text) RETURNS TABLE(action text, stream_id bigint, epoch bigint)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_difference(p_instance_id text) IS 'What separates an HTTP instance from what it should run; what it was told and has not confirmed is among it.';

CREATE FUNCTION orchestrator_private.http_digest(p_instance_id text) RETURNS bigint
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_digest(p_instance_id text) IS 'The digest of what an HTTP instance runs, as far as it has confirmed it.';

CREATE FUNCTION orchestrator_private.http_field(p_request jsonb, p_name text, p_types text[], p_required boolean, p_wanted text) RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_field(p_request jsonb, p_name text, p_types text[], p_required boolean, p_wanted text) IS 'A field of a request, null when there is none; OR101 when it has another type or is missing.';

CREATE FUNCTION orchestrator_private.http_fleet_row() RETURNS TABLE(total integer, active integer, inactive integer, warning integer, capacity bigint, streams bigint, load numeric, imbalance numeric)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_fleet_row() IS 'The fleet in one row; load and imbalance in percent of capacity.';

CREATE FUNCTION orchestrator_private.http_hear(p_session orchestrator_private.http_session, p_stream_ids bigint[], p_count bigint) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_hear(p_session orchestrator_private.http_session, p_stream_ids bigint[], p_count bigint) IS 'Understand what a beat says of its streams: which, or how many, or nothing.';

CREATE TABLE orchestrator_private.setting (
    name text NOT NULL,
    kind text NOT NULL,
    value text NOT NULL,
    default_value text NOT NULL,
    minimum text,
    maximum text,
    allowed text[],
    unit text,
    description text NOT NULL,
    changed_at timestamp with time zone,
    changed_by text,
    CONSTRAINT kind_of_setting_is_known CHECK ((kind = ANY (ARRAY['interval'::text, 'integer'::text, 'number'::text, 'text'::text, 'boolean'::text])))
);

COMMENT ON TABLE orchestrator_private.setting IS 'One setting: typed, bounded, described. The only home of these values.';

CREATE FUNCTION orchestrator_private.setting_interval(p_name text) RETURNS interval
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.setting_interval(p_name text) IS 'A setting of kind interval.';

CREATE FUNCTION orchestrator_private.http_hold_for() RETURNS double precision
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_hold_for() IS 'After how many seconds an answer that is held is looked at again.';

CREATE FUNCTION orchestrator_private.http_ids(p_request jsonb, p_name text, p_required boolean) RETURNS bigint[]
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_ids(p_request jsonb, p_name text, p_required boolean) IS 'Stream ids out of a request, each once, in order.';

CREATE FUNCTION orchestrator_private.http_instance_id(p_request jsonb, p_name text) RETURNS text
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_instance_id(p_request jsonb, p_name text) IS 'The id of the instance that a request speaks for.';

CREATE FUNCTION orchestrator_private.http_instance_rows() RETURNS TABLE(instance_id text, status text, max_streams integer, streams integer, load_percentage numeric, may_have_streams boolean, processed bigint, errors bigint, performance numeric, cpu_usage real, memory_usage real, registered_at timestamp with time zone, last_heartbeat timestamp with time zone, location text, version text, streams_changed_at timestamp with time zone, beats bigint, missed integer, last_sent timestamp with time zone, may_be_moved boolean)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_instance_rows() IS 'The instances that are known and not removed, with their loads and what their beats said.';

CREATE FUNCTION orchestrator_private.http_integer(p_request jsonb, p_name text, p_minimum bigint, p_maximum bigint, p_required boolean DEFAULT false) RETURNS bigint
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_integer(p_request jsonb, p_name text, p_minimum bigint, p_maximum bigint, p_required boolean) IS 'A whole number out of a request, within bounds.';

CREATE FUNCTION orchestrator_private.http_interval() RETURNS interval
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_interval() IS 'How often an instance that hears of changes with its beats only should beat.';

CREATE FUNCTION orchestrator_private.http_ip_of(p_address text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_ip_of(p_address text) IS 'The ip of an address that a registration named.';

CREATE FUNCTION orchestrator_private.http_loose_number(p_value jsonb) RETURNS numeric
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_loose_number(p_value jsonb) IS 'A number that a client sent, in whichever form; null when it is none.';

CREATE FUNCTION orchestrator_private.http_loose_ids(p_value jsonb) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_loose_ids(p_value jsonb) IS 'The numbers of streams that a client sent, as numbers or as texts, each once; what is none is left out.';

CREATE FUNCTION orchestrator_private.http_loose_report(p_request jsonb, p_load bigint) RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_loose_report(p_request jsonb, p_load bigint) IS 'A beat in the words of heartbeat, from the spellings of all clients in the field.';

CREATE FUNCTION orchestrator_private.http_moment(p_request jsonb, p_name text) RETURNS timestamp with time zone
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_moment(p_request jsonb, p_name text) IS 'A moment out of a request.';

CREATE FUNCTION orchestrator_private.http_names(p_request jsonb, p_name text) RETURNS text[]
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_names(p_request jsonb, p_name text) IS 'Names out of a request; null when it has no such key, and none of them when the list is empty.';

CREATE FUNCTION orchestrator_private.http_note_added(p_instance_id text, p_stream_ids bigint[]) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_note_added(p_instance_id text, p_stream_ids bigint[]) IS 'It is being told to start these.';

CREATE FUNCTION orchestrator_private.http_note_registered(p_instance_id text, p_incarnation bigint, p_dialect text, p_address text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_note_registered(p_instance_id text, p_incarnation bigint, p_dialect text, p_address text) IS 'A client has registered over HTTP and begins with nothing.';

CREATE FUNCTION orchestrator_private.http_note_removed(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[]) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_note_removed(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[]) IS 'It is being told to stop these.';

CREATE FUNCTION orchestrator_private.http_number(p_request jsonb, p_name text, p_minimum numeric, p_maximum numeric) RETURNS numeric
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_number(p_request jsonb, p_name text, p_minimum numeric, p_maximum numeric) IS 'A number out of a request, within bounds.';

CREATE FUNCTION orchestrator_private.http_port_of(p_address text) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_port_of(p_address text) IS 'The port of an address that a registration named.';

CREATE FUNCTION orchestrator_private.http_refusal(p_title text, p_hint text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_refusal(p_title text, p_hint text) IS 'The body of an answer that refuses and is recorded nevertheless.';

CREATE FUNCTION orchestrator_private.http_register_client(p_request jsonb, p_dialect text, p_peer text, p_waited interval) RETURNS TABLE(status integer, body jsonb, asked jsonb)
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_register_client(p_request jsonb, p_dialect text, p_peer text, p_waited interval) IS 'Read the registration of a client that asks for its streams; or what it is answered while another process has its name.';

CREATE FUNCTION orchestrator_private.http_registration(p_request jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_registration(p_request jsonb) IS 'A registration in the manual''s dialect, in the words of register_instance.';

CREATE FUNCTION orchestrator_private.http_report(p_request jsonb, p_count bigint) RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_report(p_request jsonb, p_count bigint) IS 'A beat in the manual''s dialect, in the words of heartbeat.';

CREATE FUNCTION orchestrator_private.http_series() RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_series() IS 'What is measured and does not belong to one instance, by the part of GET /metrics and by name.';

CREATE FUNCTION orchestrator_private.http_server_is_away() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_server_is_away() IS 'Alert: clients live that can only be heard by an HTTP server, and none has been there for a while.';

CREATE FUNCTION orchestrator_private.http_server_present() RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_server_present() IS 'An HTTP server is there, and was away if none has said so for http_absence.';

CREATE FUNCTION orchestrator_private.http_session_of(p_instance_id text) RETURNS orchestrator_private.http_session
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_session_of(p_instance_id text) IS 'The session of an instance whose last registration came over HTTP; else OR103, upon which a client registers.';

CREATE FUNCTION orchestrator_private.http_speaker(p_request jsonb) RETURNS orchestrator_private.http_session
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_speaker(p_request jsonb) IS 'The session of the instance that a request names.';

CREATE FUNCTION orchestrator_private.http_stream_counts() RETURNS TABLE(total bigint, active bigint, inactive bigint, assigned bigint, running bigint, releasing bigint, waiting bigint)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_stream_counts() IS 'The streams in one row; assigned are those that an instance has which is not lost, also while they are handed over.';

CREATE FUNCTION orchestrator_private.http_system_row() RETURNS TABLE(open_alerts bigint, jobs_failing bigint, jobs_overdue bigint, drivers bigint, is_paused boolean, is_recovering boolean, last_balanced_at timestamp with time zone)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_system_row() IS 'How the system stands in one row: alerts, jobs, drivers, brakes.';

CREATE FUNCTION orchestrator_private.http_text(p_request jsonb, p_name text, p_required boolean DEFAULT false) RETURNS text
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_text(p_request jsonb, p_name text, p_required boolean) IS 'A text out of a request; an empty one is none.';

CREATE FUNCTION orchestrator_private.http_uptime() RETURNS double precision
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.http_uptime() IS 'For how many seconds the database server, which is the orchestrator, has been up.';

CREATE FUNCTION orchestrator_private.imbalance() RETURNS TABLE(load_difference double precision, stream_difference double precision)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.imbalance() IS 'The greatest difference of load between two instances (0 to 1, of their capacities), and the greatest distance of one from its fair share, in streams.';

CREATE FUNCTION orchestrator_private.impossible_rows() RETURNS TABLE(stream_id bigint, instance_id text, contradiction text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.impossible_rows() IS 'Assignments that contradict their stream or their instance.';

CREATE FUNCTION orchestrator_private.instances_forgotten() RETURNS TABLE(instance_id text)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.instances_forgotten() IS 'Instances that were lost long ago and are to be removed now.';

CREATE FUNCTION orchestrator_private.instances_late(p_watched text[]) RETURNS TABLE(instance_id text)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.instances_late(p_watched text[]) IS 'Those of these instances that are to be warned of now.';

CREATE FUNCTION orchestrator_private.instances_lost(p_watched text[]) RETURNS TABLE(instance_id text, rule text, last_beat_at timestamp with time zone, session_lost_at timestamp with time zone)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.instances_lost(p_watched text[]) IS 'Those of these instances that are to be declared lost now, and by which rule.';

CREATE FUNCTION orchestrator_private.instances_on_probation() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.instances_on_probation() IS 'Alert, for each instance on probation.';

CREATE FUNCTION orchestrator_private.is_alive(p_instance orchestrator_private.instance) RETURNS boolean
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_alive(p_instance orchestrator_private.instance) IS 'Whether some process is living under this instance''s name: its session holds its lock, or without a session its last beat is young, or it stops by itself and its lease is not over.';

CREATE FUNCTION orchestrator_private.is_alone(p_instance_id text) RETURNS boolean
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_alone(p_instance_id text) IS 'Whether a stream of this owner has no living owner: then an instance on probation is better than none.';

CREATE FUNCTION orchestrator_private.is_changed_by_a_beat(p_instance orchestrator_private.instance) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_changed_by_a_beat(p_instance orchestrator_private.instance) IS 'Whether the next beat changes this instance: it is new, late, lost, recovering or suspended.';

CREATE FUNCTION orchestrator_private.is_clock_as_compared(p_clock timestamp with time zone, p_caller text) RETURNS boolean
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_clock_as_compared(p_clock timestamp with time zone, p_caller text) IS 'Whether the clock goes as it did when the caller compared it a moment ago; a caller that compares nothing (null) has stored moments put right that lie ahead.';

CREATE FUNCTION orchestrator_private.is_count_of(p_said integer, p_owned integer, p_metadata jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_count_of(p_said integer, p_owned integer, p_metadata jsonb) IS 'Whether the number of streams that a worker says it runs fits what it owns.';

CREATE FUNCTION orchestrator_private.is_imbalanced() RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_imbalanced() IS 'Whether two loads differ by more than imbalance_threshold, or an instance is more than max_stream_difference from its share.';

CREATE FUNCTION orchestrator_private.is_ipv6(p_text text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_ipv6(p_text text) IS 'Whether a text is an IPv6 address and nothing else.';

CREATE FUNCTION orchestrator_private.is_migrating(p_application_name text, p_login oid) RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_migrating(p_application_name text, p_login oid) IS 'Whether a session is a migration: it may take its time, and holds no lock that it had to wait for.';

CREATE FUNCTION orchestrator_private.is_name(p_text text) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_name(p_text text) IS 'Whether an instance or a source may be called so: 1 to 48 letters, digits, dots, underscores and dashes, a letter or digit first.';

CREATE FUNCTION orchestrator_private.is_pull_client_here(p_client orchestrator_private.pull_client, p_peer text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_pull_client_here(p_client orchestrator_private.pull_client, p_peer text) IS 'Whether words from this network address may be the client''s own. Where all clients share one address it proves nothing.';

CREATE FUNCTION orchestrator_private.is_own_sign(p_client orchestrator_private.pull_client, p_peer text, p_load bigint) RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_own_sign(p_client orchestrator_private.pull_client, p_peer text, p_load bigint) IS 'Whether a beat from this address, which speaks of so many streams, is this client''s own.';

CREATE FUNCTION orchestrator_private.present_owner(p_owner_role name, p_owner_oid oid) RETURNS oid
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.present_owner(p_owner_role name, p_owner_oid oid) IS 'The role that a name belongs to; null when it was dropped.';

CREATE FUNCTION orchestrator_private.is_owner(p_login name, p_owner_role name, p_owner_oid oid) RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_owner(p_login name, p_owner_role name, p_owner_oid oid) IS 'Whether a login is the role that a name belongs to, or a member of it. Every membership counts, with any options.';

CREATE FUNCTION orchestrator_private.is_plain(p_interval interval) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_plain(p_interval interval) IS 'Whether no part of an interval is less than nothing, so that it leads forward from every moment.';

CREATE FUNCTION orchestrator_private.is_progress(p_progressing integer, p_processed bigint, p_processed_before bigint) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_progress(p_progressing integer, p_processed bigint, p_processed_before bigint) IS 'Whether a beat tells of progress with any stream.';

CREATE FUNCTION orchestrator_private.is_same_database() RETURNS boolean
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_same_database() IS 'Whether this is the database that it was at the last look; null: it was never looked at.';

CREATE FUNCTION orchestrator_private.is_short_of(p_client orchestrator_private.pull_client, p_list_length bigint) RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_short_of(p_client orchestrator_private.pull_client, p_list_length bigint) IS 'Whether the client''s list lacks what it was told.';

CREATE FUNCTION orchestrator_private.redact(p_text text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.redact(p_text text) IS 'A text without what looks like a password, a token, a key or the address of a webhook, and no longer than 4000 characters.';

CREATE FUNCTION orchestrator_private.names_secret(p_key text) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.names_secret(p_key text) IS 'Whether a key of JSON names a password, a token or a key.';

CREATE FUNCTION orchestrator_private.is_storable_conninfo(p_conninfo text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_storable_conninfo(p_conninfo text) IS 'Whether a libpq connection string can be read, and holds no password and nothing that may be one.';

CREATE FUNCTION orchestrator_private.is_too_early(p_client orchestrator_private.pull_client) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_too_early(p_client orchestrator_private.pull_client) IS 'Whether others are to be waited for before a client that has just begun is answered. Asked again and again, so it takes no lock.';

CREATE FUNCTION orchestrator_private.is_under_way(p_instance_id text, p_changed_at timestamp with time zone, p_last_beat_at timestamp with time zone, p_has_moved boolean) RETURNS boolean
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_under_way(p_instance_id text, p_changed_at timestamp with time zone, p_last_beat_at timestamp with time zone, p_has_moved boolean) IS 'Whether a worker may well differ from its assignments, because it has not heard of them or is at it (p_has_moved: its digest is another than at its last beat).';

CREATE TABLE orchestrator_private.witness (
    source text NOT NULL,
    witness text NOT NULL,
    table_name text NOT NULL,
    last_attempt_at timestamp with time zone,
    last_success_at timestamp with time zone,
    last_error jsonb,
    consecutive_failures integer DEFAULT 0 NOT NULL,
    watched_since timestamp with time zone,
    last_row_id bigint,
    CONSTRAINT witness_has_a_table CHECK ((table_name ~ '[^[:space:]]'::text)),
    CONSTRAINT witness_is_known CHECK ((witness = ANY (ARRAY['heartbeats'::text, 'music_log'::text])))
)
WITH (fillfactor='50');

COMMENT ON TABLE orchestrator_private.witness IS 'A table beside the stations of a source that tells of the clients: heartbeats (a row for each, every minute) or music_log (what each recognised). One that cannot be read tells nothing.';

COMMENT ON COLUMN orchestrator_private.witness.watched_since IS 'Since when it has been read without a gap.';

COMMENT ON COLUMN orchestrator_private.witness.last_row_id IS 'The newest row of music_log that was seen.';

CREATE FUNCTION orchestrator_private.is_watched(p_witness orchestrator_private.witness, p_at timestamp with time zone) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_watched(p_witness orchestrator_private.witness, p_at timestamp with time zone) IS 'Whether a reading at this time follows the last one without a gap.';

CREATE FUNCTION orchestrator_private.is_weekday(p_day timestamp without time zone, p_weekdays integer[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.is_weekday(p_day timestamp without time zone, p_weekdays integer[]) IS 'Whether a day is one of these cron weekdays.';

CREATE FUNCTION orchestrator_private.jobs_waiting() RETURNS SETOF orchestrator_private.job
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.jobs_waiting() IS 'Jobs of the database that have waited so long that there might be no driver.';

CREATE FUNCTION orchestrator_private.keep_addresses(p_stream_ids bigint[]) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.keep_addresses(p_stream_ids bigint[]) IS 'These streams are about to be removed: one that is added with the same address waits for their former owners all the same (free_at).';

CREATE FUNCTION orchestrator_private.keep_past_assignments() RETURNS trigger
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS …;

COMMENT ON FUNCTION orchestrator_private.keep_past_assignments() IS 'Records what the changed assignments were, if they had an owner or get one.';

CREATE FUNCTION orchestrator_private.keep_past_in_order() RETURNS trigger
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.keep_past_in_order() IS 'The clock went back: what was recorded before was before the moment that it says now.';

CREATE FUNCTION orchestrator_private.keep_past_instance() RETURNS trigger
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.keep_past_instance() IS 'Records whether an instance was lost until now.';

CREATE FUNCTION orchestrator_private.kept_from(p_from timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.kept_from(p_from timestamp with time zone) IS 'From when on gaps are kept, not before this moment.';

CREATE FUNCTION orchestrator_private.kind_by_ask(p_client orchestrator_private.pull_client, p_list_length bigint) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.kind_by_ask(p_client orchestrator_private.pull_client, p_list_length bigint) IS 'What this ask shows the client to be.';

CREATE FUNCTION orchestrator_private.know_database() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.know_database() IS 'Take a new generation if this may be another database than it was at the last look. The caller holds the decision lock.';

CREATE FUNCTION orchestrator_private.know_from(p_moment timestamp with time zone) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.know_from(p_moment timestamp with time zone) IS 'The history is whole from this moment on: what was before has begun to be deleted. It is that of a deleted row and not that which history_retention says, which a clock that was wrong for a while would put ahead.';

CREATE FUNCTION orchestrator_private.known_instance(p_instance_id text) RETURNS orchestrator_private.instance
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.known_instance(p_instance_id text) IS 'An instance, locked; OR103 when there is none.';

CREATE FUNCTION orchestrator_private.known_source(p_source text) RETURNS orchestrator_private.source
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.known_source(p_source text) IS 'The source of that name; refuses unknown ones (OR107) and ''manual'' (OR101).';

CREATE FUNCTION orchestrator_private.last_read_at(p_source orchestrator_private.source) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.last_read_at(p_source orchestrator_private.source) IS 'When what was last merged had been read.';

CREATE FUNCTION orchestrator_private.last_sign(p_client orchestrator_private.pull_client) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.last_sign(p_client orchestrator_private.pull_client) IS 'When the client was last heard.';

CREATE FUNCTION orchestrator_private.later_answer(p_client orchestrator_private.pull_client) RETURNS bigint[]
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.later_answer(p_client orchestrator_private.pull_client) IS 'What a client that asks again is given: its share if it starts whatever it is given, else one stream, which shows whether it does.';

CREATE FUNCTION orchestrator_private.least_number() RETURNS bigint
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.least_number() IS 'The least epoch and the least incarnation of this generation.';

CREATE FUNCTION orchestrator_private.least_standby_window() RETURNS TABLE(window_length interval, reason text)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.least_standby_window() IS 'How long standby_window has to be at least, and for what: by whichever rule an owner is lost, its standby still has what was heard before.';

CREATE FUNCTION orchestrator_private.leave_recovery(p_now timestamp with time zone, p_why jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.leave_recovery(p_now timestamp with time zone, p_why jsonb) IS 'End recovery mode, and let what has become unfair meanwhile be levelled; null when it was off.';

CREATE FUNCTION orchestrator_private.level_loads(p_decision_id bigint, p_requirement_ids integer[], p_instance_ids text[], p_most integer) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.level_loads(p_decision_id bigint, p_requirement_ids integer[], p_instance_ids text[], p_most integer) IS 'Level the loads of these instances by handing over streams of these requirements, at most so many.';

CREATE FUNCTION orchestrator_private.level_standbys() RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.level_standbys() IS 'Spread every owner''s standbys over the others again. Returns how many were moved.';

CREATE FUNCTION orchestrator_private.life_of(p_process text, p_incarnation bigint) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.life_of(p_process text, p_incarnation bigint) IS 'Which process an instance is: as it names it, or else by its incarnation.';

CREATE FUNCTION orchestrator_private.load_of(p_stream_id bigint, p_epoch bigint, p_instance_id text, p_next_instance_id text, p_requirement_id integer, p_state text, p_pinned_to text) RETURNS TABLE(instance_id text, requirement_id integer, owned integer, incoming integer, outgoing integer, movable integer, digest bigint)
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.load_of(p_stream_id bigint, p_epoch bigint, p_instance_id text, p_next_instance_id text, p_requirement_id integer, p_state text, p_pinned_to text) IS 'What one assignment adds to the load of its owner, and of its next owner.';

CREATE TABLE orchestrator_private.alert_target (
    target text NOT NULL,
    minimum_severity text DEFAULT 'warning'::text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_sent_at timestamp with time zone,
    consecutive_failures integer DEFAULT 0 NOT NULL,
    last_error jsonb,
    retry_at timestamp with time zone,
    CONSTRAINT minimum_severity_is_known CHECK ((minimum_severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text]))),
    CONSTRAINT target_is_a_name CHECK ((target ~ '^[a-z0-9][a-z0-9_]{0,47}$'::text))
);

COMMENT ON TABLE orchestrator_private.alert_target IS 'Where alerts go, by name. The address with its secrets is not here: the drivers find it in their environment (ORCHESTRATOR_ALERT_URL_<TARGET>); the target log needs none.';

CREATE FUNCTION orchestrator_private.lock_alert_target(p_target text) RETURNS orchestrator_private.alert_target
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.lock_alert_target(p_target text) IS 'The target, locked; or OR107.';

CREATE FUNCTION orchestrator_private.lock_decisions() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.lock_decisions() IS 'Become the only one who changes who owns what, until the end of the transaction; waits as long as lock_timeout allows (55P03).';

CREATE FUNCTION orchestrator_private.lock_decisions_shared() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.lock_decisions_shared() IS 'Keep decisions out while a worker confirms what it has; many workers may at once. Never followed by lock_decisions() in the same transaction.';

CREATE FUNCTION orchestrator_private.lock_lost(p_instance_ids text[]) RETURNS text[]
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.lock_lost(p_instance_ids text[]) IS 'Those of these instances that are still lost, locked, but for those whose row is held: they are speaking right now.';

CREATE FUNCTION orchestrator_private.lock_session(p_session_key bigint) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.lock_session(p_session_key bigint) IS 'Tie the calling session to a key until it ends. Shared, so that a half-open connection left behind cannot keep its own worker out.';

CREATE FUNCTION orchestrator_private.lock_streams(p_stream_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.lock_streams(p_stream_ids bigint[]) IS 'Locks instances, streams and assignments that a merge is about to change, in the common order.';

CREATE FUNCTION orchestrator_private.lock_watched(p_watched text[]) RETURNS text[]
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.lock_watched(p_watched text[]) IS 'Those of these instances that live, locked, but for those whose row is held: they are speaking right now, and no failover waits for them.';

CREATE FUNCTION orchestrator_private.long_transactions() RETURNS TABLE(pid integer, login text, application_name text, state text, age interval, may_end boolean, blocking jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.long_transactions() IS 'Transactions that have run for too long, and whom each of them keeps waiting.';

CREATE FUNCTION orchestrator_private.lose_instances(p_instance_ids text[], p_event text, p_rule text, p_trigger text, p_reason text, p_detail jsonb DEFAULT '{}'::jsonb) RETURNS orchestrator_private.decision
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS …;

COMMENT ON FUNCTION orchestrator_private.lose_instances(p_instance_ids text[], p_event text, p_rule text, p_trigger text, p_reason text, p_detail jsonb) IS 'These instances are gone: step their state machines and give their streams to others, in one decision. What no other can take stays with those that may return.';

CREATE FUNCTION orchestrator_private.lost_sources() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.lost_sources() IS 'Alert, for each source: it could not be synchronised three times in a row.';

CREATE FUNCTION orchestrator_private.make_requirements(p_batch uuid) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.make_requirements(p_batch uuid) IS 'Makes the requirements that a staged batch names for the first time.';

CREATE FUNCTION orchestrator_private.make_room(p_decision_id bigint) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.make_room(p_decision_id bigint) IS 'Where waiting streams need one of a few able instances and those are full, move streams that anybody can take away from them.';

CREATE FUNCTION orchestrator_private.makes_before_break(p_from text, p_to text) RETURNS boolean
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.makes_before_break(p_from text, p_to text) IS 'Whether these two can hand over without a break: both have said so when they registered, and the owner does not count on being alone until its lease is over.';

CREATE FUNCTION orchestrator_private.mark_promoted(p_numbers bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.mark_promoted(p_numbers bigint[]) IS 'The instances of these standbys own their streams, or prepare to. They go on with what they hear, so none is told to stop.';

CREATE FUNCTION orchestrator_private.may_act_for(p_login name, p_owner_role name, p_owner_oid oid) RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.may_act_for(p_login name, p_owner_role name, p_owner_oid oid) IS 'Whether a login may speak for the instances of a role: it is that role, a member of it, or an administrator.';

CREATE FUNCTION orchestrator_private.may_be_given_more(p_client orchestrator_private.pull_client) RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.may_be_given_more(p_client orchestrator_private.pull_client) IS 'Whether there is something to decide about an ask that is not the first one. Nearly always there is not.';

CREATE FUNCTION orchestrator_private.may_be_well(p_instance_id text, p_report orchestrator_private.report) RETURNS boolean
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.may_be_well(p_instance_id text, p_report orchestrator_private.report) IS 'Whether an instance that made no progress does now, or has nothing left to make progress with.';

CREATE FUNCTION orchestrator_private.may_end(p_login oid) RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.may_end(p_login oid) IS 'Whether the owner may end the sessions of this login.';

CREATE FUNCTION orchestrator_private.may_stand_by(p_instance orchestrator_private.instance, p_owner orchestrator_private.instance) RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.may_stand_by(p_instance orchestrator_private.instance, p_owner orchestrator_private.instance) IS 'Whether an instance may be the standby of what this owner has: it said at registration that it can, and is known to be on another host, and by the setting standby_location at another location.';

CREATE FUNCTION orchestrator_private.metric_series(p_with_instances boolean) RETURNS TABLE(metric text, part text, kind text, unit text, help text, bounds double precision[], labels jsonb, value double precision, counts bigint[])
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.metric_series(p_with_instances boolean) IS 'All that is measured with its definition; with or without what belongs to one instance each.';

CREATE FUNCTION orchestrator_private.metrics_counted() RETURNS TABLE(metric text, labels jsonb, value double precision, counts bigint[])
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.metrics_counted() IS 'What decisions, failures and round trips have counted.';

CREATE FUNCTION orchestrator_private.metrics_of_instances() RETURNS TABLE(metric text, labels jsonb, value double precision, counts bigint[])
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.metrics_of_instances() IS 'What is known of each instance that is not removed.';

CREATE FUNCTION orchestrator_private.metrics_of_jobs() RETURNS TABLE(metric text, labels jsonb, value double precision, counts bigint[])
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.metrics_of_jobs() IS 'How long the jobs took, how late they began and how often they failed.';

CREATE FUNCTION orchestrator_private.metrics_of_sources() RETURNS TABLE(metric text, labels jsonb, value double precision, counts bigint[])
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.metrics_of_sources() IS 'How long the synchronisation of each source takes, and whether it succeeds.';

CREATE FUNCTION orchestrator_private.metrics_of_the_fleet() RETURNS TABLE(metric text, labels jsonb, value double precision, counts bigint[])
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.metrics_of_the_fleet() IS 'How the fleet as a whole stands.';

CREATE FUNCTION orchestrator_private.miscounts(p_part integer DEFAULT 0, p_parts integer DEFAULT 1) RETURNS TABLE(instance_id text, counted jsonb, recounted jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.miscounts(p_part integer, p_parts integer) IS 'Instances whose counts or digest differ from a recount of the assignments; there should never be one. Of all, or of one part of so many.';

CREATE FUNCTION orchestrator_private.misplaced_pinned() RETURNS TABLE(stream_id bigint, instance_id text, state text, pinned_to text)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.misplaced_pinned() IS 'Pinned streams that are not with their instance and could be.';

CREATE FUNCTION orchestrator_private.missed_beats(p_since timestamp with time zone, p_interval double precision) RETURNS integer
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.missed_beats(p_since timestamp with time zone, p_interval double precision) IS 'How many beats should have come between the last one and this, by the interval in seconds that the worker goes by (null: it does not say).';

CREATE FUNCTION orchestrator_private.missing_rows() RETURNS TABLE(subject text, missing text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.missing_rows() IS 'Rows that must be there and are not, by the table that lacks them.';

CREATE FUNCTION orchestrator_private.movable_assignment(p_stream_id bigint, p_instance_id text) RETURNS orchestrator_private.assignment
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.movable_assignment(p_stream_id bigint, p_instance_id text) IS 'The assignment of a stream that this instance could take; else OR102, OR103 or OR405.';

CREATE FUNCTION orchestrator_private.move_one(p_decision_id bigint, p_stream_id bigint, p_from text, p_live boolean, p_reason text, p_stay boolean DEFAULT false) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.move_one(p_decision_id bigint, p_stream_id bigint, p_from text, p_live boolean, p_reason text, p_stay boolean) IS 'Move one stream to the best instance for it; without one it stays (live, or asked to), or waits.';

CREATE FUNCTION orchestrator_private.move_stored_times(p_step interval, p_now timestamp with time zone, p_within interval) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.move_stored_times(p_step interval, p_now timestamp with time zone, p_within interval) IS 'Let every stored moment that is compared with now move with the clock.';

CREATE FUNCTION orchestrator_private.moves_between(p_from timestamp with time zone, p_to timestamp with time zone, p_stream_id bigint, p_instance_id text) RETURNS TABLE(decision_id bigint, streams integer, what text, changes jsonb)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.moves_between(p_from timestamp with time zone, p_to timestamp with time zone, p_stream_id bigint, p_instance_id text) IS 'What each decision moved in a time, or asked to hand over and has not moved yet: in words, and by pairs of instances with the ids of the first hundred streams.';

CREATE FUNCTION orchestrator_private.moves_of_event(p_event_id uuid) RETURNS TABLE(at timestamp with time zone, what text, subject text, text text, decision_id bigint, detail jsonb)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.moves_of_event(p_event_id uuid) IS 'The streams that changed hands by an event''s decisions, or are about to: how many from whom to whom, and the ids of the first hundred.';

CREATE FUNCTION orchestrator_private.moves_since(p_decision_id bigint, OUT stream_ids bigint[], OUT from_ids text[], OUT to_ids text[]) RETURNS record
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.moves_since(p_decision_id bigint, OUT stream_ids bigint[], OUT from_ids text[], OUT to_ids text[]) IS 'The moves that this decision and those after it made or asked for.';

CREATE FUNCTION orchestrator_private.name_is_free(p_instance orchestrator_private.instance) RETURNS boolean
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.name_is_free(p_instance orchestrator_private.instance) IS 'Whether any worker login may register under this name and own it from then on: its last life has ended (goodbye, removal_timeout, or an administrator''s removal and readmission), or its owner was dropped and no process of it lives.';

CREATE FUNCTION orchestrator_private.next_cron_time(p_schedule text, p_after timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.next_cron_time(p_schedule text, p_after timestamp with time zone) IS 'The first minute after a time that five cron fields match, in UTC; null when there is none.';

CREATE FUNCTION orchestrator_private.next_due_in(p_outside boolean) RETURNS interval
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.next_due_in(p_outside boolean) IS 'How long until the next job is due; null when no job is enabled.';

CREATE FUNCTION orchestrator_private.next_owners(p_stream_ids bigint[]) RETURNS TABLE(stream_id bigint, from_id text, epoch bigint, to_id text, releasing_since timestamp with time zone)
    LANGUAGE sql ROWS 10
    AS …;

COMMENT ON FUNCTION orchestrator_private.next_owners(p_stream_ids bigint[]) IS 'The instances that get these streams out of their hand-overs; null where the next owner was lost, drained or filled meanwhile.';

CREATE FUNCTION orchestrator_private.no_active_instance() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.no_active_instance() IS 'Alert: no instance has beaten for no_instance_alert.';

CREATE FUNCTION orchestrator_private.no_driver() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.no_driver() IS 'Alert: jobs of the database have been due for no_driver_alert, and no driver runs them. Opened by a beat, as no job can.';

CREATE FUNCTION orchestrator_private.note_beat(p_client orchestrator_private.pull_client, p_list_length bigint) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_beat(p_client orchestrator_private.pull_client, p_list_length bigint) IS 'A beat that is the client''s own. p_list_length: how long its list is known to be now; null when that is not news.';

CREATE FUNCTION orchestrator_private.note_crash(p_known orchestrator_private.instance) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_crash(p_known orchestrator_private.instance) IS 'A new process takes the place of one that neither said goodbye nor asked for a restart.';

CREATE FUNCTION orchestrator_private.note_ears_lost(p_stream_ids bigint[], p_events text[], p_owners text[], p_asked timestamp with time zone[]) RETURNS void
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_ears_lost(p_stream_ids bigint[], p_events text[], p_owners text[], p_asked timestamp with time zone[]) IS 'These streams were heard, and are to be started anew: by another instance, or by their owner''s next process.';

CREATE FUNCTION orchestrator_private.note_ended(p_ended jsonb) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_ended(p_ended jsonb) IS 'Count what was ended, or was to be, by its pattern.';

CREATE FUNCTION orchestrator_private.note_failed_preparations(p_instance_id text, p_failed jsonb) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_failed_preparations(p_instance_id text, p_failed jsonb) IS 'An instance cannot hear streams that were on their way to it: their owners keep them, or stop first when they are drained.';

CREATE FUNCTION orchestrator_private.note_failed_standbys(p_instance_id text, p_failed jsonb) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_failed_standbys(p_instance_id text, p_failed jsonb) IS 'A standby cannot hear its stream: another is looked for. Its owner is not touched.';

CREATE FUNCTION orchestrator_private.note_gate_passed() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_gate_passed() IS 'What decision_holders() sees of a transaction that has passed the gate.';

CREATE FUNCTION orchestrator_private.note_isolations() RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_isolations() IS 'An owner that was given up and is heard again as the same process was cut off, or hung; it did not crash.';

CREATE FUNCTION orchestrator_private.note_look() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_look() IS 'The instances are looked at: of the time since the last look 5 s count as silence, or a little more than was usual lately.';

CREATE FUNCTION orchestrator_private.note_patterns(p_reporter text, p_incidents jsonb) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_patterns(p_reporter text, p_incidents jsonb) IS 'Count these incidents by their patterns: [{"function", "sqlstate", "message", "detail", "occurrences", "first_seen_at", "last_seen_at"}]. No more than 10,000 patterns are kept.';

CREATE FUNCTION orchestrator_private.note_pull_registered(p_instance_id text, p_name text, p_dialect text, p_address text, p_peer text, p_capacity bigint) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_pull_registered(p_instance_id text, p_name text, p_dialect text, p_address text, p_peer text, p_capacity bigint) IS 'A client has registered: the answer to its next ask is the first of its life.';

CREATE FUNCTION orchestrator_private.note_recovery() RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_recovery() IS 'For the record of a decision: since when recovery mode is on, an empty object when it is off.';

CREATE FUNCTION orchestrator_private.note_silence() RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_silence() IS 'A station at fault that is silent fails on.';

CREATE FUNCTION orchestrator_private.note_stranger(p_name text, p_peer text, p_load bigint) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_stranger(p_name text, p_peer text, p_load bigint) IS 'A client spoke that has not registered.';

CREATE FUNCTION orchestrator_private.note_stray(p_instance_id text, p_peer text, p_load bigint) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_stray(p_instance_id text, p_peer text, p_load bigint) IS 'Words in this client''s name were not its own.';

CREATE FUNCTION orchestrator_private.note_streak(p_reporter text, p_failures jsonb, p_now timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.note_streak(p_reporter text, p_failures jsonb, p_now timestamp with time zone) IS 'How many failures in a row a reporter has seen; too many open an alert at once (R4.2).';

CREATE FUNCTION orchestrator_private.notice_for(p_wanted double precision, p_incoming integer, p_interval double precision, p_window double precision) RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.notice_for(p_wanted double precision, p_incoming integer, p_interval double precision, p_window double precision) IS 'What a worker that goes by p_interval (seconds; null: it would not understand) should know: another interval of beats, or another window of its standbys (p_window), than the one it goes by, that a stream is on its way to it, or that no driver runs (which opens an alert, whoever beats). Null: nothing.';

CREATE FUNCTION orchestrator_private.notification_queue() RETURNS TABLE(used double precision, pid integer, login text, application_name text, database text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.notification_queue() IS 'How full the server''s queue of notifications is (0 to 1), and whose transaction has been open for longest, in any database: what that session has not read stays in the queue if it listens.';

CREATE FUNCTION orchestrator_private.notify_instance(p_instance_id text, p_decision_id bigint) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.notify_instance(p_instance_id text, p_decision_id bigint) IS 'A hint to one worker to ask for what differs.';

CREATE FUNCTION orchestrator_private.notify_watchers() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.notify_watchers() IS 'A hint to those who look on to look again. It has no content; equal ones in a transaction are one.';

CREATE FUNCTION orchestrator_private.notify_watchers_of_row() RETURNS trigger
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.notify_watchers_of_row() IS 'Something changed that people watch.';

CREATE FUNCTION orchestrator_private.numbers_of(p_stream_ids bigint[]) RETURNS bigint[]
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.numbers_of(p_stream_ids bigint[]) IS 'The numbers by which clients know these streams, in order.';

CREATE FUNCTION orchestrator_private.observe(p_metric text, p_label text, p_values double precision[]) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.observe(p_metric text, p_label text, p_values double precision[]) IS 'Count values into a histogram.';

CREATE FUNCTION orchestrator_private.on_this_clock(p_moment timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.on_this_clock(p_moment timestamp with time zone) IS 'A moment that the server itself noted, such as the start of a transaction, by the clock as it goes since its last step.';

CREATE FUNCTION orchestrator_private.open_alert(p_code text, p_subject text, p_severity text, p_message text, p_detail jsonb) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.open_alert(p_code text, p_subject text, p_severity text, p_message text, p_detail jsonb) IS 'Open an alert now, unless it is open; the job evaluate_alerts keeps it and closes it.';

CREATE FUNCTION orchestrator_private.open_decision(p_rule text, p_trigger text, p_reason text DEFAULT NULL::text, p_detail jsonb DEFAULT '{}'::jsonb) RETURNS bigint
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.open_decision(p_rule text, p_trigger text, p_reason text, p_detail jsonb) IS 'Begin a decision and its record.';

CREATE FUNCTION orchestrator_private.open_streams(p_instance_id text) RETURNS TABLE(stream_id bigint, since timestamp with time zone)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.open_streams(p_instance_id text) IS 'Streams that no living instance has and this one could take, in the order in which it is to take them.';

CREATE FUNCTION orchestrator_private.ordinary_ask(p_instance_id text, p_peer text, p_asked bigint) RETURNS text
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.ordinary_ask(p_instance_id text, p_peer text, p_asked bigint) IS 'Answer an ask that says nothing new and can be given nothing: no_capacity or no_streams. Null: it is no such ask, and nothing was done.';

CREATE FUNCTION orchestrator_private.other_loads(p_detail jsonb, p_from text, p_to text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.other_loads(p_detail jsonb, p_from text, p_to text) IS 'The detail of a decision, and the other instances among its loads: those that a stream could have gone to.';

CREATE FUNCTION orchestrator_private.others_are_alive(p_instance_ids text[]) RETURNS boolean
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.others_are_alive(p_instance_ids text[]) IS 'Whether at least as many others are alive as were lost here together: when most are lost, it was not them.';

CREATE FUNCTION orchestrator_private.others_are_awaited(p_client orchestrator_private.pull_client) RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.others_are_awaited(p_client orchestrator_private.pull_client) IS 'Whether another client has registered and not asked yet, or belongs to the fleet that begins anew and is not there yet.';

CREATE FUNCTION orchestrator_private.others_may_take_more(p_client orchestrator_private.pull_client) RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.others_may_take_more(p_client orchestrator_private.pull_client) IS 'Whether another client is asking that would start whatever it is given.';

CREATE FUNCTION orchestrator_private.overdue_handovers(p_limit integer) RETURNS SETOF bigint
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.overdue_handovers(p_limit integer) IS 'Streams that are to be taken from their owners now.';

CREATE FUNCTION orchestrator_private.overdue_job() RETURNS TABLE(job text, overdue interval)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.overdue_job() IS 'The job of the database that is overdue for longest, when that is so long that no driver can be there (no_driver_alert).';

CREATE FUNCTION orchestrator_private.own_streams(p_instance_id text) RETURNS bigint[]
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.own_streams(p_instance_id text) IS 'The streams that an instance should be running.';

CREATE FUNCTION orchestrator_private.owners_of_orphans() RETURNS TABLE(instance_id text)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.owners_of_orphans() IS 'Lost instances that still hold streams, and have had their time to return.';

CREATE FUNCTION orchestrator_private.owners_of_orphans_with_room() RETURNS text[]
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.owners_of_orphans_with_room() IS 'Those of them whose streams another could take now; null when there are none.';

CREATE FUNCTION orchestrator_private.owners_to_take_over_from() RETURNS TABLE(instance_id text, heard_at timestamp with time zone)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.owners_to_take_over_from() IS 'Instances that have been silent for so long that the standbys of their streams are to own these now, and since when they count as silent.';

CREATE FUNCTION orchestrator_private.owners_with_other_beats() RETURNS TABLE(instance_id text, has_standbys boolean)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.owners_with_other_beats() IS 'Instances that are to beat more often, or no longer, because of standbys of their streams.';

CREATE FUNCTION orchestrator_private.past_after_step(p_at timestamp with time zone, p_step interval, p_now timestamp with time zone, p_within interval) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.past_after_step(p_at timestamp with time zone, p_step interval, p_now timestamp with time zone, p_within interval) IS 'A moment in the past by the clock as it is now, after a step that came within so long; null: no one knows when, and only what lies ahead is known to be of the time before it.';

CREATE FUNCTION orchestrator_private.pattern_of(p_message text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.pattern_of(p_message text) IS 'A message with placeholders for what differs from one occurrence to the next: numbers, quoted texts, addresses, times and identifiers.';

CREATE FUNCTION orchestrator_private.pick_instances(p_count bigint, p_capabilities text[], p_in_region text, p_not_in_region text, p_on_probation boolean DEFAULT false, p_without text[] DEFAULT '{}'::text[]) RETURNS text[]
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.pick_instances(p_count bigint, p_capabilities text[], p_in_region text, p_not_in_region text, p_on_probation boolean, p_without text[]) IS 'One instance id per stream that can be taken, up to a count, levelling the loads of those that have the capabilities.';

CREATE FUNCTION orchestrator_private.pick_standbys(p_owner_id text, p_capabilities text[], p_count bigint, p_without text[]) RETURNS text[]
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.pick_standbys(p_owner_id text, p_capabilities text[], p_count bigint, p_without text[]) IS 'One instance id per stream of this owner that can get a standby, up to a count.';

CREATE FUNCTION orchestrator_private.place_fleet(p_decision_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.place_fleet(p_decision_id bigint) IS 'Put every stream where it can be heard, without levelling: pinned ones home, waiting ones into room, those of draining or overfull instances out.';

CREATE FUNCTION orchestrator_private.place_missing_standbys() RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.place_missing_standbys() IS 'Give every stream that shall have a standby and has none one, as far as there is room. Returns how many.';

CREATE FUNCTION orchestrator_private.place_standbys() RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.place_standbys() IS 'Job place_standbys: end standbys that may not be any more, and give every stream that shall have one a standby.';

CREATE FUNCTION orchestrator_private.place_unplaced(p_stream_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.place_unplaced(p_stream_ids bigint[]) IS 'Give streams to other instances that complete_handovers could not give to their next owners; null for none.';

CREATE FUNCTION orchestrator_private.place_waiting(p_decision_id bigint, p_reason text) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.place_waiting(p_decision_id bigint, p_reason text) IS 'Give waiting streams to instances that have room, longest waiting first.';

CREATE FUNCTION orchestrator_private.placeable_instances(p_on_probation boolean DEFAULT false) RETURNS TABLE(instance_id text, max_streams integer, weight double precision, planned integer, ceiling integer, capabilities text[], location text)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.placeable_instances(p_on_probation boolean) IS 'Instances that may be given streams at any time: their weight under the present strategy, planned load and the ceiling that it may reach.';

CREATE FUNCTION orchestrator_private.planned_loads() RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.planned_loads() IS 'What each instance will have when all hand-overs are done, and its capacity.';

CREATE FUNCTION orchestrator_private.prepare_commands(p_instance_id text) RETURNS TABLE(action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.prepare_commands(p_instance_id text) IS 'All streams that an instance is to hear without owning them yet, with the epochs that it is going to have.';

CREATE FUNCTION orchestrator_private.probations_over() RETURNS TABLE(instance_id text)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.probations_over() IS 'Instances whose probation is over, or whose past is to be forgotten.';

CREATE FUNCTION orchestrator_private.promise_over_at(p_instance_id text) RETURNS timestamp with time zone
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.promise_over_at(p_instance_id text) IS 'When an instance that stops by itself has stopped, if no beat of it is accepted any more; null for one that has promised nothing, or has said that it has stopped.';

CREATE FUNCTION orchestrator_private.promotable_standbys(p_stream_ids bigint[]) RETURNS TABLE(stream_id bigint, from_id text, epoch bigint, to_id text)
    LANGUAGE sql ROWS 10
    AS …;

COMMENT ON FUNCTION orchestrator_private.promotable_standbys(p_stream_ids bigint[]) IS 'Those of these streams whose standby hears and can own them now.';

CREATE FUNCTION orchestrator_private.promote_for_waiting(p_decision_id bigint) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.promote_for_waiting(p_decision_id bigint) IS 'Streams that wait, and may be given to an instance by now, go to the standbys that hear them.';

CREATE FUNCTION orchestrator_private.promote_standbys(p_decision_id bigint, p_stream_ids bigint[], p_tell_owners boolean) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.promote_standbys(p_decision_id bigint, p_stream_ids bigint[], p_tell_owners boolean) IS 'Give these streams, as far as their standbys hear them, to those now, under new epochs; owners that may still live are told to stop. Returns how many.';

CREATE FUNCTION orchestrator_private.promote_standbys_of(p_decision_id bigint, p_instance_ids text[]) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.promote_standbys_of(p_decision_id bigint, p_instance_ids text[]) IS 'The standbys of what these instances had own it now, as far as they hear it.';

CREATE FUNCTION orchestrator_private.pull_ask(p_client orchestrator_private.pull_client, p_asked bigint, p_waited interval, OUT outcome text, OUT stream_ids bigint[]) RETURNS record
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.pull_ask(p_client orchestrator_private.pull_client, p_asked bigint, p_waited interval, OUT outcome text, OUT stream_ids bigint[]) IS 'Answer an ask of this client: what it is told, or that it has to wait (hold, busy). p_asked: the number that it asks for, null when it names none. p_waited: how long it has waited already.';

CREATE FUNCTION orchestrator_private.pull_claimants(p_instance_id text) RETURNS TABLE(instance_id text, capacity integer, is_there boolean)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.pull_claimants(p_instance_id text) IS 'All that have a claim to a share of the streams, besides and with this client.';

CREATE FUNCTION orchestrator_private.pull_clients_lost(p_watched text[]) RETURNS TABLE(instance_id text, rule text, last_beat_at timestamp with time zone, session_lost_at timestamp with time zone)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.pull_clients_lost(p_watched text[]) IS 'Those of these clients that are to be declared lost now, and by which rule.';

CREATE FUNCTION orchestrator_private.pull_instance_id(p_name text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.pull_instance_id(p_name text) IS 'The id of the instance that a client''s own name stands for.';

CREATE FUNCTION orchestrator_private.pull_share(p_instance_id text) RETURNS bigint
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.pull_share(p_instance_id text) IS 'How many streams are a client''s by its part of the capacity of all.';

CREATE FUNCTION orchestrator_private.pull_silence_trust() RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.pull_silence_trust() IS 'From when on the silence of such clients is to be believed, as things are now; null: always.';

CREATE FUNCTION orchestrator_private.pull_states(p_now timestamp with time zone) RETURNS TABLE(instance_id text, heard_at timestamp with time zone, limit_at timestamp with time zone, is_silent boolean, is_ghost boolean, owned integer)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.pull_states(p_now timestamp with time zone) IS 'The living clients that ask for their streams: when each was heard, when its silence is over long, whether it is silent at all, whether it was never heard after its answer.';

CREATE FUNCTION orchestrator_private.purge_decisions(p_before timestamp with time zone, p_most integer, OUT decisions integer, OUT movements integer) RETURNS record
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.purge_decisions(p_before timestamp with time zone, p_most integer, OUT decisions integer, OUT movements integer) IS 'Delete old decisions and their movements, at most so many rows; 0 and 0 when there is none left.';

CREATE FUNCTION orchestrator_private.purge_history() RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.purge_history() IS 'Job purge_history: deletes what is older than history_retention, some thousand rows in a run; more: the next run is due at once.';

CREATE FUNCTION orchestrator_private.purge_past(p_before timestamp with time zone, p_most integer) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.purge_past(p_before timestamp with time zone, p_most integer) IS 'Delete what assignments were until before a time, at most so many, and the few rows of instances.';

CREATE FUNCTION orchestrator_private.purge_rows(p_table text, p_column text, p_before timestamp with time zone, p_most integer) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.purge_rows(p_table text, p_column text, p_before timestamp with time zone, p_most integer) IS 'Delete the rows of one table that are from before a time, at most so many, the oldest first.';

CREATE FUNCTION orchestrator_private.read_failures(p_failures jsonb, p_now timestamp with time zone) RETURNS TABLE(function text, sqlstate text, message text, detail text, occurrences bigint, first_seen_at timestamp with time zone, last_seen_at timestamp with time zone, consecutive integer, is_over boolean)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.read_failures(p_failures jsonb, p_now timestamp with time zone) IS 'Failures as a reporter tells them, with its ages as times; without refusals, which are answers.';

CREATE FUNCTION orchestrator_private.read_report(p_report jsonb) RETURNS orchestrator_private.report
    LANGUAGE plpgsql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.read_report(p_report jsonb) IS 'What a beat reports; OR101 when a value cannot be read.';

CREATE FUNCTION orchestrator_private.reassign_orphaned(p_instance_ids text[]) RETURNS orchestrator_private.decision
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.reassign_orphaned(p_instance_ids text[]) IS 'Give what these lost instances still hold to others, as far as those have room.';

CREATE FUNCTION orchestrator_private.rebalance_fleet(p_decision_id bigint) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.rebalance_fleet(p_decision_id bigint) IS 'Bring every instance to its fair target with the least possible moves, by hand-over.';

CREATE FUNCTION orchestrator_private.recent_clock_steps() RETURNS TABLE(finding text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.recent_clock_steps() IS 'The steps of the clock that were found within the last hour, at most ten, in a sentence; no row when there were none.';

CREATE FUNCTION orchestrator_private.recent_hold_ups() RETURNS TABLE(login text, severity text, finding text, detail jsonb)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.recent_hold_ups() IS 'Whose sessions kept decisions waiting within the last hour.';

CREATE FUNCTION orchestrator_private.reconcile(p_instance_id text, p_incarnation bigint, p_streams bigint[], p_epochs bigint[]) RETURNS TABLE(action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.reconcile(p_instance_id text, p_incarnation bigint, p_streams bigint[], p_epochs bigint[]) IS 'Bring the record and the full set of what an instance runs in step; what it has to start and to stop.';

CREATE FUNCTION orchestrator_private.reconnect_owners(p_source text, p_stream_ids bigint[]) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.reconnect_owners(p_source text, p_stream_ids bigint[]) IS 'Gives streams with a new url a new epoch for the same owner, which makes it connect again.';

CREATE FUNCTION orchestrator_private.record_call_failures(p_reporter text, p_failures jsonb) RETURNS bigint
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.record_call_failures(p_reporter text, p_failures jsonb) IS 'Count failures and their patterns: [{"function", "sqlstate", "message", "detail", "count", "first_ago", "last_ago"}], ages in seconds.';

CREATE FUNCTION orchestrator_private.record_hold_up(p_login text, p_lock text, p_application_name text, p_kept interval, p_ended text) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.record_hold_up(p_login text, p_lock text, p_application_name text, p_kept interval, p_ended text) IS 'A transaction of this login was seen to keep decisions waiting.';

CREATE FUNCTION orchestrator_private.record_repair(p_instance_id text, p_incarnation bigint, p_found_by text, p_repaired_by text, p_difference jsonb) RETURNS smallint
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.record_repair(p_instance_id text, p_incarnation bigint, p_found_by text, p_repaired_by text, p_difference jsonb) IS 'An attempt to bring a worker in step; returns which one in a row. From the tenth on the last row of its kind is brought up to date instead.';

CREATE FUNCTION orchestrator_private.record_run(p_job orchestrator_private.job, p_job_run_id bigint, p_run_by text, p_started_at timestamp with time zone, p_result jsonb, p_error jsonb) RETURNS bigint
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.record_run(p_job orchestrator_private.job, p_job_run_id bigint, p_run_by text, p_started_at timestamp with time zone, p_result jsonb, p_error jsonb) IS 'A job has run: when it is next due and how it went. A run that found nothing to do leaves no row of its own; one whose result says "more": true is due again at once.';

CREATE FUNCTION orchestrator_private.record_stalls(p_instance_id text, p_stalled jsonb) RETURNS TABLE(action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.record_stalls(p_instance_id text, p_stalled jsonb) IS 'Note which of its streams an instance hears nothing of; returns the commands to restart those where that is new.';

CREATE FUNCTION orchestrator_private.record_stream_failures(p_instance_id text, p_failed jsonb) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.record_stream_failures(p_instance_id text, p_failed jsonb) IS 'Count failure reports; a stream that failed too often here is handed over to an instance that has not refused it, or its station is blamed.';

CREATE FUNCTION orchestrator_private.record_sync(p_source text, p_batch uuid, p_read_at timestamp with time zone, p_change jsonb, p_reconnected integer) RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.record_sync(p_source text, p_batch uuid, p_read_at timestamp with time zone, p_change jsonb, p_reconnected integer) IS 'Records a sync that succeeded and clears the staging table.';

CREATE FUNCTION orchestrator_private.record_witness(p_source text, p_witness text, p_read_at timestamp with time zone) RETURNS orchestrator_private.witness
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.record_witness(p_source text, p_witness text, p_read_at timestamp with time zone) IS 'A witness was read. The row as it was before; null when this reading does not count.';

CREATE FUNCTION orchestrator_private.recount_loads() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.recount_loads() IS 'Makes counters and digests equal to a recount of the assignments.';

CREATE FUNCTION orchestrator_private.recovery_is_on() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.recovery_is_on() IS 'Alert: recovery mode is on (R4.3).';

CREATE FUNCTION orchestrator_private.redact_in(p_error jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.redact_in(p_error jsonb) IS 'An error (an object of texts) without secrets; null when there is none.';

CREATE FUNCTION orchestrator_private.redact_json(p_value jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.redact_json(p_value jsonb) IS 'JSON in its own shape, without the secrets that its texts hold and its keys name.';

CREATE FUNCTION orchestrator_private.refuse_other_login(p_instance_id text) RETURNS void
    LANGUAGE plpgsql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.refuse_other_login(p_instance_id text) IS 'Refuse (OR106) a login that may not speak for this instance. It is not told whose it is.';

CREATE FUNCTION orchestrator_private.refuse_setting(p_name text, p_value text, p_why text, p_hint text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.refuse_setting(p_name text, p_value text, p_why text, p_hint text) IS 'Refuse with OR108.';

CREATE FUNCTION orchestrator_private.refuse_when_paused() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.refuse_when_paused() IS 'Refuse (OR401) while balancing is paused.';

CREATE FUNCTION orchestrator_private.refused_streams(p_stream_ids bigint[]) RETURNS TABLE(stream_id bigint, refused_by text[], has_failed boolean)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.refused_streams(p_stream_ids bigint[]) IS 'Those of these streams that some instance has refused lately, by which instances, and whether it was for failing: such a stream is placed by itself, where it may be heard.';

CREATE FUNCTION orchestrator_private.release_unable(p_instance_id text, p_may_still_run boolean) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.release_unable(p_instance_id text, p_may_still_run boolean) IS 'An instance that registered without a capability that some of its streams require gives those up.';

CREATE FUNCTION orchestrator_private.relieve(p_instance_id text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.relieve(p_instance_id text) IS 'Give what an instance on probation has to others, as far as those have room: it may die any second.';

CREATE FUNCTION orchestrator_private.remember_refusals(p_instance_id text, p_stream_ids bigint[], p_reason text, p_times_before_it_counts integer, p_for_failing boolean) RETURNS bigint[]
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.remember_refusals(p_instance_id text, p_stream_ids bigint[], p_reason text, p_times_before_it_counts integer, p_for_failing boolean) IS 'An instance does not want these streams for a while; returns those for which that counts now.';

CREATE FUNCTION orchestrator_private.remove_commands(p_instance_id text) RETURNS TABLE(action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.remove_commands(p_instance_id text) IS 'Streams that an instance may still be running and should not.';

CREATE FUNCTION orchestrator_private.renew_epochs(p_stream_ids bigint[], p_decision_id bigint DEFAULT NULL::bigint) RETURNS text[]
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.renew_epochs(p_stream_ids bigint[], p_decision_id bigint) IS 'New epochs for the same owners, who start these streams anew. Hand-overs go on. Returns the owners.';

CREATE FUNCTION orchestrator_private.report_failures_of(p_reporter text, p_failures jsonb) RETURNS TABLE(recorded integer, recovery boolean)
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.report_failures_of(p_reporter text, p_failures jsonb) IS 'What report_failures and record_failures do: count, patterns, failures in a row.';

CREATE FUNCTION orchestrator_private.request_settle(p_reason text, p_subject text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.request_settle(p_reason text, p_subject text) IS 'Something happened that a rebalance should answer; the job settle does, once the requests have stopped coming.';

CREATE FUNCTION orchestrator_private.require_argument(p_name text, p_is_good boolean, p_given jsonb, p_hint text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.require_argument(p_name text, p_is_good boolean, p_given jsonb, p_hint text) IS 'Refuse with OR101, naming the argument, what was given and what is wanted.';

CREATE FUNCTION orchestrator_private.require_exact_text(p_name text, p_text text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.require_exact_text(p_name text, p_text text) IS 'Refuse (OR101) a text under a collation that takes different texts for equal.';

CREATE FUNCTION orchestrator_private.require_few(p_name text, p_count integer) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.require_few(p_name text, p_count integer) IS 'Refuse (OR101) more streams in one call than any instance can mean.';

CREATE FUNCTION orchestrator_private.require_history(p_name text, p_at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.require_history(p_name text, p_at timestamp with time zone) IS 'Refuse (OR101) a moment that is null, still to come, or before all that is known; the detail says the oldest one.';

CREATE FUNCTION orchestrator_private.require_interval(p_name text, p_value interval, p_least interval, p_most interval) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.require_interval(p_name text, p_value interval, p_least interval, p_most interval) IS 'Refuse (OR101) an interval that is null, out of bounds, infinite, or made of parts of both signs.';

CREATE FUNCTION orchestrator_private.require_its_own_word(p_instance orchestrator_private.instance, p_force boolean) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.require_its_own_word(p_instance orchestrator_private.instance, p_force boolean) IS 'That an instance which stops by itself has stopped can be said by its own login only (else OR407), or by force.';

CREATE FUNCTION orchestrator_private.require_moment(p_name text, p_value timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.require_moment(p_name text, p_value timestamp with time zone) IS 'Refuse (OR101) a moment that is null, infinite, or so far away that reckoning with it would fail.';

CREATE FUNCTION orchestrator_private.require_read_committed() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.require_read_committed() IS 'Refuse (OR101) a transaction whose snapshot may be older than the lock that it is about to wait for, and a session in which no trigger counts.';

CREATE FUNCTION orchestrator_private.require_station(p_argument text, p_problem text, p_given jsonb) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.require_station(p_argument text, p_problem text, p_given jsonb) IS 'Refuse (OR101) an argument for what station_problem says of it.';

CREATE FUNCTION orchestrator_private.requirement_of(p_capabilities text[], p_region text DEFAULT NULL::text) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.requirement_of(p_capabilities text[], p_region text) IS 'The requirement of these capabilities and this region, made when it is new.';

CREATE FUNCTION orchestrator_private.requirement_reach() RETURNS TABLE(requirement_id integer, instance_ids text[], reaches_all boolean)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.requirement_reach() IS 'Which instances may have the streams of each requirement in use (under the strategy location: those of its region, where there are any).';

CREATE FUNCTION orchestrator_private.resolve_contradictions(p_decision_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.resolve_contradictions(p_decision_id bigint) IS 'Makes assignments agree with their streams and instances again, in this decision.';

CREATE FUNCTION orchestrator_private.restart_standbys(p_instance_id text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.restart_standbys(p_instance_id text) IS 'A new process of this instance hears nothing yet.';

CREATE FUNCTION orchestrator_private.return_changed(p_source text, p_stream_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.return_changed(p_source text, p_stream_ids bigint[]) IS 'Gives streams back that their source has again, as one decision.';

CREATE FUNCTION orchestrator_private.return_of(p_instance_id text) RETURNS text
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.return_of(p_instance_id text) IS 'Why a settlement is asked for when a lost instance returns: one that kept its streams needs no new share.';

CREATE FUNCTION orchestrator_private.return_to_owners(p_decision_id bigint, p_stream_ids bigint[]) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.return_to_owners(p_decision_id bigint, p_stream_ids bigint[]) IS 'Give those of these waiting streams back that an instance had a moment ago; returns how many.';

CREATE FUNCTION orchestrator_private.rival_of(p_client orchestrator_private.pull_client, p_address text, p_peer text) RETURNS text
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.rival_of(p_client orchestrator_private.pull_client, p_address text, p_peer text) IS 'Whether another process lives under this client''s name: it asks, or beats; null when there is none.';

CREATE FUNCTION orchestrator_private.rivals_for_a_name() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.rivals_for_a_name() IS 'Alert, for each client: another process wants its name, or speaks in it.';

CREATE FUNCTION orchestrator_private.sample_activity(p_now timestamp with time zone) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.sample_activity(p_now timestamp with time zone) IS 'Remember for an hour what the counters of the beats stand at; failures are forgotten as well.';

CREATE FUNCTION orchestrator_private.sample_fleet() RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.sample_fleet() IS 'Job sample_fleet: a row of the fleet''s history.';

CREATE FUNCTION orchestrator_private.schema_differences() RETURNS TABLE(kind text, identity text, difference text)
    LANGUAGE sql
    SET "TimeZone" TO 'UTC'
    AS …;

COMMENT ON FUNCTION orchestrator_private.schema_differences() IS 'Where the two schemas differ from what the last migration left.';

CREATE FUNCTION orchestrator_private.seconds_between(p_from timestamp with time zone, p_to timestamp with time zone) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.seconds_between(p_from timestamp with time zone, p_to timestamp with time zone) IS 'Seconds from one moment to a later one; 0 when it is none.';

CREATE FUNCTION orchestrator_private.send_to(p_decision_id bigint, p_assignment orchestrator_private.assignment, p_instance_id text, p_reason text) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.send_to(p_decision_id bigint, p_assignment orchestrator_private.assignment, p_instance_id text, p_reason text) IS 'Send one stream to one instance: by hand-over from a living owner, at once when it waits or its owner is lost.';

CREATE FUNCTION orchestrator_private.server_returned() RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.server_returned() IS 'Whether the server was restarted or promoted since the last look.';

CREATE FUNCTION orchestrator_private.server_started_at() RETURNS timestamp with time zone
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.server_started_at() IS 'When this server was started: a change means that every session was lost with it.';

CREATE FUNCTION orchestrator_private.server_timeline() RETURNS integer
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.server_timeline() IS 'The server''s timeline: a change means that a standby was promoted.';

CREATE FUNCTION orchestrator_private.session_lock_key(p_instance_id text, p_incarnation bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.session_lock_key(p_instance_id text, p_incarnation bigint) IS 'The key of the lock that the session of one life of an instance holds.';

CREATE FUNCTION orchestrator_private.sessions_changed() RETURNS TABLE(instance_id text, is_held boolean)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.sessions_changed() IS 'Instances whose session is gone or back since the last look.';

CREATE FUNCTION orchestrator_private.sessions_checksum() RETURNS bigint
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.sessions_checksum() IS 'Changes with the session locks, with who holds them and with each that is taken, and costs a fraction of comparing them with the instances.';

CREATE FUNCTION orchestrator_private.set_witness(p_source text, p_witness text, p_table_name text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.set_witness(p_source text, p_witness text, p_table_name text) IS 'Let a table of a source''s database be read as this witness; an empty name ends it, null leaves it.';

CREATE FUNCTION orchestrator_private.setting_is_right(p_setting orchestrator_private.setting) RETURNS boolean
    LANGUAGE plpgsql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.setting_is_right(p_setting orchestrator_private.setting) IS 'Whether the value is one of its kind, and within its bounds.';

CREATE FUNCTION orchestrator_private.setting_number(p_name text) RETURNS numeric
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.setting_number(p_name text) IS 'A setting of kind integer or number.';

CREATE FUNCTION orchestrator_private.setting_text(p_name text) RETURNS text
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.setting_text(p_name text) IS 'A setting as it is written.';

CREATE FUNCTION orchestrator_private.setting_value(p_setting orchestrator_private.setting, p_value text) RETURNS text
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.setting_value(p_setting orchestrator_private.setting, p_value text) IS 'The value in its canonical form, or OR108.';

CREATE FUNCTION orchestrator_private.settle() RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.settle() IS 'Job settle: one rebalance for everything that was asked for since the last one.';

CREATE FUNCTION orchestrator_private.settle_gaps() RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.settle_gaps() IS 'Bring the open gaps in step with what owners say.';

CREATE FUNCTION orchestrator_private.severity_rank(p_severity text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.severity_rank(p_severity text) IS 'Severities in their order: info, warning, critical.';

CREATE FUNCTION orchestrator_private.short_memories() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.short_memories() IS 'Alert, for each live instance: it uses more memory than memory_alert. Over five points below that.';

CREATE FUNCTION orchestrator_private.should_progress(p_instance_id text) RETURNS boolean
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.should_progress(p_instance_id text) IS 'Whether an instance has run streams for stall_timeout that are not their stations'' own fault.';

CREATE FUNCTION orchestrator_private.silence_trust(p_watched text[]) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.silence_trust(p_watched text[]) IS 'From when on silence is to be believed, as things are now; infinity while none is left. Null: always.';

CREATE FUNCTION orchestrator_private.silence_trusted_from() RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.silence_trusted_from() IS 'From when on silence is believed.';

CREATE FUNCTION orchestrator_private.silences() RETURNS TABLE(stream_id bigint, cause text, instance_id text, since timestamp with time zone, seen_at timestamp with time zone)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.silences() IS 'Streams that have an owner and are not heard, by its word: since when, until when that is known, and whether the station is to blame.';

CREATE FUNCTION orchestrator_private.silent_owners() RETURNS text[]
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.silent_owners() IS 'Instances that do not say with which streams they make progress: callbacks that report nothing, and those that speak HTTP.';

CREATE FUNCTION orchestrator_private.silent_together(p_watched text[]) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.silent_together(p_watched text[]) IS 'When the last of them was heard, if most instances fell silent together (their last beats no further apart than one interval and the grace); else null.';

CREATE FUNCTION orchestrator_private.something_is_due(p_watched text[]) RETURNS boolean
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.something_is_due(p_watched text[]) IS 'Whether there is something to do about an instance, its session aside. The cheapest questions come first, and nearly always answer the others.';

CREATE FUNCTION orchestrator_private.stalls_due() RETURNS TABLE(stream_id bigint, instance_id text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.stalls_due() IS 'Streams that are still silent stall_timeout after they were restarted.';

CREATE FUNCTION orchestrator_private.stalls_over() RETURNS TABLE(stream_id bigint, is_progress boolean)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.stalls_over() IS 'Stalls that are none any more: the stream changed hands, or its owner beats and names it no longer.';

CREATE FUNCTION orchestrator_private.standby_candidates(p_owner_id text) RETURNS TABLE(instance_id text, weight double precision, planned integer, standbys integer, own integer, room integer, capabilities text[])
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.standby_candidates(p_owner_id text) IS 'Instances that may stand by for this owner: their streams when all hand-overs are done, their standbys, those of them for this owner, and what room is left.';

CREATE FUNCTION orchestrator_private.standby_commands(p_instance_id text, p_digest bigint) RETURNS TABLE(action text, stream_id bigint, epoch bigint, name text, url text, metadata jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.standby_commands(p_instance_id text, p_digest bigint) IS 'What brings a worker''s standbys in step, whose digest is p_digest (null: what it has not confirmed, and what has ended lately). When the digest is that of nothing it was told, all are named, and the end of stream 0 means all others.';

CREATE FUNCTION orchestrator_private.standby_groups() RETURNS TABLE(owner_id text, requirement_id integer, capabilities text[], refused_by text[], stream_ids bigint[])
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.standby_groups() IS 'Streams that can get a standby now, by what decides on where.';

CREATE FUNCTION orchestrator_private.standby_is_silent(p_silent jsonb, p_number bigint) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.standby_is_silent(p_silent jsonb, p_number bigint) IS 'Whether the last beat of its instance named this standby among those that make no progress.';

CREATE FUNCTION orchestrator_private.standbys_are_on() RETURNS boolean
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.standbys_are_on() IS 'Whether any stream is to have a standby.';

CREATE FUNCTION orchestrator_private.standbys_follow(p_stream_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.standbys_follow(p_stream_ids bigint[]) IS 'These streams have new owners: one that was the standby is promoted, and a standby that may not be the new owner''s ends.';

CREATE FUNCTION orchestrator_private.standbys_make_way(p_stream_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.standbys_make_way(p_stream_ids bigint[]) IS 'The next owners of these streams prepare: a standby that is one goes on as that, and any other ends, so that no station has three listeners.';

CREATE FUNCTION orchestrator_private.standbys_of_stalled() RETURNS TABLE(stream_id bigint, standby_id text, hears boolean)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.standbys_of_stalled() IS 'Stalled streams of which it is known whether their standbys hear them.';

CREATE FUNCTION orchestrator_private.standbys_over() RETURNS SETOF bigint
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.standbys_over() IS 'Standbys that are to end: of streams that shall have none, or on instances that may not hear them any more.';

CREATE FUNCTION orchestrator_private.standbys_to_level() RETURNS TABLE(number bigint, stream_id bigint, to_id text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.standbys_to_level() IS 'Standbys that are to be elsewhere: where one owner''s are further than max_stream_difference from an even spread.';

CREATE FUNCTION orchestrator_private.start_action(p_instance orchestrator_private.instance, p_assignment orchestrator_private.assignment) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.start_action(p_instance orchestrator_private.instance, p_assignment orchestrator_private.assignment) IS 'How an owner is told of a stream: to start it; or to go on with it under a newer epoch, if it said at registration that it can.';

CREATE FUNCTION orchestrator_private.step_clock(p_step interval, p_within interval, p_found_by text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.step_clock(p_step interval, p_within interval, p_found_by text) IS 'The clock has stepped, within so long before now (null: no one knows when): record it, and let stored moments move with it.';

CREATE FUNCTION orchestrator_private.step_instance(p_instance_id text, p_event text) RETURNS text
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.step_instance(p_instance_id text, p_event text) IS 'Let an event happen to an instance; returns its new status.';

CREATE FUNCTION orchestrator_private.stepped_clock() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.stepped_clock() IS 'Alert: the server''s clock stepped within the last hour.';

CREATE FUNCTION orchestrator_private.stopped_ownerships(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[]) RETURNS TABLE(stream_id bigint, state text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.stopped_ownerships(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[]) IS 'Those of these streams whose present ownership the instance says that it has stopped.';

CREATE FUNCTION orchestrator_private.stored_times() RETURNS TABLE(table_name text, column_name text, kind text, horizon text)
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.stored_times() IS 'Every stored moment, and what a step of the server''s clock does to it. A horizon is an expression over its row; of a moment that moves with another, it is the other''s name.';

CREATE FUNCTION orchestrator_private.stray_locks() RETURNS TABLE(pid integer, login text, application_name text, state text, may_end boolean, lock text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.stray_locks() IS 'Who holds one of this system''s advisory locks as no program of this system does.';

CREATE TABLE orchestrator_private.failure_streak (
    reporter text NOT NULL,
    consecutive integer NOT NULL,
    began_at timestamp with time zone NOT NULL,
    last_failed_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    last_error jsonb,
    CONSTRAINT consecutive_is_not_negative CHECK ((consecutive >= 0))
);

COMMENT ON TABLE orchestrator_private.failure_streak IS 'Failures in a row of each reporter, the present streak or the last one (R4.2).';

CREATE FUNCTION orchestrator_private.streak_condition(p_streak orchestrator_private.failure_streak) RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.streak_condition(p_streak orchestrator_private.failure_streak) IS 'What an alert says of failures in a row.';

CREATE FUNCTION orchestrator_private.streams_above_shares(p_instance_id text, p_most bigint) RETURNS bigint[]
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.streams_above_shares(p_instance_id text, p_most bigint) IS 'Streams that workers, and clients that stop what is taken from them, have beyond their shares and could hand over to this client, so many at most; none while balancing is paused.';

CREATE FUNCTION orchestrator_private.streams_heard_twice() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.streams_heard_twice() IS 'Alert, for each client that came back running what another one was given meanwhile: neither can be told.';

CREATE FUNCTION orchestrator_private.streams_like(p_text text, p_limit integer) RETURNS TABLE(stream_id bigint, place integer)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.streams_like(p_text text, p_limit integer) IS 'Streams whose name begins with or holds a text in lower case, or whose address holds it; in this order.';

CREATE FUNCTION orchestrator_private.streams_numbered(p_numbers bigint[]) RETURNS bigint[]
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.streams_numbered(p_numbers bigint[]) IS 'The streams that clients know by these numbers; numbers that name none are left out.';

CREATE FUNCTION orchestrator_private.streams_to_stand_by_for() RETURNS TABLE(stream_id bigint, owner_id text, requirement_id integer)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.streams_to_stand_by_for() IS 'Streams with an owner that shall have a standby and have none.';

CREATE FUNCTION orchestrator_private.sum_of_counts(p_counts bigint[], p_more bigint[]) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.sum_of_counts(p_counts bigint[], p_more bigint[]) IS 'The counts of two histograms with the same buckets (null: none), put together.';

CREATE FUNCTION orchestrator_private.sync_pause(p_sync_interval interval, p_consecutive_failures integer) RETURNS interval
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.sync_pause(p_sync_interval interval, p_consecutive_failures integer) IS 'Its interval; after failures twice as long with each, up to ten minutes.';

CREATE FUNCTION orchestrator_private.take_back_remembered(p_client orchestrator_private.pull_client, p_rule text) RETURNS boolean
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.take_back_remembered(p_client orchestrator_private.pull_client, p_rule text) IS 'What a client''s own list may hold becomes its own again: at once where no living instance has it, by hand-over from a worker. Whether some is still on its way. What another client has stays there.';

CREATE FUNCTION orchestrator_private.take_decision_key(p_shared boolean) RETURNS void
    LANGUAGE plpgsql
    SET lock_timeout TO '1s'
    AS …;

COMMENT ON FUNCTION orchestrator_private.take_decision_key(p_shared boolean) IS 'Behind the gate: take the key of decisions too. A session that has it for more than a second is one of a stranger, and decisions go on without.';

CREATE FUNCTION orchestrator_private.take_over(p_instance_ids text[]) RETURNS orchestrator_private.decision
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.take_over(p_instance_ids text[]) IS 'The standbys that hear what these silent instances have own it now.';

CREATE FUNCTION orchestrator_private.take_streams(p_client orchestrator_private.pull_client, p_stream_ids bigint[], p_rule text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.take_streams(p_client orchestrator_private.pull_client, p_stream_ids bigint[], p_rule text) IS 'Give a client these open streams, in one decision.';

CREATE FUNCTION orchestrator_private.targets_to_tell(p_targets text[]) RETURNS TABLE(target text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.targets_to_tell(p_targets text[]) IS 'Which of these targets may be told something now, the one that has waited for longest first.';

CREATE FUNCTION orchestrator_private.tell_former_owners(p_decision_id bigint) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.tell_former_owners(p_decision_id bigint) IS 'An owner that a decision took streams from without asking is told to stop them, should it return.';

CREATE FUNCTION orchestrator_private.tell_targets(p_alert_ids bigint[], p_event text, p_at timestamp with time zone) RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.tell_targets(p_alert_ids bigint[], p_event text, p_at timestamp with time zone) IS 'An event of these alerts is to be told to every target that wants alerts of their severity.';

CREATE FUNCTION orchestrator_private.thresholds() RETURNS jsonb
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.thresholds() IS 'The settings that balancing goes by, for the record of a decision.';

CREATE FUNCTION orchestrator_private.timing_settings() RETURNS TABLE(reset text, to_default text, is_right boolean)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.timing_settings() IS 'Whether the timing inequalities hold, as things are (reset is null) and with one setting at its default.';

CREATE FUNCTION orchestrator_private.today() RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.today() IS 'When this day began, in UTC.';

CREATE FUNCTION orchestrator_private.transaction_started_at() RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    AS …;

COMMENT ON FUNCTION orchestrator_private.transaction_started_at() IS 'When this transaction began.';

CREATE FUNCTION orchestrator_private.unassign_from_pull_clients(p_decision_id bigint, p_instance_ids text[], p_reason text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.unassign_from_pull_clients(p_decision_id bigint, p_instance_ids text[], p_reason text) IS 'What no worker could take of lost clients that ask for their streams waits for the next ask: their own lists remember it for them.';

CREATE FUNCTION orchestrator_private.unexplained_difference(p_instance_id text, p_streams bigint[], p_epochs bigint[]) RETURNS jsonb
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.unexplained_difference(p_instance_id text, p_streams bigint[], p_epochs bigint[]) IS 'What a full set has too little, too much or under wrong epochs, and nothing under way explains; at most 100 streams of each kind beside their counts, null when there is none.';

CREATE FUNCTION orchestrator_private.unknown_alert(p_alert_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.unknown_alert(p_alert_id bigint) IS 'Refuse with OR107.';

CREATE FUNCTION orchestrator_private.unknown_instance(p_instance_id text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.unknown_instance(p_instance_id text) IS 'Refuse with OR103.';

CREATE FUNCTION orchestrator_private.unknown_stream(p_stream_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.unknown_stream(p_stream_id bigint) IS 'Refuse with OR102.';

CREATE FUNCTION orchestrator_private.unlock_session(p_session_key bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.unlock_session(p_session_key bigint) IS 'Untie the calling session from a key; false when it was not tied.';

CREATE FUNCTION orchestrator_private.unwatched_after_step(p_unwatched tstzmultirange, p_step interval, p_now timestamp with time zone, p_within interval) RETURNS tstzmultirange
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.unwatched_after_step(p_unwatched tstzmultirange, p_step interval, p_now timestamp with time zone, p_within interval) IS 'The times in which nobody looked, by the clock as it is now, after a step.';

CREATE FUNCTION orchestrator_private.unwitnessed_between(p_from timestamp with time zone, p_to timestamp with time zone, p_owners text[]) RETURNS TABLE(stream_id bigint, seconds double precision)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.unwitnessed_between(p_from timestamp with time zone, p_to timestamp with time zone, p_owners text[]) IS 'For how long these owners had which streams between their gaps.';

CREATE FUNCTION orchestrator_private.wait_anew() RETURNS void
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.wait_anew() IS 'Every hand-over begins to wait for its owner now.';

CREATE FUNCTION orchestrator_private.waiting_reasons() RETURNS TABLE(reason text, requirement_id integer, capabilities text[], stream_id bigint, waiting_since timestamp with time zone)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.waiting_reasons() IS 'Why each waiting stream waits: no instance, no ability, no room, no ask (a client that asks for its streams has room, and may only be given one at a time until it begins anew), refused, or room (it could be placed).';

CREATE FUNCTION orchestrator_private.waiting_streams() RETURNS TABLE(code text, subject text, severity text, message text, detail jsonb)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.waiting_streams() IS 'Alert: streams have waited for streams_waiting_alert.';

CREATE FUNCTION orchestrator_private.waiting_with_room() RETURNS TABLE(requirement_id integer, room bigint)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.waiting_with_room() IS 'The requirements of waiting streams that some instance could take, hardest to place first.';

CREATE FUNCTION orchestrator_private.waits_of_gaps() RETURNS TABLE(stream_id bigint, why text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.waits_of_gaps() IS 'Why streams wait, where their gaps do not say it yet.';

CREATE FUNCTION orchestrator_private.waive_promise(p_instance_id text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.waive_promise(p_instance_id text) IS 'By an administrator''s order nothing waits for this instance any more, though it may still run what it had.';

CREATE FUNCTION orchestrator_private.wake(p_job text) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.wake(p_job text) IS 'Tell sleeping drivers that a job became due.';

CREATE FUNCTION orchestrator_private.wanted_interval(p_lease interval, p_has_standbys boolean) RETURNS TABLE(seconds double precision)
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.wanted_interval(p_lease interval, p_has_standbys boolean) IS 'How often an instance with this lease is to beat now; one whose streams have standbys so often that a lost beat moves nothing.';

CREATE FUNCTION orchestrator_private.watch_coverage() RETURNS jsonb
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    AS …;

COMMENT ON FUNCTION orchestrator_private.watch_coverage() IS 'Job watch_coverage: what owners say of what they hear goes into the record of gaps, and gaps that are over into the metric.';

CREATE FUNCTION orchestrator_private.watch_instances() RETURNS jsonb
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET lock_timeout TO '20s'
    AS …;

COMMENT ON FUNCTION orchestrator_private.watch_instances() IS 'Job watch_instances: late instances are warned of, lost ones give up their streams, long lost ones are removed.';

CREATE FUNCTION orchestrator_private.watch_recovery() RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.watch_recovery() IS 'Job watch_recovery: recovery mode on when too much fails, off when it has been quiet.';

CREATE FUNCTION orchestrator_private.watch_server() RETURNS boolean
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.watch_server() IS 'After a restart or promotion: believe no lost session for restart_grace, and count silence from now.';

CREATE FUNCTION orchestrator_private.watch_sessions(p_instance_ids text[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.watch_sessions(p_instance_ids text[]) IS 'Note which of these instances'' attached sessions are gone or back, and whether most of them went together.';

CREATE FUNCTION orchestrator_private.watch_stalls() RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.watch_stalls() IS 'Job watch_stalls: silent streams are moved or their stations blamed, instances without progress warned of, stations that are heard again forgiven.';

CREATE FUNCTION orchestrator_private.watch_transactions() RETURNS jsonb
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.watch_transactions() IS 'Job watch_transactions: ends transactions that run too long, and says whom they blocked; those that keep decisions waiting; and sessions that hold locks which are not theirs.';

CREATE FUNCTION orchestrator_private.watched_instances() RETURNS text[]
    LANGUAGE sql STABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.watched_instances() IS 'Living instances that may be late or lost: silent for as long as the first limit or the shortest lease, without their session, or restarting.';

CREATE FUNCTION orchestrator_private.welcome_back(p_known orchestrator_private.instance, p_max_streams integer) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.welcome_back(p_known orchestrator_private.instance, p_max_streams integer) IS 'Step an instance that is known into its next life and ask for what its return calls for.';

CREATE FUNCTION orchestrator_private.withdraw_changed(p_source text, p_gone bigint[], p_misfits bigint[]) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.withdraw_changed(p_source text, p_gone bigint[], p_misfits bigint[]) IS 'Takes streams from their owners because their source says so, as one decision.';

CREATE FUNCTION orchestrator_private.withdraw_streams(p_decision_id bigint, p_stream_ids bigint[], p_reason text) RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.withdraw_streams(p_decision_id bigint, p_stream_ids bigint[], p_reason text) IS 'Make streams idle that are no longer to be heard: they are taken from their owners, at once. Returns how many had one.';

CREATE FUNCTION orchestrator_private.without_progress() RETURNS TABLE(instance_id text)
    LANGUAGE sql
    AS …;

COMMENT ON FUNCTION orchestrator_private.without_progress() IS 'Instances that beat, have streams to hear and hear nothing.';

CREATE FUNCTION orchestrator_private.witness_pause(p_witness text, p_consecutive_failures integer) RETURNS interval
    LANGUAGE sql IMMUTABLE
    AS …;

COMMENT ON FUNCTION orchestrator_private.witness_pause(p_witness text, p_consecutive_failures integer) IS 'How long a witness is left alone after an attempt: longer with each failure, up to ten minutes.';

CREATE FUNCTION orchestrator_private.write_batch(p_source text, p_batch uuid, p_changed bigint[]) RETURNS void
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.write_batch(p_source text, p_batch uuid, p_changed bigint[]) IS 'Writes the changed and new rows of a staged batch into stream and assignment.';

CREATE FUNCTION orchestrator_private.yield_standbys() RETURNS integer
    LANGUAGE plpgsql
    AS …;

COMMENT ON FUNCTION orchestrator_private.yield_standbys() IS 'Where an instance has more streams and standbys than places, standbys give way, the newest first. Returns how many.';

CREATE TABLE orchestrator_private.alert_delivery (
    alert_id bigint NOT NULL,
    event text NOT NULL,
    event_number integer DEFAULT 0 NOT NULL,
    target text NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    sent_by text,
    changed_at timestamp with time zone NOT NULL,
    error jsonb,
    CONSTRAINT event_is_known CHECK ((event = ANY (ARRAY['opened'::text, 'escalated'::text, 'reminded'::text, 'resolved'::text]))),
    CONSTRAINT state_of_a_delivery_is_known CHECK ((state = ANY (ARRAY['pending'::text, 'sending'::text, 'sent'::text, 'failed'::text, 'unknown'::text])))
);

COMMENT ON TABLE orchestrator_private.alert_delivery IS 'One event of an alert for one target. Its key is what makes it go out once; what was being sent when its driver died is unknown and not sent again.';

CREATE VIEW orchestrator.alert_deliveries AS
 SELECT d.alert_id,
    a.code,
    a.subject,
    a.severity,
    d.event,
    d.event_number,
    d.target,
    d.happened_at,
    d.state,
    d.attempts,
    d.sent_by,
    d.changed_at,
    d.error
   FROM (orchestrator_private.alert_delivery d
     JOIN orchestrator_private.alert a ON ((d.alert_id = a.alert_id)));

COMMENT ON VIEW orchestrator.alert_deliveries IS 'What each target was told of each alert: pending, sending, sent, failed (given up after a day) or unknown (its driver died while sending, and it is not sent twice).';

CREATE VIEW orchestrator.alert_targets AS
 SELECT target,
    minimum_severity,
    enabled,
    created_at,
    last_sent_at,
    consecutive_failures,
    last_error,
    retry_at,
    ( SELECT (count(*))::integer AS count
           FROM orchestrator_private.alert_delivery d
          WHERE ((d.target = t.target) AND (d.state = ANY (ARRAY['pending'::text, 'sending'::text])))) AS undelivered
   FROM orchestrator_private.alert_target t;

COMMENT ON VIEW orchestrator.alert_targets IS 'Where alerts go: from which severity on, when last, and what keeps them from going. The addresses are not here, but in the environment of the drivers.';

CREATE VIEW orchestrator.alerts AS
 SELECT alert_id,
    code,
    subject,
    severity,
    message,
    detail,
    opened_at,
    updated_at,
    acknowledged_at,
    acknowledged_by,
    resolved_at,
    ( SELECT max(d.changed_at) AS max
           FROM orchestrator_private.alert_delivery d
          WHERE ((d.alert_id = a.alert_id) AND (d.state = 'sent'::text))) AS delivered_at,
    reminders,
    event_id
   FROM orchestrator_private.alert a;

COMMENT ON VIEW orchestrator.alerts IS 'Alerts, open (resolved_at is null) and closed. delivered_at: when it was last told; reminders: how often it was told again, as it was not acknowledged.';

CREATE VIEW orchestrator.assignments AS
 SELECT a.stream_id,
    s.name,
    a.instance_id,
    a.epoch,
        CASE
            WHEN (i.status = 'inactive'::text) THEN 'waiting'::text
            ELSE a.state
        END AS state,
    a.next_instance_id,
    a.pinned_to,
    a.assigned_at,
    a.releasing_since,
    a.decision_id
   FROM ((orchestrator_private.assignment a
     JOIN orchestrator_private.stream s ON ((a.stream_id = s.stream_id)))
     JOIN orchestrator_private.instance i ON ((a.instance_id = i.instance_id)))
  WHERE (a.instance_id IS NOT NULL);

COMMENT ON VIEW orchestrator.assignments IS 'Who has which stream now, under which epoch, and what is being handed over to whom. state waiting: its instance is lost, and no other could take it.';

CREATE TABLE orchestrator_private.clock_step (
    clock_step_id bigint NOT NULL,
    found_at timestamp with time zone NOT NULL,
    clock_said timestamp with time zone NOT NULL,
    step interval NOT NULL,
    is_measured boolean NOT NULL,
    found_by text NOT NULL
);

COMMENT ON TABLE orchestrator_private.clock_step IS 'Steps of the server''s clock: found_at moves with later steps, clock_said is what the clock said then, after the step. Measured: by a driver, against a clock that does not step; else it went back by at least so much.';

CREATE VIEW orchestrator.clock_steps AS
 SELECT clock_step_id,
    found_at,
    clock_said,
    step,
    is_measured,
    found_by
   FROM orchestrator_private.clock_step c;

COMMENT ON VIEW orchestrator.clock_steps IS 'Steps of the server''s clock. found_at: when, by the clock as it goes now; clock_said: what it said then, after the step. is_measured: a driver measured it; else the clock went back at least so far.';

CREATE TABLE orchestrator_private.active_time (
    active_time_id bigint NOT NULL,
    stream_id bigint NOT NULL,
    began_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    instance_id text
);

COMMENT ON TABLE orchestrator_private.active_time IS 'When a stream should have been heard, from its activation to its end. It stays when the stream is removed.';

COMMENT ON COLUMN orchestrator_private.active_time.ended_at IS 'When it was deactivated or removed; null: it should be heard now.';

COMMENT ON COLUMN orchestrator_private.active_time.instance_id IS 'Its owner when it ended.';

CREATE TABLE orchestrator_private.gap (
    gap_id bigint NOT NULL,
    stream_id bigint NOT NULL,
    cause text NOT NULL,
    why text,
    instance_id text,
    life text,
    began_at timestamp with time zone NOT NULL,
    sure_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    is_counted boolean DEFAULT false NOT NULL,
    CONSTRAINT gap_is_in_order CHECK (((began_at <= sure_at) AND (sure_at <= ended_at)))
);

COMMENT ON TABLE orchestrator_private.gap IS 'A time in which a stream should have been heard and was not, or may not have been: uncertain from began_at, uncovered from sure_at to ended_at.';

COMMENT ON COLUMN orchestrator_private.gap.is_counted IS 'Whether its seconds are in the metric.';

CREATE TABLE orchestrator_private.open_gap (
    stream_id bigint NOT NULL,
    cause text NOT NULL,
    why text,
    instance_id text,
    life text,
    began_at timestamp with time zone NOT NULL,
    sure_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone
);

COMMENT ON TABLE orchestrator_private.open_gap IS 'A stream that should be heard, and of which no owner has confirmed yet that it is.';

COMMENT ON COLUMN orchestrator_private.open_gap.cause IS 'crash, hand-over, planned restart, waiting, stall, station fault, isolation or restored.';

COMMENT ON COLUMN orchestrator_private.open_gap.why IS 'Why it waits: no capacity, no capability or paused; else null.';

COMMENT ON COLUMN orchestrator_private.open_gap.instance_id IS 'Its owner when it began; null: none.';

COMMENT ON COLUMN orchestrator_private.open_gap.life IS 'Which process that owner was.';

COMMENT ON COLUMN orchestrator_private.open_gap.began_at IS 'The last sign that it was heard.';

COMMENT ON COLUMN orchestrator_private.open_gap.sure_at IS 'From when on it certainly was not; between the two it is not known.';

COMMENT ON COLUMN orchestrator_private.open_gap.seen_at IS 'When its silence was last reported; null: silence is not what it is known by.';

CREATE VIEW orchestrator.coverage AS
 WITH kept AS (
         SELECT orchestrator_private.now() AS now,
            (orchestrator_private.now() - ( SELECT (s_1.value)::interval AS value
                   FROM orchestrator_private.setting s_1
                  WHERE (s_1.name = 'history_retention'::text))) AS since
        ), expected AS (
         SELECT t.stream_id,
            d.day,
            sum(EXTRACT(epoch FROM (LEAST(COALESCE(t.ended_at, k.now), (d.day + '24:00:00'::interval)) - GREATEST(t.began_at, k.since, d.day)))) AS seconds
           FROM ((orchestrator_private.active_time t
             CROSS JOIN kept k)
             CROSS JOIN LATERAL generate_series(date_trunc('day'::text, GREATEST(t.began_at, k.since), 'UTC'::text), LEAST(t.ended_at, k.now), '24:00:00'::interval) d(day))
          WHERE (COALESCE(t.ended_at, k.now) > GREATEST(t.began_at, k.since, d.day))
          GROUP BY t.stream_id, d.day
        ), gap AS (
         SELECT g.stream_id,
            g.began_at,
            g.sure_at,
            g.ended_at
           FROM orchestrator_private.gap g
        UNION ALL
         SELECT g.stream_id,
            g.began_at,
            LEAST(g.sure_at, k.now) AS "least",
            k.now
           FROM (orchestrator_private.open_gap g
             CROSS JOIN kept k)
        ), lost_within_a_day AS (
         SELECT g.stream_id,
            date_trunc('day'::text, g.began_at, 'UTC'::text) AS day,
            count(*) AS gaps,
            EXTRACT(epoch FROM sum((g.ended_at - g.sure_at))) AS uncovered,
            EXTRACT(epoch FROM sum((g.sure_at - g.began_at))) AS uncertain
           FROM (gap g
             CROSS JOIN kept k)
          WHERE ((g.began_at >= k.since) AND (g.ended_at <= (date_trunc('day'::text, g.began_at, 'UTC'::text) + '24:00:00'::interval)))
          GROUP BY g.stream_id, (date_trunc('day'::text, g.began_at, 'UTC'::text))
        ), lost_over_midnight AS (
         SELECT g.stream_id,
            d.day,
            count(*) AS gaps,
            sum(EXTRACT(epoch FROM GREATEST('00:00:00'::interval, (LEAST(g.ended_at, (d.day + '24:00:00'::interval)) - GREATEST(g.sure_at, d.day, k.since))))) AS uncovered,
            sum(EXTRACT(epoch FROM GREATEST('00:00:00'::interval, (LEAST(g.sure_at, (d.day + '24:00:00'::interval)) - GREATEST(g.began_at, d.day, k.since))))) AS uncertain
           FROM ((gap g
             CROSS JOIN kept k)
             CROSS JOIN LATERAL generate_series(date_trunc('day'::text, GREATEST(g.began_at, k.since), 'UTC'::text), LEAST(g.ended_at, k.now), '24:00:00'::interval) d(day))
          WHERE ((g.ended_at > GREATEST(k.since, d.day)) AND (NOT ((g.began_at >= k.since) AND (g.ended_at <= (date_trunc('day'::text, g.began_at, 'UTC'::text) + '24:00:00'::interval)))))
          GROUP BY g.stream_id, d.day
        ), lost AS (
         SELECT l_1.stream_id,
            l_1.day,
            sum(l_1.gaps) AS gaps,
            sum(l_1.uncovered) AS uncovered,
            sum(l_1.uncertain) AS uncertain
           FROM ( SELECT lost_within_a_day.stream_id,
                    lost_within_a_day.day,
                    lost_within_a_day.gaps,
                    lost_within_a_day.uncovered,
                    lost_within_a_day.uncertain
                   FROM lost_within_a_day
                UNION ALL
                 SELECT lost_over_midnight.stream_id,
                    lost_over_midnight.day,
                    lost_over_midnight.gaps,
                    lost_over_midnight.uncovered,
                    lost_over_midnight.uncertain
                   FROM lost_over_midnight) l_1
          GROUP BY l_1.stream_id, l_1.day
        )
 SELECT ((e.day AT TIME ZONE 'UTC'::text))::date AS day,
    e.stream_id,
    s.name,
    (round(e.seconds, 3))::double precision AS expected,
    (round(GREATEST((e.seconds - COALESCE((l.uncovered + l.uncertain), (0)::numeric)), (0)::numeric), 3))::double precision AS covered,
    (round(COALESCE(l.uncovered, (0)::numeric), 3))::double precision AS uncovered,
    (round(COALESCE(l.uncertain, (0)::numeric), 3))::double precision AS uncertain,
    (COALESCE(l.gaps, (0)::numeric))::integer AS gaps
   FROM ((expected e
     LEFT JOIN lost l ON (((e.stream_id = l.stream_id) AND (e.day = l.day))))
     LEFT JOIN orchestrator_private.stream s ON ((e.stream_id = s.stream_id)));

COMMENT ON VIEW orchestrator.coverage IS 'By stream and day (in UTC), as far back as history_retention: seconds in which it should have been heard, in which a confirmed owner had it, in which none had it, and of which nobody knows. The function coverage() says why. name: null when the stream was removed.';

CREATE VIEW orchestrator.decisions AS
 SELECT decision_id,
    decided_at,
    rule,
    trigger,
    actor,
    reason,
    moves,
    least_moves,
    still_waiting,
    duration,
    detail,
    event_id
   FROM orchestrator_private.decision d;

COMMENT ON VIEW orchestrator.decisions IS 'Every decision: the rule, what set it off and who, streams moved or asked to move, the least number that could have reached the same loads, and in detail the loads and thresholds of that moment.';

CREATE TABLE orchestrator_private.job_run (
    job_run_id bigint NOT NULL,
    job text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    run_by text NOT NULL,
    outcome text NOT NULL,
    result jsonb,
    error jsonb,
    event_id uuid,
    CONSTRAINT outcome_is_known CHECK ((outcome = ANY (ARRAY['claimed'::text, 'done'::text, 'failed'::text, 'abandoned'::text])))
);

COMMENT ON TABLE orchestrator_private.job_run IS 'A run of a job that did something or failed; runs that found nothing to do only count in job.';

COMMENT ON COLUMN orchestrator_private.job_run.event_id IS 'The id of what the run did; of all its transactions when it needs the outside world. Null: before there were any.';

CREATE VIEW orchestrator.events AS
 SELECT event_id,
    at,
    kind,
    what,
    subject,
    text,
    id
   FROM ( SELECT d.event_id,
            d.decided_at AS at,
            'decision'::text AS kind,
            d.rule AS what,
            COALESCE((d.detail ->> 'instance_id'::text), ( SELECT string_agg(i.value, ', '::text) AS string_agg
                   FROM jsonb_array_elements_text((d.detail -> 'instances'::text)) i(value)), ('stream '::text || (d.detail ->> 'stream_id'::text)), ('plan '::text || (d.detail ->> 'plan_id'::text))) AS subject,
            concat_ws('; '::text, d.reason, (d.moves || ' moves'::text), (d.still_waiting || ' still waiting'::text), ((('by '::text || d.trigger) || ', '::text) || d.actor)) AS text,
            d.decision_id AS id
           FROM orchestrator_private.decision d
        UNION ALL
         SELECT r.event_id,
            r.started_at AS at,
            'job run'::text AS kind,
            r.job AS what,
            r.run_by AS subject,
            concat_ws(': '::text, r.outcome, COALESCE((r.error ->> 'message'::text), "left"((r.result)::text, 500))) AS text,
            r.job_run_id AS id
           FROM orchestrator_private.job_run r
        UNION ALL
         SELECT a.event_id,
            a.opened_at AS at,
            'alert'::text AS kind,
            a.code AS what,
            NULLIF(a.subject, ''::text) AS subject,
            ((a.severity || ': '::text) || a.message) AS text,
            a.alert_id AS id
           FROM orchestrator_private.alert a) e
  WHERE (event_id IS NOT NULL);

COMMENT ON VIEW orchestrator.events IS 'Everything that bears an event id: decisions, runs of jobs, alerts, each with its own id among its kind. What has the same id is one story: explain_event tells it.';

CREATE TABLE orchestrator_private.station_fault (
    stream_id bigint NOT NULL,
    found_at timestamp with time zone NOT NULL,
    last_failed_at timestamp with time zone NOT NULL,
    failures bigint DEFAULT 1 NOT NULL,
    evidence jsonb NOT NULL,
    event_id uuid
);

COMMENT ON TABLE orchestrator_private.station_fault IS 'A station that failed on instance after instance: its own fault. It stays where it is and is not moved for failing until it works again.';

COMMENT ON COLUMN orchestrator_private.station_fault.event_id IS 'What found the fault.';

CREATE VIEW orchestrator.failing_stations AS
 SELECT f.stream_id,
    s.name,
    orchestrator_private.redact(s.url) AS url,
    a.instance_id,
    f.found_at,
    f.last_failed_at,
    f.failures,
    f.evidence
   FROM ((orchestrator_private.station_fault f
     JOIN orchestrator_private.stream s ON ((f.stream_id = s.stream_id)))
     JOIN orchestrator_private.assignment a ON ((f.stream_id = a.stream_id)));

COMMENT ON VIEW orchestrator.failing_stations IS 'Stations that failed on instance after instance: their own fault. They stay where they are. evidence: which instances failed, with which errors, when. url: without what may be a secret; the view streams has it whole.';

CREATE VIEW orchestrator.failure_streaks AS
 SELECT reporter,
    consecutive,
    began_at,
    last_failed_at,
    ended_at,
    last_error
   FROM orchestrator_private.failure_streak s;

COMMENT ON VIEW orchestrator.failure_streaks IS 'Failures in a row of each worker and driver: the present ones (ended_at is null) or the last ones.';

CREATE TABLE orchestrator_private.controller (
    only_one boolean DEFAULT true NOT NULL,
    paused_at timestamp with time zone,
    paused_by text,
    paused_reason text,
    last_balanced_at timestamp with time zone,
    server_started_at timestamp with time zone,
    server_timeline integer,
    sessions_trusted_from timestamp with time zone,
    silence_counts_from timestamp with time zone,
    silence_trusted_from timestamp with time zone,
    recovery_since timestamp with time zone,
    recovery_ended_at timestamp with time zone,
    recovery_detail jsonb,
    recovery_event_id uuid,
    pull_cold_since timestamp with time zone,
    pull_trusted_from timestamp with time zone,
    clock_stepped interval DEFAULT '00:00:00'::interval NOT NULL,
    unwatched tstzmultirange DEFAULT '{}'::tstzmultirange NOT NULL,
    looked_every interval,
    fingerprint text,
    generation bigint DEFAULT 0 NOT NULL,
    generation_at timestamp with time zone,
    CONSTRAINT there_is_only_one CHECK (only_one)
);

COMMENT ON TABLE orchestrator_private.controller IS 'The one row of what the orchestrator remembers about itself: paused, last balanced, which server start it last saw and since when silence and lost sessions may be believed.';

COMMENT ON COLUMN orchestrator_private.controller.silence_trusted_from IS 'No instance is lost by silence before this moment: all were away together, and have until then to return.';

COMMENT ON COLUMN orchestrator_private.controller.recovery_since IS 'Since when recovery mode is on (balancing frozen, failover never); null when it is off.';

COMMENT ON COLUMN orchestrator_private.controller.recovery_event_id IS 'What switched recovery mode on last.';

COMMENT ON COLUMN orchestrator_private.controller.pull_cold_since IS 'When a client that asks for its streams began while no instance had any: the others of its fleet are awaited.';

COMMENT ON COLUMN orchestrator_private.controller.pull_trusted_from IS 'Most clients that ask for their streams fell silent together: before this moment the silence of none is believed.';

COMMENT ON COLUMN orchestrator_private.controller.clock_stepped IS 'All steps of the clock so far, added up: the clock less this goes steadily.';

COMMENT ON COLUMN orchestrator_private.controller.unwatched IS 'When nobody looked at the instances; silence in these times does not count.';

COMMENT ON COLUMN orchestrator_private.controller.looked_every IS 'How far apart the last two looks at the instances were, when that was longer than 5 s; else null.';

COMMENT ON COLUMN orchestrator_private.controller.fingerprint IS 'Which server and database this was, and since when it had been running, when it was last looked at; null: never.';

COMMENT ON COLUMN orchestrator_private.controller.generation IS 'When this database last found that it may be another one than it was, in 2^-20 seconds since 1970; 0: never. It is the least epoch and the least incarnation that is given since.';

COMMENT ON COLUMN orchestrator_private.controller.generation_at IS 'When the generation began: what was heard before is not known for certain, and leases count from then.';

CREATE TABLE orchestrator_private.settle_request (
    settle_request_id bigint NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    subject text
);

COMMENT ON TABLE orchestrator_private.settle_request IS 'Something happened that a rebalance should answer (a join, a changed capacity, new streams). The job settle answers all of them at once when they have stopped coming for settle_window.';

CREATE VIEW orchestrator.fleet AS
 SELECT i.instances,
    i.serving_instances,
    i.capacity,
    i.streams_held,
    i.streams_handed_over,
    (( SELECT (count(*))::integer AS count
           FROM orchestrator_private.assignment a
          WHERE (a.waiting_since IS NOT NULL)) + i.streams_kept) AS streams_waiting,
    (c.paused_at IS NOT NULL) AS balancing_paused,
    c.paused_at,
    c.paused_by,
    c.paused_reason,
    c.last_balanced_at,
    ( SELECT (count(*))::integer AS count
           FROM orchestrator_private.settle_request) AS settle_requests,
    ( SELECT (count(*))::integer AS count
           FROM orchestrator_private.alert t
          WHERE (t.resolved_at IS NULL)) AS open_alerts,
    c.recovery_since,
    c.recovery_ended_at,
    c.recovery_detail
   FROM (orchestrator_private.controller c
     CROSS JOIN ( SELECT (count(*))::integer AS instances,
            (count(*) FILTER (WHERE n.is_living))::integer AS serving_instances,
            (COALESCE(sum(n.max_streams) FILTER (WHERE (n.is_living AND (n.status <> 'draining'::text) AND (n.standing_order IS NULL))), (0)::bigint))::integer AS capacity,
            (COALESCE(sum(l.owned) FILTER (WHERE (n.status <> 'inactive'::text)), (0)::bigint))::integer AS streams_held,
            (COALESCE(sum(l.owned) FILTER (WHERE (n.status = 'inactive'::text)), (0)::bigint))::integer AS streams_kept,
            (COALESCE(sum(l.outgoing), (0)::bigint))::integer AS streams_handed_over
           FROM (orchestrator_private.instance n
             JOIN orchestrator_private.instance_load l ON ((n.instance_id = l.instance_id)))
          WHERE (n.status <> 'removed'::text)) i);

COMMENT ON VIEW orchestrator.fleet IS 'The fleet in one row: instances, capacity (of those that may have new streams), streams held, being handed over and waiting; whether balancing is paused, by whom and why; since when recovery mode is on (balancing frozen, failover never), or when it last ended, and what failed.';

CREATE TABLE orchestrator_private.fleet_sample (
    sampled_at timestamp with time zone NOT NULL,
    streams_held integer NOT NULL,
    streams_waiting integer NOT NULL,
    streams_handed_over integer NOT NULL,
    capacity integer NOT NULL,
    imbalance real NOT NULL,
    serving_instances integer NOT NULL,
    lost_instances integer NOT NULL
);

COMMENT ON TABLE orchestrator_private.fleet_sample IS 'The fleet in one row every half minute, kept for history_retention.';

COMMENT ON COLUMN orchestrator_private.fleet_sample.imbalance IS 'The greatest difference of load between two instances that may have streams: 0 to 1, of their capacities.';

CREATE VIEW orchestrator.fleet_samples AS
 SELECT sampled_at,
    streams_held,
    streams_waiting,
    streams_handed_over,
    capacity,
    imbalance,
    serving_instances,
    lost_instances
   FROM orchestrator_private.fleet_sample s;

COMMENT ON VIEW orchestrator.fleet_samples IS 'The fleet over time, a row every half minute: streams held, waiting and being handed over, capacity, imbalance (0 to 1), instances serving and lost. Kept for history_retention.';

CREATE VIEW orchestrator.gaps AS
 SELECT g.stream_id,
    s.name,
    g.cause,
    g.why,
    g.instance_id,
    g.began_at,
    g.sure_at,
    g.ended_at
   FROM (( SELECT k.stream_id,
            k.cause,
            k.why,
            k.instance_id,
            k.began_at,
            k.sure_at,
            k.ended_at
           FROM orchestrator_private.gap k
        UNION ALL
         SELECT o.stream_id,
            o.cause,
            o.why,
            o.instance_id,
            o.began_at,
            o.sure_at,
            NULL::timestamp with time zone AS ended_at
           FROM orchestrator_private.open_gap o) g
     LEFT JOIN orchestrator_private.stream s ON ((g.stream_id = s.stream_id)));

COMMENT ON VIEW orchestrator.gaps IS 'The times in which streams should have been heard and were not, or may not have been, as far back as history_retention: uncertain from began_at, uncovered from sure_at to ended_at (null: it lasts). instance_id: the owner when it began.';

CREATE TABLE orchestrator_private.incident_pattern (
    pattern text NOT NULL,
    sqlstate text DEFAULT ''::text NOT NULL,
    occurrences bigint DEFAULT 1 NOT NULL,
    first_seen_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    example jsonb NOT NULL
);

COMMENT ON TABLE orchestrator_private.incident_pattern IS 'A recurring error: its normalised text, how often, first and last seen, one example.';

CREATE VIEW orchestrator.incident_patterns AS
 SELECT pattern,
    sqlstate,
    occurrences,
    first_seen_at,
    last_seen_at,
    example
   FROM orchestrator_private.incident_pattern p;

COMMENT ON VIEW orchestrator.incident_patterns IS 'Errors that recur: their text with placeholders for what differs, how often, first and last seen, and the latest one as an example.';

CREATE TABLE orchestrator_private.heartbeat (
    instance_id text NOT NULL,
    incarnation bigint NOT NULL,
    beat_at timestamp with time zone NOT NULL,
    sent_at timestamp with time zone,
    last_activity timestamp with time zone,
    beats bigint DEFAULT 0 CONSTRAINT heartbeat_digest_not_null NOT NULL,
    in_step boolean DEFAULT true NOT NULL,
    status text,
    round_trip real,
    processed_count bigint DEFAULT 0 NOT NULL,
    error_count bigint DEFAULT 0 NOT NULL,
    cpu_usage real,
    memory_usage real,
    attempts smallint DEFAULT 0 NOT NULL,
    progressing integer,
    progress_at timestamp with time zone,
    stalled integer DEFAULT 0 NOT NULL,
    breaker text,
    breaker_opened integer,
    digest bigint DEFAULT 0 CONSTRAINT heartbeat_digest_not_null1 NOT NULL,
    current_streams integer,
    missed integer DEFAULT 0 NOT NULL,
    standbys_silent jsonb,
    CONSTRAINT counts_of_beats_are_not_negative CHECK (((beats >= 0) AND (missed >= 0) AND (round_trip >= (0)::double precision)))
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_threshold='200');

COMMENT ON TABLE orchestrator_private.heartbeat IS 'The last beat of each instance. Narrow and without an index but its key, so that each beat is one HOT update.';

COMMENT ON COLUMN orchestrator_private.heartbeat.beats IS 'How many beats there were.';

COMMENT ON COLUMN orchestrator_private.heartbeat.round_trip IS 'Seconds that the beat before this one took there and back, by the worker''s own clock; null when it does not say.';

COMMENT ON COLUMN orchestrator_private.heartbeat.attempts IS 'How many times in a row the digest differed in a way that nothing under way explains; 0 when in step.';

COMMENT ON COLUMN orchestrator_private.heartbeat.progressing IS 'How many of its streams make progress, as it says; null when it does not say.';

COMMENT ON COLUMN orchestrator_private.heartbeat.progress_at IS 'When it was last seen to make progress with any stream.';

COMMENT ON COLUMN orchestrator_private.heartbeat.stalled IS 'How many streams it reported as silent in its last beat.';

COMMENT ON COLUMN orchestrator_private.heartbeat.breaker IS 'State of its circuit breaker for this database: closed, half-open or open.';

COMMENT ON COLUMN orchestrator_private.heartbeat.breaker_opened IS 'How often that breaker has opened since the process started.';

COMMENT ON COLUMN orchestrator_private.heartbeat.missed IS 'How many beats did not come that its interval promised, counted at the beat that did.';

COMMENT ON COLUMN orchestrator_private.heartbeat.standbys_silent IS 'Standbys that make no progress, by its last beat: {"stream_id", "epoch" (the number), "silent_for"}.';

CREATE VIEW orchestrator.instances AS
 SELECT i.instance_id,
    i.status,
    i.status_changed_at AS status_since,
    i.incarnation,
    i.max_streams,
    l.owned AS assigned_streams,
    l.incoming,
    l.outgoing,
    round(((100.0 * (l.owned)::numeric) / (i.max_streams)::numeric), 1) AS load_percentage,
        CASE
            WHEN ((i.placement = 'push'::text) AND i.is_living AND (i.status <> 'draining'::text) AND (i.standing_order IS NULL)) THEN round(LEAST((((sum(l.owned) FILTER (WHERE ((i.placement = 'push'::text) OR (NOT i.is_living))) OVER ())::numeric * (i.max_streams)::numeric) / (NULLIF(sum(i.max_streams) FILTER (WHERE ((i.placement = 'push'::text) AND i.is_living AND (i.status <> 'draining'::text) AND (i.standing_order IS NULL))) OVER (), 0))::numeric), (i.max_streams)::numeric), 1)
            ELSE (0)::numeric
        END AS fair_share,
    h.beat_at AS last_heartbeat,
    (orchestrator_private.now() - h.beat_at) AS silent_for,
    h.in_step,
    ((i.session_key IS NOT NULL) AND (i.session_lost_at IS NULL)) AS has_session,
    i.session_lost_at,
    i.suspended_until,
    i.standing_order,
    i.lease,
    h.processed_count,
    h.error_count,
    h.cpu_usage,
    h.memory_usage,
    h.last_activity,
    i.capabilities,
    i.version,
    i.location,
    i.registered_at,
    (COALESCE(o.rolname, i.owner_role))::text AS login,
    i.metadata,
    i.stop_within,
    h.attempts AS repair_attempts,
    h.progressing,
    h.progress_at,
    h.stalled AS stalled_streams,
    h.breaker,
    h.breaker_opened,
    i.crashes,
    i.losses,
    i.probation_until,
    i.placement,
    i.keeps_streams,
    ((i.status = 'removed'::text) AND (i.standing_order IS NULL) AND (NOT i.name_is_reserved)) AS name_is_free,
    l.standbys AS standby_streams
   FROM (((orchestrator_private.instance i
     JOIN orchestrator_private.instance_load l ON ((i.instance_id = l.instance_id)))
     JOIN orchestrator_private.heartbeat h ON ((i.instance_id = h.instance_id)))
     LEFT JOIN pg_roles o ON ((o.oid = COALESCE(( SELECT r.oid
           FROM pg_roles r
          WHERE (r.rolname = i.owner_role)), i.owner_oid))));

COMMENT ON VIEW orchestrator.instances IS 'Every instance that was ever registered: its status, load, fair share (in streams, by capacity), last beat and what it says of itself. placement: push, or pull for a client that asks for its streams, which has no fair share. keeps_streams: it hears on what is taken from it, so its streams cannot be moved while it lives. login: the login or group role that its name belongs to. name_is_free: any worker login may register under its name, and owns it then. standby_streams: streams that it hears as their standby, each of which takes a place beside its own.';

CREATE VIEW orchestrator.job_runs AS
 SELECT job_run_id,
    job,
    started_at,
    finished_at,
    run_by,
    outcome,
    result,
    error,
    event_id
   FROM orchestrator_private.job_run r;

COMMENT ON VIEW orchestrator.job_runs IS 'Runs of jobs that did something or failed.';

CREATE VIEW orchestrator.jobs AS
 SELECT job,
    schedule,
    runs_in,
    enabled,
    next_run_at,
    claimed_by,
    last_started_at,
    last_duration,
    last_outcome,
    last_result,
    runs,
    failures,
    consecutive_failures,
    timeout,
    description
   FROM orchestrator_private.job j;

COMMENT ON VIEW orchestrator.jobs IS 'The periodic jobs: when each runs next and how it went last.';

CREATE VIEW orchestrator.locks AS
 SELECT COALESCE(('session of '::text || i.instance_id), l.lock) AS lock,
    l.mode,
    l.granted,
    l.pid,
    l.waits_for,
    (a.usename)::text AS login,
    a.application_name,
    a.state,
    (orchestrator_private.now() - a.xact_start) AS transaction_age,
    (orchestrator_private.now() - l.waitstart) AS waiting_for
   FROM ((orchestrator_private.fleet_lock l
     LEFT JOIN pg_stat_activity a ON ((l.pid = a.pid)))
     LEFT JOIN orchestrator_private.instance i ON ((l.key = i.session_key)))
  WHERE (l.is_ours OR (NOT l.granted));

COMMENT ON VIEW orchestrator.locks IS 'Who holds and who waits for the locks of this system: the decision lock, the sessions of instances, its tables.';

CREATE VIEW orchestrator.movements AS
 SELECT m.stream_id,
    m.epoch,
    m.moved_at,
    m.from_instance_id,
    m.to_instance_id,
    m.reason,
    m.decision_id,
    d.rule,
    d.actor,
    d.event_id
   FROM (orchestrator_private.movement m
     JOIN orchestrator_private.decision d ON ((m.decision_id = d.decision_id)));

COMMENT ON VIEW orchestrator.movements IS 'Every change of hands of every stream, with the decision that caused it. No to_instance_id: it had no owner afterwards.';

CREATE TABLE orchestrator_private.repair (
    repair_id bigint NOT NULL,
    instance_id text NOT NULL,
    incarnation bigint NOT NULL,
    found_at timestamp with time zone NOT NULL,
    found_by text NOT NULL,
    attempt integer NOT NULL,
    difference jsonb NOT NULL,
    repaired_by text NOT NULL,
    repaired_at timestamp with time zone,
    CONSTRAINT attempt_is_positive CHECK ((attempt > 0)),
    CONSTRAINT difference_is_an_object CHECK ((jsonb_typeof(difference) = 'object'::text)),
    CONSTRAINT found_by_is_known CHECK ((found_by = ANY (ARRAY['heartbeat'::text, 'report_streams'::text, 'register_instance'::text]))),
    CONSTRAINT repaired_by_is_known CHECK ((repaired_by = ANY (ARRAY['commands'::text, 'full set'::text, 'new registration'::text])))
);

COMMENT ON TABLE orchestrator_private.repair IS 'One attempt to bring a worker in step with its assignments: what differed, who found it, how it was repaired (R3).';

COMMENT ON COLUMN orchestrator_private.repair.repaired_at IS 'When the worker was next in step; null while it is not.';

CREATE VIEW orchestrator.repairs AS
 SELECT repair_id,
    instance_id,
    incarnation,
    found_at,
    found_by,
    attempt,
    repaired_by,
    repaired_at,
    difference
   FROM orchestrator_private.repair r;

COMMENT ON VIEW orchestrator.repairs IS 'Every attempt to bring a worker in step with its assignments: what differed, who found it, how it was repaired and when the worker was next in step.';

CREATE VIEW orchestrator.settings AS
 SELECT name,
    value,
    default_value,
    kind,
    minimum,
    maximum,
    allowed,
    unit,
    description,
    changed_at,
    changed_by,
        CASE
            WHEN (kind = 'interval'::text) THEN (value)::interval
            ELSE NULL::interval
        END AS duration
   FROM orchestrator_private.setting s;

COMMENT ON VIEW orchestrator.settings IS 'The settings with their defaults, bounds and meanings; duration is the value of those that are intervals.';

CREATE VIEW orchestrator.sources AS
 SELECT s.source,
    s.kind,
    s.enabled,
        CASE
            WHEN orchestrator_private.is_storable_conninfo(s.conninfo) THEN s.conninfo
            WHEN (s.conninfo IS NOT NULL) THEN '…'::text
            ELSE NULL::text
        END AS conninfo,
    s.table_name,
    s.column_map,
    orchestrator_private.sync_pause(s.sync_interval, 0) AS sync_interval,
    s.max_removed_part,
    COALESCE(c.streams, 0) AS streams,
    COALESCE(c.active_streams, 0) AS active_streams,
    s.last_attempt_at,
    s.last_success_at,
    s.last_result,
    s.last_error,
    s.consecutive_failures,
        CASE
            WHEN ((s.kind = 'postgresql'::text) AND s.enabled) THEN COALESCE((s.last_attempt_at + orchestrator_private.sync_pause(s.sync_interval, s.consecutive_failures)), s.created_at)
            ELSE NULL::timestamp with time zone
        END AS next_sync_at,
    s.serves_http,
    ( SELECT jsonb_object_agg(w.witness, jsonb_build_object('table_name', w.table_name, 'last_success_at', w.last_success_at, 'last_error', w.last_error, 'consecutive_failures', w.consecutive_failures)) AS jsonb_object_agg
           FROM orchestrator_private.witness w
          WHERE (w.source = s.source)) AS witnesses
   FROM (orchestrator_private.source s
     LEFT JOIN ( SELECT stream.source,
            (count(*))::integer AS streams,
            (count(*) FILTER (WHERE stream.active))::integer AS active_streams
           FROM orchestrator_private.stream
          GROUP BY stream.source) c ON ((s.source = c.source)));

COMMENT ON VIEW orchestrator.sources IS 'Where streams come from: address (never a password), column map, interval, number of streams, whether it serves clients that speak HTTP, its witnesses (tables beside it that tell of clients) and how they were last read, and the last synchronisation, good or bad.';

CREATE TABLE orchestrator_private.stall (
    stream_id bigint NOT NULL,
    instance_id text NOT NULL,
    epoch bigint NOT NULL,
    silent_since timestamp with time zone NOT NULL,
    reported_at timestamp with time zone NOT NULL,
    restarted_at timestamp with time zone
);

COMMENT ON TABLE orchestrator_private.stall IS 'A stream that its owner runs and hears nothing of: restarted where it is, then moved, then blamed on the station.';

CREATE VIEW orchestrator.stalled_streams AS
 SELECT t.stream_id,
    s.name,
    orchestrator_private.redact(s.url) AS url,
    t.instance_id,
    t.epoch,
    t.silent_since,
    (orchestrator_private.now() - t.silent_since) AS silent_for,
    t.reported_at,
    t.restarted_at,
    (f.stream_id IS NOT NULL) AS is_station_fault
   FROM (((orchestrator_private.stall t
     JOIN orchestrator_private.stream s ON ((t.stream_id = s.stream_id)))
     JOIN orchestrator_private.assignment a ON (((t.stream_id = a.stream_id) AND (t.instance_id = a.instance_id) AND (t.epoch = a.epoch))))
     LEFT JOIN orchestrator_private.station_fault f ON ((t.stream_id = f.stream_id)));

COMMENT ON VIEW orchestrator.stalled_streams IS 'Streams that run and are silent: since when, when they were last restarted where they are, and whether their station is to blame. url: without what may be a secret; the view streams has it whole.';

CREATE TABLE orchestrator_private.standby (
    number bigint NOT NULL,
    stream_id bigint NOT NULL,
    instance_id text NOT NULL,
    state text NOT NULL,
    assigned_at timestamp with time zone NOT NULL,
    heard_since timestamp with time zone,
    ended_at timestamp with time zone,
    CONSTRAINT ended_when_over CHECK (((state = ANY (ARRAY['ended'::text, 'promoted'::text])) = (ended_at IS NOT NULL))),
    CONSTRAINT heard_while_hearing CHECK (((state <> 'hearing'::text) OR (heard_since IS NOT NULL))),
    CONSTRAINT known_standby_state CHECK ((state = ANY (ARRAY['assigned'::text, 'hearing'::text, 'ended'::text, 'promoted'::text]))),
    CONSTRAINT number_is_no_epoch CHECK ((number < 0))
);

COMMENT ON TABLE orchestrator_private.standby IS 'Which instance hears which stream as its standby; and for a while those that are over, so that their workers can be told.';

COMMENT ON COLUMN orchestrator_private.standby.number IS 'Names this standby in digests, commands and acknowledgements, where an owner says its epoch.';

COMMENT ON COLUMN orchestrator_private.standby.state IS 'assigned: its worker has not said yet that it hears. hearing: it has. ended: it is to stop. promoted: its instance owns the stream now.';

COMMENT ON COLUMN orchestrator_private.standby.heard_since IS 'Since when its worker hears the stream.';

COMMENT ON COLUMN orchestrator_private.standby.ended_at IS 'When it was ended or promoted.';

CREATE VIEW orchestrator.standbys AS
 SELECT s.stream_id,
    s.instance_id,
    s.state,
    s.assigned_at,
    s.heard_since,
    a.instance_id AS owner_id,
    s.number
   FROM (orchestrator_private.standby s
     JOIN orchestrator_private.assignment a ON ((s.stream_id = a.stream_id)))
  WHERE (s.ended_at IS NULL);

COMMENT ON VIEW orchestrator.standbys IS 'Which instance hears which stream beside its owner. state: assigned (it has not said yet that it hears), hearing. heard_since: since when it hears. number: below zero; stands in commands, acknowledgements and digests where an owner says its epoch.';

CREATE TABLE orchestrator_private.assignment_transition (
    from_state text NOT NULL,
    to_state text NOT NULL,
    event text NOT NULL,
    meaning text NOT NULL,
    CONSTRAINT states_are_known CHECK (((from_state = ANY (ARRAY['unknown'::text, 'idle'::text, 'waiting'::text, 'assigned'::text, 'running'::text, 'releasing'::text])) AND (to_state = ANY (ARRAY['idle'::text, 'waiting'::text, 'assigned'::text, 'running'::text, 'releasing'::text]))))
);

COMMENT ON TABLE orchestrator_private.assignment_transition IS 'The life of an assignment as data: one row per allowed step. Enforced by a trigger on assignment, which names each step by what changed.';

COMMENT ON COLUMN orchestrator_private.assignment_transition.from_state IS 'unknown: the assignment is new.';

COMMENT ON COLUMN orchestrator_private.assignment_transition.event IS 'The kind of step. Several lead from one state to another; the owner, the next owner and the epoch tell them apart.';

CREATE TABLE orchestrator_private.instance_transition (
    from_status text NOT NULL,
    event text NOT NULL,
    to_status text NOT NULL,
    meaning text NOT NULL,
    CONSTRAINT statuses_are_known CHECK (((from_status = ANY (ARRAY['unknown'::text, 'registered'::text, 'active'::text, 'warning'::text, 'inactive'::text, 'recovering'::text, 'draining'::text, 'removed'::text])) AND (to_status = ANY (ARRAY['registered'::text, 'active'::text, 'warning'::text, 'inactive'::text, 'recovering'::text, 'draining'::text, 'removed'::text]))))
);

COMMENT ON TABLE orchestrator_private.instance_transition IS 'The state machine of an instance as data: one row per allowed step. Enforced by a trigger on instance.';

CREATE VIEW orchestrator.state_machine AS
 SELECT t.from_status,
    t.event,
    t.to_status,
    t.meaning,
    'instance'::text AS subject
   FROM orchestrator_private.instance_transition t
UNION ALL
 SELECT t.from_state AS from_status,
    t.event,
    t.to_state AS to_status,
    t.meaning,
    'assignment'::text AS subject
   FROM orchestrator_private.assignment_transition t;

COMMENT ON VIEW orchestrator.state_machine IS 'Every step that an instance''s status and an assignment''s state can take (subject says whose it is); no other is possible.';

CREATE VIEW orchestrator.streams AS
 SELECT s.stream_id,
    s.name,
    s.url,
    s.active,
        CASE
            WHEN (i.status = 'inactive'::text) THEN 'waiting'::text
            ELSE a.state
        END AS state,
    a.instance_id,
    a.epoch,
    a.next_instance_id,
    a.pinned_to,
    a.assigned_at,
        CASE
            WHEN (i.status = 'inactive'::text) THEN i.status_changed_at
            ELSE a.waiting_since
        END AS waiting_since,
    s.region,
    r.capabilities AS required_capabilities,
    s.source,
    s.external_id,
    s.metadata,
    s.created_at,
    s.updated_at,
    s.number,
    s.standby
   FROM (((orchestrator_private.stream s
     JOIN orchestrator_private.assignment a ON ((s.stream_id = a.stream_id)))
     JOIN orchestrator_private.requirement r ON ((s.requirement_id = r.requirement_id)))
     LEFT JOIN orchestrator_private.instance i ON ((a.instance_id = i.instance_id)));

COMMENT ON VIEW orchestrator.streams IS 'Every station: what it is and who hears it now. state: idle (not active), waiting (no living instance has room or the ability; instance_id then names the lost instance, if any, that keeps the stream until another else can take it), assigned, running, releasing. number: its id in its source as a number, by which clients that speak HTTP know it. standby: whether it is to have a standby; null: as the setting standbys says.';

ALTER TABLE orchestrator_private.active_time ALTER COLUMN active_time_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME orchestrator_private.active_time_active_time_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE orchestrator_private.activity_sample (
    instance_id text NOT NULL,
    sampled_at timestamp with time zone NOT NULL,
    processed_count bigint NOT NULL,
    error_count bigint NOT NULL
);

COMMENT ON TABLE orchestrator_private.activity_sample IS 'What the counters of each instance''s beats stood at, once a minute: rates are differences.';

ALTER TABLE orchestrator_private.alert ALTER COLUMN alert_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME orchestrator_private.alert_alert_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE orchestrator_private.clock_step ALTER COLUMN clock_step_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME orchestrator_private.clock_step_clock_step_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE orchestrator_private.database_mark (
    is_the_only_one boolean DEFAULT true NOT NULL,
    mark text,
    CONSTRAINT database_mark_is_the_only_one CHECK (is_the_only_one)
);

COMMENT ON TABLE orchestrator_private.database_mark IS 'One row that says which transaction wrote it. Where its data were copied from a dump, that is another one.';

ALTER TABLE orchestrator_private.decision ALTER COLUMN decision_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME orchestrator_private.decision_decision_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW orchestrator_private.error_code AS
 SELECT 'planned'::text AS or001,
    'bad argument'::text AS or101,
    'unknown stream'::text AS or102,
    'unknown instance'::text AS or103,
    'id in use'::text AS or104,
    'missing capability'::text AS or105,
    'the instance belongs to another login'::text AS or106,
    'unknown name'::text AS or107,
    'the setting cannot have this value'::text AS or108,
    'the source cannot be used'::text AS or109,
    'stale incarnation'::text AS or301,
    'stale epoch'::text AS or302,
    'balancing is paused'::text AS or401,
    'the stream is pinned'::text AS or402,
    'stale plan'::text AS or403,
    'the instance was removed'::text AS or404,
    'the instance cannot take the stream'::text AS or405,
    'too much would be lost'::text AS or406,
    'a promise would be cut short'::text AS or407,
    'an invariant would be broken'::text AS or901,
    'lock not available'::text AS "55p03";

COMMENT ON VIEW orchestrator_private.error_code IS 'The codes of the errors that functions raise on purpose: a column each, with cause and remedy as its comment.';

COMMENT ON COLUMN orchestrator_private.error_code.or001 IS 'Cause: A plan is made by doing the work and taking it back; this code ends the part that is taken back. It never leaves the function that raises it.
Remedy: Nothing. If a program ever shows it, report that as a bug.';

COMMENT ON COLUMN orchestrator_private.error_code.or101 IS 'Cause: An argument is missing, of another kind, out of bounds, or cannot be combined with the others. The detail names the argument and what was given.
Remedy: Correct the argument. The hint says what would be accepted; the same call will be refused again.';

COMMENT ON COLUMN orchestrator_private.error_code.or102 IS 'Cause: No stream has this id. It may have been removed, by an administrator or because its source does not have it any more.
Remedy: Find its id: select stream_id, name from orchestrator.streams, or find_streams.';

COMMENT ON COLUMN orchestrator_private.error_code.or103 IS 'Cause: No instance of this name is registered, or the fleet has forgotten it after removal_timeout.
Remedy: A worker or HTTP client registers again. An administrator looks the name up in the view instances.';

COMMENT ON COLUMN orchestrator_private.error_code.or104 IS 'Cause: Another live process holds this instance id: its session holds its lock, or its lease is not over yet. The detail says which process and until when.
Remedy: Stop the other process, wait until its lease is over, or choose another id. If the other process is known to be dead, take over (p_takeover; with p_force, too, while the lease of one that stops by itself runs).';

COMMENT ON COLUMN orchestrator_private.error_code.or105 IS 'Cause: An instance that registers without audio_fingerprinting cannot hear any stream.
Remedy: Add audio_fingerprinting to p_capabilities, or leave p_capabilities out.';

COMMENT ON COLUMN orchestrator_private.error_code.or106 IS 'Cause: A name belongs to the login that registered it, or to the role that an administrator gave it to, until its goodbye or removal_timeout. Another worker login may not act for it, and may not take its name.
Remedy: Use the login that owns it, or a member of that role; choose another instance id; or let an administrator hand the name over (set_instance_owner).';

COMMENT ON COLUMN orchestrator_private.error_code.or107 IS 'Cause: No source, job, plan, setting, event, alert, alert target or claim of this name or id exists, or exists any more. The message says which kind.
Remedy: Look the name up; the hint names the view. A plan is made anew by plan_rebalance. A claim of a job that was taken over after its timeout is not finished any more.';

COMMENT ON COLUMN orchestrator_private.error_code.or108 IS 'Cause: The value is not of the kind of the setting, is out of its bounds, or breaks an inequality between settings.
Remedy: Choose a value within the bounds that the detail and the view settings show, or change the other setting of the inequality first.';

COMMENT ON COLUMN orchestrator_private.error_code.or109 IS 'Cause: Rows of the source have no id or share one, or none has a usable address. Nothing was changed.
Remedy: Check the column map of the source, then the rows that the detail names.';

COMMENT ON COLUMN orchestrator_private.error_code.or301 IS 'Cause: Another process has registered under this instance id since, or the instance was removed. This process does not speak for the instance any more.
Remedy: Stop all handlers, register again, and use the incarnation that the answer gives. The shim does so by itself.';

COMMENT ON COLUMN orchestrator_private.error_code.or302 IS 'Cause: The stream has another owner, or a later life of this one. What was heard under the old epoch may have been heard by the new owner, too.
Remedy: Stop the handler of this stream and write nothing more under this epoch. The next beat tells what to run.';

COMMENT ON COLUMN orchestrator_private.error_code.or401 IS 'Cause: An administrator has paused balancing. The detail says who, when and why. Failover, placement and drains go on.
Remedy: Wait, or end the pause: select * from orchestrator.resume_balancing().';

COMMENT ON COLUMN orchestrator_private.error_code.or402 IS 'Cause: The stream is pinned to another instance than the one it is to move to.
Remedy: Unpin it first (unpin_stream), or pin it to the other instance (pin_stream).';

COMMENT ON COLUMN orchestrator_private.error_code.or403 IS 'Cause: The plan was applied before, or instances, capacities or assignments have changed since it was made.
Remedy: Plan again (plan_rebalance) and look at the new plan.';

COMMENT ON COLUMN orchestrator_private.error_code.or404 IS 'Cause: An administrator removed the instance for good. It may not register, and there is nothing to drain.
Remedy: If it is to come back: select * from orchestrator.readmit_instance(…), then register.';

COMMENT ON COLUMN orchestrator_private.error_code.or405 IS 'Cause: The instance has no room, lacks a capability that the stream requires, or is in no state to be given streams.
Remedy: Choose another instance; the view instances shows status, capacity and capabilities. Or make room first.';

COMMENT ON COLUMN orchestrator_private.error_code.or406 IS 'Cause: The batch of a source would remove or deactivate more of its streams than max_removed_part allows, is empty, or the source that is to be removed still has streams. Nothing was changed.
Remedy: Check the source. If it is right, synchronise once with force; to remove a source with its streams, say p_remove_streams.';

COMMENT ON COLUMN orchestrator_private.error_code.or407 IS 'Cause: An instance that stops by itself (on_isolation = stop) may still run its streams, and it was said in its name, by another login, that it has stopped.
Remedy: Let it say so itself: stop its process. Or use remove_instance, which waits until it has stopped. If nothing of it runs any more: p_force.';

COMMENT ON COLUMN orchestrator_private.error_code.or901 IS 'Cause: The database found that what it was about to write contradicts its own rules. Nothing was changed. This is a bug, or a row that was edited by hand.
Remedy: Run select * from orchestrator.diagnose(), and report it with message, detail and the statement that was run. A row that was edited by hand is set right by repair_record.';

COMMENT ON COLUMN orchestrator_private.error_code."55p03" IS 'Cause: PostgreSQLs own code: a lock was not free within lock_timeout, mostly because another decision, or a long transaction, held it.
Remedy: Try again with a growing pause; drivers, workers and commands do so by themselves. select * from orchestrator.lock_holders() says who holds it.';

CREATE TABLE orchestrator_private.failure_count (
    bucket timestamp with time zone NOT NULL,
    reporter text NOT NULL,
    failures integer NOT NULL,
    CONSTRAINT failures_are_positive CHECK ((failures > 0))
);

COMMENT ON TABLE orchestrator_private.failure_count IS 'Failures in each ten seconds, by whom they happened to. Reporters: an instance id, driver:NAME, job:NAME, source:NAME.';

ALTER TABLE orchestrator_private.gap ALTER COLUMN gap_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME orchestrator_private.gap_gap_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE orchestrator_private.history_bound (
    is_the_only_one boolean DEFAULT true NOT NULL,
    known_from timestamp with time zone NOT NULL,
    recorded_from timestamp with time zone NOT NULL,
    CONSTRAINT history_bound_is_the_only_one CHECK (is_the_only_one)
);

COMMENT ON TABLE orchestrator_private.history_bound IS 'One row that says how far back the history is whole.';

COMMENT ON COLUMN orchestrator_private.history_bound.known_from IS 'The latest moment of which something was purged: of earlier ones not all is known.';

COMMENT ON COLUMN orchestrator_private.history_bound.recorded_from IS 'Since when epochs and states are recorded; before, only changes of hands were.';

CREATE TABLE orchestrator_private.hold_up (
    login text NOT NULL,
    lock text NOT NULL,
    application_name text,
    longest interval NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    ended text NOT NULL,
    CONSTRAINT hold_up_ended_check CHECK ((ended = ANY (ARRAY['no'::text, 'terminated'::text, 'gone'::text, 'not permitted'::text])))
);

COMMENT ON TABLE orchestrator_private.hold_up IS 'Transactions that kept decisions waiting for long: a row for each login and lock, for an hour after the last time.';

COMMENT ON COLUMN orchestrator_private.hold_up.login IS 'Whose sessions they were; "unknown" when the owner may not see it.';

COMMENT ON COLUMN orchestrator_private.hold_up.lock IS 'What they held: decision, "the key of decisions" (an advisory lock that is not theirs), or a table of this system.';

COMMENT ON COLUMN orchestrator_private.hold_up.application_name IS 'The program, the last time, as it calls itself.';

COMMENT ON COLUMN orchestrator_private.hold_up.longest IS 'The longest time for which one of them was seen to keep another waiting.';

COMMENT ON COLUMN orchestrator_private.hold_up.first_at IS 'The first time.';

COMMENT ON COLUMN orchestrator_private.hold_up.last_at IS 'The last time.';

COMMENT ON COLUMN orchestrator_private.hold_up.ended IS 'What became of the last: no (it ended by itself), terminated, gone (it ended just then), or not permitted.';

CREATE TABLE orchestrator_private.http_presence (
    is_the_only_one boolean DEFAULT true NOT NULL,
    seen_at timestamp with time zone,
    returned_at timestamp with time zone,
    CONSTRAINT there_is_only_one_presence CHECK (is_the_only_one)
);

COMMENT ON TABLE orchestrator_private.http_presence IS 'Whether clients that speak HTTP can be heard. A row of its own: it is written every few seconds, and no decision may wait for that.';

COMMENT ON COLUMN orchestrator_private.http_presence.is_the_only_one IS 'Always true: the key of the only row.';

COMMENT ON COLUMN orchestrator_private.http_presence.seen_at IS 'When an HTTP server of this fleet last said that it is there; null when none ever did.';

COMMENT ON COLUMN orchestrator_private.http_presence.returned_at IS 'When one was there again after none had been.';

CREATE TABLE orchestrator_private.http_stream (
    instance_id text NOT NULL,
    stream_id bigint NOT NULL,
    epoch bigint NOT NULL,
    state text NOT NULL,
    unconfirmed_beats smallint DEFAULT 0 NOT NULL,
    CONSTRAINT state_of_http_stream_is_known CHECK ((state = ANY (ARRAY['told'::text, 'running'::text, 'taken'::text, 'stray'::text])))
);

COMMENT ON TABLE orchestrator_private.http_stream IS 'What an instance that only speaks HTTP has, as far as its words tell. told: it was told to start it; running: it has confirmed that; taken: it was told to stop it; stray: it may have it from an earlier life and should not.';

COMMENT ON COLUMN orchestrator_private.http_stream.unconfirmed_beats IS 'Beats since it was told that neither confirmed nor denied it.';

ALTER TABLE orchestrator_private.job_run ALTER COLUMN job_run_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME orchestrator_private.job_run_job_run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE orchestrator_private.metric (
    metric text NOT NULL,
    part text NOT NULL,
    kind text NOT NULL,
    unit text,
    labels text[] DEFAULT '{}'::text[] NOT NULL,
    bounds double precision[],
    help text NOT NULL,
    CONSTRAINT a_counter_is_a_total CHECK (((kind = 'counter'::text) = (metric ~ '_total$'::text))),
    CONSTRAINT a_histogram_has_bounds CHECK (((kind = 'histogram'::text) = (bounds IS NOT NULL))),
    CONSTRAINT a_name_ends_in_its_unit CHECK ((metric ~ (('_'::text || unit) || '(_total)?$'::text))),
    CONSTRAINT kind_of_metric_is_known CHECK ((kind = ANY (ARRAY['counter'::text, 'gauge'::text, 'histogram'::text]))),
    CONSTRAINT part_is_known CHECK ((part = ANY (ARRAY['system'::text, 'stream'::text, 'instance'::text, 'rebalancing'::text])))
);

COMMENT ON TABLE orchestrator_private.metric IS 'What is measured: its name as Prometheus has it, kind, unit, labels, meaning, and the bounds of a histogram.';

COMMENT ON COLUMN orchestrator_private.metric.part IS 'The part of the JSON of GET /metrics that it stands in.';

COMMENT ON COLUMN orchestrator_private.metric.bounds IS 'The upper bounds of a histogram''s buckets, each inclusive; a last bucket holds what is above them all.';

CREATE TABLE orchestrator_private.metric_count (
    metric text NOT NULL,
    label text DEFAULT ''::text NOT NULL,
    value double precision DEFAULT 0 NOT NULL,
    counts bigint[],
    counted_to timestamp with time zone
)
WITH (fillfactor='50');

COMMENT ON TABLE orchestrator_private.metric_count IS 'What counters and histograms stand at that have no row of their own to stand in. Written last, and but for failures under the decision lock or by one job only.';

COMMENT ON COLUMN orchestrator_private.metric_count.label IS 'The value of the metric''s one label; empty when it has none.';

COMMENT ON COLUMN orchestrator_private.metric_count.value IS 'Of a counter the total, of a histogram the sum.';

COMMENT ON COLUMN orchestrator_private.metric_count.counts IS 'Of a histogram: how many observations fell into each of its buckets.';

COMMENT ON COLUMN orchestrator_private.metric_count.counted_to IS 'What is counted now and then is counted up to this moment.';

CREATE TABLE orchestrator_private.past_assignment (
    stream_id bigint NOT NULL,
    until timestamp with time zone NOT NULL,
    past_assignment_id bigint NOT NULL,
    instance_id text,
    epoch bigint,
    state text
);

COMMENT ON TABLE orchestrator_private.past_assignment IS 'What an assignment was until one of its changes, append-only. What neither had an owner nor got one is left out.';

COMMENT ON COLUMN orchestrator_private.past_assignment.until IS 'When it changed, by the clock of that moment. Where the clock went back, all changes before it lie before what it said then.';

COMMENT ON COLUMN orchestrator_private.past_assignment.past_assignment_id IS 'The order of changes of one moment.';

COMMENT ON COLUMN orchestrator_private.past_assignment.instance_id IS 'Who had it; null: no instance.';

COMMENT ON COLUMN orchestrator_private.past_assignment.epoch IS 'Under which epoch; null: not known.';

COMMENT ON COLUMN orchestrator_private.past_assignment.state IS 'In which state; null: not known.';

ALTER TABLE orchestrator_private.past_assignment ALTER COLUMN past_assignment_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME orchestrator_private.past_assignment_past_assignment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE orchestrator_private.past_instance (
    instance_id text NOT NULL,
    until timestamp with time zone NOT NULL,
    past_instance_id bigint NOT NULL,
    was_lost boolean NOT NULL
);

COMMENT ON TABLE orchestrator_private.past_instance IS 'Whether an instance was lost until it was lost or returned, append-only: streams that a lost instance keeps are not heard.';

COMMENT ON COLUMN orchestrator_private.past_instance.until IS 'When that changed, as in past_assignment.';

COMMENT ON COLUMN orchestrator_private.past_instance.past_instance_id IS 'The order of changes of one moment.';

COMMENT ON COLUMN orchestrator_private.past_instance.was_lost IS 'Whether it was inactive until then.';

ALTER TABLE orchestrator_private.past_instance ALTER COLUMN past_instance_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME orchestrator_private.past_instance_past_instance_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE orchestrator_private.plan_move (
    plan_id bigint NOT NULL,
    stream_id bigint NOT NULL,
    from_instance_id text,
    to_instance_id text NOT NULL
);

COMMENT ON TABLE orchestrator_private.plan_move IS 'One stream that a plan would move.';

ALTER TABLE orchestrator_private.plan ALTER COLUMN plan_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME orchestrator_private.plan_plan_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE orchestrator_private.pull_memory (
    instance_id text NOT NULL,
    stream_id bigint NOT NULL,
    given_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE orchestrator_private.pull_memory IS 'What a client''s own list may hold: each stream that an answer named to it and that it has not given back. It outlives loss and restarts, as the client''s file does.';

CREATE TABLE orchestrator_private.pull_stranger (
    name text NOT NULL,
    peer text,
    load bigint,
    seen_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE orchestrator_private.pull_stranger IS 'Clients that spoke and have not registered here: what they run is not known.';

COMMENT ON COLUMN orchestrator_private.pull_stranger.load IS 'How many streams it said it has; null when it did not say.';

CREATE TABLE orchestrator_private.refusal (
    stream_id bigint NOT NULL,
    instance_id text NOT NULL,
    reason text NOT NULL,
    refused_at timestamp with time zone NOT NULL,
    until timestamp with time zone NOT NULL,
    times integer DEFAULT 1 NOT NULL,
    for_failing boolean DEFAULT false NOT NULL
);

COMMENT ON TABLE orchestrator_private.refusal IS 'A stream that an instance gave back or failed at is not given to it again before "until".';

COMMENT ON COLUMN orchestrator_private.refusal.for_failing IS 'The stream failed there; else it was given back for a reason of the instance''s own.';

ALTER TABLE orchestrator_private.repair ALTER COLUMN repair_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME orchestrator_private.repair_repair_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE orchestrator_private.requirement_load (
    instance_id text NOT NULL,
    requirement_id integer NOT NULL,
    movable integer DEFAULT 0 NOT NULL,
    CONSTRAINT movable_is_not_negative CHECK ((movable >= 0))
)
WITH (fillfactor='50');

COMMENT ON TABLE orchestrator_private.requirement_load IS 'How many streams of each requirement an instance owns that balancing may move: neither pinned nor in a hand-over. Kept by the same triggers as instance_load.';

ALTER TABLE orchestrator_private.requirement ALTER COLUMN requirement_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME orchestrator_private.requirement_requirement_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE orchestrator_private.schema_migration (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone NOT NULL,
    applied_by text NOT NULL
);

COMMENT ON TABLE orchestrator_private.schema_migration IS 'A numbered migration that was applied, with the checksum of its text at that time.';

CREATE TABLE orchestrator_private.schema_object (
    kind text NOT NULL,
    identity text NOT NULL,
    checksum text,
    server_major integer NOT NULL,
    found text
);

COMMENT ON TABLE orchestrator_private.schema_object IS 'Every object of the two schemas as a migration left it, by a checksum of its definition, owner and privileges.';

COMMENT ON COLUMN orchestrator_private.schema_object.checksum IS 'Null only during a migration, for what others had put into the schemas before.';

COMMENT ON COLUMN orchestrator_private.schema_object.server_major IS 'The server''s major version: another one may spell the same definition differently.';

COMMENT ON COLUMN orchestrator_private.schema_object.found IS 'Only during a migration: the checksum that it found, when it was not the recorded one.';

CREATE TABLE orchestrator_private.schema_repeatable (
    path text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE orchestrator_private.schema_repeatable IS 'A file of functions, views, triggers, data or grants as it was last applied. A different checksum applies all of them again.';

CREATE TABLE orchestrator_private.session_watch (
    is_the_only_one boolean DEFAULT true NOT NULL,
    checksum bigint DEFAULT 0 NOT NULL,
    compared_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    driver_missed_at timestamp with time zone,
    CONSTRAINT there_is_only_one CHECK (is_the_only_one)
);

COMMENT ON TABLE orchestrator_private.session_watch IS 'Which session locks were held when they last agreed with the instances. A row of its own, so that the look that writes it takes no lock that a decision could wait for.';

COMMENT ON COLUMN orchestrator_private.session_watch.is_the_only_one IS 'Always true: the key of the only row.';

COMMENT ON COLUMN orchestrator_private.session_watch.checksum IS 'Of the keys, of the server processes that held them, and of how often sessions had been attached.';

COMMENT ON COLUMN orchestrator_private.session_watch.compared_at IS 'When that was.';

COMMENT ON COLUMN orchestrator_private.session_watch.driver_missed_at IS 'When a beat found the jobs overdue although a driver is connected: the clock may have stepped, and a later beat will see.';

ALTER TABLE orchestrator_private.settle_request ALTER COLUMN settle_request_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME orchestrator_private.settle_request_settle_request_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE SEQUENCE orchestrator_private.standby_number
    START WITH -1
    INCREMENT BY -1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER TABLE orchestrator_private.stream ALTER COLUMN stream_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME orchestrator_private.stream_stream_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE orchestrator_private.withdrawal (
    instance_id text NOT NULL,
    stream_id bigint NOT NULL,
    epoch bigint NOT NULL,
    withdrawn_at timestamp with time zone NOT NULL,
    url text
);

COMMENT ON TABLE orchestrator_private.withdrawal IS 'A stream that was taken from a live instance without its word (a removed or deactivated stream, a forced hand-over), until it confirms that it has stopped.';

COMMENT ON COLUMN orchestrator_private.withdrawal.url IS 'Its address, once the stream itself is removed: one that is added with the same address waits as this one would.';

CREATE TABLE orchestrator_private.witnessed_client (
    source text NOT NULL,
    instance_id text NOT NULL,
    last_heartbeat timestamp with time zone NOT NULL,
    advanced_at timestamp with time zone,
    signed_at timestamp with time zone,
    ip_address text,
    ip_since timestamp with time zone,
    processing bigint,
    first_answer bigint,
    differing_rows integer DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE orchestrator_private.witnessed_client IS 'What the row of a client in the production database said when it was last read.';

COMMENT ON COLUMN orchestrator_private.witnessed_client.last_heartbeat IS 'As it stands in the row, by whatever clock wrote it. Only whether it advances counts.';

COMMENT ON COLUMN orchestrator_private.witnessed_client.advanced_at IS 'When a reading last found the row written anew.';

COMMENT ON COLUMN orchestrator_private.witnessed_client.signed_at IS 'When it was last written as a sign of life, by our clock: the moment of reading less its age by the production database''s clock.';

COMMENT ON COLUMN orchestrator_private.witnessed_client.ip_address IS 'The address in the first row that the client wrote after its registration. A row with another one is another process''s.';

COMMENT ON COLUMN orchestrator_private.witnessed_client.processing IS 'How many streams it says that it hears.';

COMMENT ON COLUMN orchestrator_private.witnessed_client.first_answer IS 'How many streams it says that the first answer of its life had.';

COMMENT ON COLUMN orchestrator_private.witnessed_client.differing_rows IS 'So many rows in a row have said another number of streams than the books.';

CREATE TABLE orchestrator_private.witnessed_station (
    source text NOT NULL,
    name text NOT NULL,
    written_by text NOT NULL,
    written_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE orchestrator_private.witnessed_station IS 'When an instance last wrote a station into music_log, by our clock at the reading. Kept for a day.';

ALTER TABLE ONLY orchestrator_private.active_time
    ADD CONSTRAINT active_time_pkey PRIMARY KEY (active_time_id);

ALTER TABLE ONLY orchestrator_private.activity_sample
    ADD CONSTRAINT activity_sample_pkey PRIMARY KEY (instance_id, sampled_at);

ALTER TABLE ONLY orchestrator_private.alert_delivery
    ADD CONSTRAINT alert_delivery_pkey PRIMARY KEY (alert_id, event, event_number, target);

ALTER TABLE ONLY orchestrator_private.alert
    ADD CONSTRAINT alert_pkey PRIMARY KEY (alert_id);

ALTER TABLE ONLY orchestrator_private.alert_target
    ADD CONSTRAINT alert_target_pkey PRIMARY KEY (target);

ALTER TABLE ONLY orchestrator_private.assignment
    ADD CONSTRAINT assignment_pkey PRIMARY KEY (stream_id);

ALTER TABLE ONLY orchestrator_private.assignment_transition
    ADD CONSTRAINT assignment_transition_pkey PRIMARY KEY (from_state, to_state, event);

ALTER TABLE ONLY orchestrator_private.clock_step
    ADD CONSTRAINT clock_step_pkey PRIMARY KEY (clock_step_id);

ALTER TABLE ONLY orchestrator_private.controller
    ADD CONSTRAINT controller_pkey PRIMARY KEY (only_one);

ALTER TABLE ONLY orchestrator_private.database_mark
    ADD CONSTRAINT database_mark_pkey PRIMARY KEY (is_the_only_one);

ALTER TABLE ONLY orchestrator_private.decision
    ADD CONSTRAINT decision_pkey PRIMARY KEY (decision_id);

ALTER TABLE ONLY orchestrator_private.stream
    ADD CONSTRAINT external_id_is_unique_in_its_source UNIQUE (source, external_id);

ALTER TABLE ONLY orchestrator_private.failure_count
    ADD CONSTRAINT failure_count_pkey PRIMARY KEY (bucket, reporter);

ALTER TABLE ONLY orchestrator_private.failure_streak
    ADD CONSTRAINT failure_streak_pkey PRIMARY KEY (reporter);

ALTER TABLE ONLY orchestrator_private.fleet_sample
    ADD CONSTRAINT fleet_sample_pkey PRIMARY KEY (sampled_at);

ALTER TABLE ONLY orchestrator_private.gap
    ADD CONSTRAINT gap_pkey PRIMARY KEY (gap_id);

ALTER TABLE ONLY orchestrator_private.heartbeat
    ADD CONSTRAINT heartbeat_pkey PRIMARY KEY (instance_id);

ALTER TABLE ONLY orchestrator_private.history_bound
    ADD CONSTRAINT history_bound_pkey PRIMARY KEY (is_the_only_one);

ALTER TABLE ONLY orchestrator_private.hold_up
    ADD CONSTRAINT hold_up_pkey PRIMARY KEY (login, lock);

ALTER TABLE ONLY orchestrator_private.http_presence
    ADD CONSTRAINT http_presence_pkey PRIMARY KEY (is_the_only_one);

ALTER TABLE ONLY orchestrator_private.http_session
    ADD CONSTRAINT http_session_pkey PRIMARY KEY (instance_id);

ALTER TABLE ONLY orchestrator_private.http_stream
    ADD CONSTRAINT http_stream_pkey PRIMARY KEY (instance_id, stream_id);

ALTER TABLE ONLY orchestrator_private.incident_pattern
    ADD CONSTRAINT incident_pattern_pkey PRIMARY KEY (pattern, sqlstate);

ALTER TABLE ONLY orchestrator_private.instance_load
    ADD CONSTRAINT instance_load_pkey PRIMARY KEY (instance_id);

ALTER TABLE ONLY orchestrator_private.instance
    ADD CONSTRAINT instance_pkey PRIMARY KEY (instance_id);

ALTER TABLE ONLY orchestrator_private.instance_transition
    ADD CONSTRAINT instance_transition_pkey PRIMARY KEY (from_status, event);

ALTER TABLE ONLY orchestrator_private.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (job);

ALTER TABLE ONLY orchestrator_private.job_run
    ADD CONSTRAINT job_run_pkey PRIMARY KEY (job_run_id);

ALTER TABLE ONLY orchestrator_private.metric_count
    ADD CONSTRAINT metric_count_pkey PRIMARY KEY (metric, label);

ALTER TABLE ONLY orchestrator_private.metric
    ADD CONSTRAINT metric_pkey PRIMARY KEY (metric);

ALTER TABLE ONLY orchestrator_private.movement
    ADD CONSTRAINT movement_pkey PRIMARY KEY (stream_id, epoch);

ALTER TABLE ONLY orchestrator_private.open_gap
    ADD CONSTRAINT open_gap_pkey PRIMARY KEY (stream_id);

ALTER TABLE ONLY orchestrator_private.past_assignment
    ADD CONSTRAINT past_assignment_pkey PRIMARY KEY (stream_id, until, past_assignment_id);

ALTER TABLE ONLY orchestrator_private.past_instance
    ADD CONSTRAINT past_instance_pkey PRIMARY KEY (instance_id, until, past_instance_id);

ALTER TABLE ONLY orchestrator_private.plan_move
    ADD CONSTRAINT plan_move_pkey PRIMARY KEY (plan_id, stream_id);

ALTER TABLE ONLY orchestrator_private.plan
    ADD CONSTRAINT plan_pkey PRIMARY KEY (plan_id);

ALTER TABLE ONLY orchestrator_private.pull_client
    ADD CONSTRAINT pull_client_pkey PRIMARY KEY (instance_id);

ALTER TABLE ONLY orchestrator_private.pull_memory
    ADD CONSTRAINT pull_memory_pkey PRIMARY KEY (instance_id, stream_id);

ALTER TABLE ONLY orchestrator_private.pull_stranger
    ADD CONSTRAINT pull_stranger_pkey PRIMARY KEY (name);

ALTER TABLE ONLY orchestrator_private.refusal
    ADD CONSTRAINT refusal_pkey PRIMARY KEY (stream_id, instance_id);

ALTER TABLE ONLY orchestrator_private.repair
    ADD CONSTRAINT repair_pkey PRIMARY KEY (repair_id);

ALTER TABLE ONLY orchestrator_private.requirement
    ADD CONSTRAINT requirement_is_unique UNIQUE NULLS NOT DISTINCT (capabilities, region);

ALTER TABLE ONLY orchestrator_private.requirement_load
    ADD CONSTRAINT requirement_load_pkey PRIMARY KEY (instance_id, requirement_id);

ALTER TABLE ONLY orchestrator_private.requirement
    ADD CONSTRAINT requirement_pkey PRIMARY KEY (requirement_id);

ALTER TABLE ONLY orchestrator_private.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (version);

ALTER TABLE ONLY orchestrator_private.schema_object
    ADD CONSTRAINT schema_object_pkey PRIMARY KEY (kind, identity);

ALTER TABLE ONLY orchestrator_private.schema_repeatable
    ADD CONSTRAINT schema_repeatable_pkey PRIMARY KEY (path);

ALTER TABLE ONLY orchestrator_private.session_watch
    ADD CONSTRAINT session_watch_pkey PRIMARY KEY (is_the_only_one);

ALTER TABLE ONLY orchestrator_private.setting
    ADD CONSTRAINT setting_pkey PRIMARY KEY (name);

ALTER TABLE ONLY orchestrator_private.settle_request
    ADD CONSTRAINT settle_request_pkey PRIMARY KEY (settle_request_id);

ALTER TABLE ONLY orchestrator_private.source
    ADD CONSTRAINT source_pkey PRIMARY KEY (source);

ALTER TABLE ONLY orchestrator_private.stall
    ADD CONSTRAINT stall_pkey PRIMARY KEY (stream_id);

ALTER TABLE ONLY orchestrator_private.standby
    ADD CONSTRAINT standby_pkey PRIMARY KEY (number);

ALTER TABLE ONLY orchestrator_private.station_fault
    ADD CONSTRAINT station_fault_pkey PRIMARY KEY (stream_id);

ALTER TABLE ONLY orchestrator_private.stream
    ADD CONSTRAINT stream_pkey PRIMARY KEY (stream_id);

ALTER TABLE ONLY orchestrator_private.withdrawal
    ADD CONSTRAINT withdrawal_pkey PRIMARY KEY (instance_id, stream_id);

ALTER TABLE ONLY orchestrator_private.witness
    ADD CONSTRAINT witness_pkey PRIMARY KEY (source, witness);

ALTER TABLE ONLY orchestrator_private.witnessed_client
    ADD CONSTRAINT witnessed_client_pkey PRIMARY KEY (instance_id, source);

ALTER TABLE ONLY orchestrator_private.witnessed_station
    ADD CONSTRAINT witnessed_station_pkey PRIMARY KEY (source, name, written_by);

CREATE INDEX stream_staging_by_batch ON orchestrator.stream_staging USING btree (batch);

CREATE INDEX active_time_by_stream ON orchestrator_private.active_time USING btree (stream_id, began_at);

CREATE INDEX active_time_ended ON orchestrator_private.active_time USING btree (ended_at) WHERE (ended_at IS NOT NULL);

CREATE UNIQUE INDEX active_time_open ON orchestrator_private.active_time USING btree (stream_id) WHERE (ended_at IS NULL);

CREATE INDEX alert_by_event ON orchestrator_private.alert USING btree (event_id);

CREATE INDEX alert_by_time ON orchestrator_private.alert USING btree (opened_at);

CREATE INDEX alert_delivery_pending ON orchestrator_private.alert_delivery USING btree (target, happened_at) WHERE (state = ANY (ARRAY['pending'::text, 'sending'::text]));

CREATE UNIQUE INDEX alert_is_open_once ON orchestrator_private.alert USING btree (code, subject) WHERE (resolved_at IS NULL);

CREATE INDEX assignment_by_instance ON orchestrator_private.assignment USING btree (instance_id, requirement_id, stream_id);

CREATE INDEX assignment_by_next_instance ON orchestrator_private.assignment USING btree (next_instance_id) WHERE (next_instance_id IS NOT NULL);

CREATE INDEX assignment_pinned ON orchestrator_private.assignment USING btree (pinned_to) WHERE (pinned_to IS NOT NULL);

CREATE INDEX assignment_releasing ON orchestrator_private.assignment USING btree (decision_id) WHERE (releasing_since IS NOT NULL);

CREATE INDEX assignment_waiting ON orchestrator_private.assignment USING btree (requirement_id, waiting_since, stream_id) WHERE (waiting_since IS NOT NULL);

CREATE INDEX decision_by_event ON orchestrator_private.decision USING btree (event_id);

CREATE INDEX decision_by_time ON orchestrator_private.decision USING btree (decided_at);

CREATE INDEX decision_for_failing ON orchestrator_private.decision USING btree (decided_at) WHERE (rule = ANY (ARRAY['failing stream'::text, 'stalled stream'::text]));

CREATE INDEX gap_by_end ON orchestrator_private.gap USING btree (ended_at);

CREATE INDEX gap_by_stream ON orchestrator_private.gap USING btree (stream_id, ended_at);

CREATE INDEX gap_of_instance ON orchestrator_private.gap USING btree (instance_id, ended_at) WHERE (cause = 'crash'::text);

CREATE INDEX gap_uncounted ON orchestrator_private.gap USING btree (gap_id) WHERE (NOT is_counted);

CREATE INDEX incident_pattern_by_last_seen ON orchestrator_private.incident_pattern USING btree (last_seen_at);

CREATE INDEX instance_lease ON orchestrator_private.instance USING btree (lease) WHERE (lease IS NOT NULL);

CREATE INDEX instance_unusual ON orchestrator_private.instance USING btree (instance_id) WHERE is_unusual;

CREATE INDEX job_run_by_event ON orchestrator_private.job_run USING btree (event_id);

CREATE INDEX job_run_by_job ON orchestrator_private.job_run USING btree (job, job_run_id);

CREATE INDEX job_run_by_start ON orchestrator_private.job_run USING btree (started_at);

CREATE INDEX job_run_failed ON orchestrator_private.job_run USING btree (job_run_id) WHERE (outcome = 'failed'::text);

CREATE INDEX movement_by_decision ON orchestrator_private.movement USING btree (decision_id);

CREATE INDEX movement_by_time ON orchestrator_private.movement USING btree (moved_at);

CREATE UNIQUE INDEX one_standby_of_a_stream ON orchestrator_private.standby USING btree (stream_id) WHERE (ended_at IS NULL);

CREATE INDEX past_assignment_by_time ON orchestrator_private.past_assignment USING btree (until);

CREATE INDEX pull_memory_by_stream ON orchestrator_private.pull_memory USING btree (stream_id);

CREATE INDEX repair_by_time ON orchestrator_private.repair USING btree (found_at);

CREATE INDEX repair_open ON orchestrator_private.repair USING btree (instance_id) WHERE (repaired_at IS NULL);

CREATE INDEX stall_by_instance ON orchestrator_private.stall USING btree (instance_id);

CREATE INDEX standby_on_instance ON orchestrator_private.standby USING btree (instance_id);

CREATE INDEX stream_by_number ON orchestrator_private.stream USING btree (number) WHERE (number IS NOT NULL);

CREATE INDEX stream_with_standby ON orchestrator_private.stream USING btree (stream_id) WHERE standby;

CREATE INDEX withdrawal_by_stream ON orchestrator_private.withdrawal USING btree (stream_id);

CREATE INDEX withdrawal_by_url ON orchestrator_private.withdrawal USING btree (md5(url)) WHERE (url IS NOT NULL);

CREATE INDEX witnessed_client_by_source ON orchestrator_private.witnessed_client USING btree (source);

CREATE INDEX witnessed_station_by_time ON orchestrator_private.witnessed_station USING btree (source, written_at);

CREATE TRIGGER account_for_another_database AFTER UPDATE OF fingerprint ON orchestrator_private.controller FOR EACH ROW WHEN (((new.generation > old.generation) AND (NOT ((split_part(old.fingerprint, ' '::text, 3) <> split_part(new.fingerprint, ' '::text, 3)) AND (array_remove(string_to_array(old.fingerprint, ' '::text), split_part(old.fingerprint, ' '::text, 3)) = array_remove(string_to_array(new.fingerprint, ' '::text), split_part(new.fingerprint, ' '::text, 3))))))) EXECUTE FUNCTION orchestrator_private.account_for_another_database();

CREATE TRIGGER account_for_deleted_assignments AFTER DELETE ON orchestrator_private.assignment REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION orchestrator_private.account_for_assignments();

CREATE TRIGGER account_for_inserted_assignments AFTER INSERT ON orchestrator_private.assignment REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION orchestrator_private.account_for_assignments();

CREATE TRIGGER account_for_lost_instance AFTER UPDATE OF status ON orchestrator_private.instance FOR EACH ROW WHEN ((old.is_living AND (NOT new.is_living))) EXECUTE FUNCTION orchestrator_private.account_for_lost_instance();

CREATE TRIGGER account_for_updated_assignments AFTER UPDATE ON orchestrator_private.assignment REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION orchestrator_private.account_for_assignments();

CREATE TRIGGER begin_generation AFTER UPDATE OF generation ON orchestrator_private.controller FOR EACH ROW WHEN ((new.generation > old.generation)) EXECUTE FUNCTION orchestrator_private.begin_generation();

CREATE TRIGGER check_inserted_assignments AFTER INSERT ON orchestrator_private.assignment REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION orchestrator_private.check_assignment_transition();

CREATE TRIGGER check_instance_transition_on_insert BEFORE INSERT ON orchestrator_private.instance FOR EACH ROW EXECUTE FUNCTION orchestrator_private.check_instance_transition();

CREATE TRIGGER check_instance_transition_on_update BEFORE UPDATE ON orchestrator_private.instance FOR EACH ROW WHEN ((old.status IS DISTINCT FROM new.status)) EXECUTE FUNCTION orchestrator_private.check_instance_transition();

CREATE TRIGGER check_updated_assignments AFTER UPDATE ON orchestrator_private.assignment REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION orchestrator_private.check_assignment_transition();

CREATE TRIGGER count_deleted_assignments AFTER DELETE ON orchestrator_private.assignment REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION orchestrator_private.count_assignments();

CREATE TRIGGER count_deleted_standbys AFTER DELETE ON orchestrator_private.standby REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION orchestrator_private.count_standbys();

CREATE TRIGGER count_inserted_assignments AFTER INSERT ON orchestrator_private.assignment REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION orchestrator_private.count_assignments();

CREATE TRIGGER count_inserted_standbys AFTER INSERT ON orchestrator_private.standby REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION orchestrator_private.count_standbys();

CREATE TRIGGER count_updated_assignments AFTER UPDATE ON orchestrator_private.assignment REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION orchestrator_private.count_assignments();

CREATE TRIGGER count_updated_standbys AFTER UPDATE ON orchestrator_private.standby REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION orchestrator_private.count_standbys();

CREATE TRIGGER keep_past_assignments AFTER UPDATE ON orchestrator_private.assignment REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION orchestrator_private.keep_past_assignments();

CREATE TRIGGER keep_past_in_order AFTER INSERT ON orchestrator_private.clock_step FOR EACH ROW WHEN ((new.step < '00:00:00'::interval)) EXECUTE FUNCTION orchestrator_private.keep_past_in_order();

CREATE TRIGGER keep_past_instance AFTER UPDATE OF status ON orchestrator_private.instance FOR EACH ROW WHEN (((old.status = 'inactive'::text) <> (new.status = 'inactive'::text))) EXECUTE FUNCTION orchestrator_private.keep_past_instance();

CREATE TRIGGER notify_watchers_on_insert AFTER INSERT ON orchestrator_private.alert FOR EACH ROW EXECUTE FUNCTION orchestrator_private.notify_watchers_of_row();

CREATE TRIGGER notify_watchers_on_insert AFTER INSERT ON orchestrator_private.instance FOR EACH ROW EXECUTE FUNCTION orchestrator_private.notify_watchers_of_row();

CREATE TRIGGER notify_watchers_on_update AFTER UPDATE OF severity, acknowledged_at, resolved_at ON orchestrator_private.alert FOR EACH ROW WHEN (((old.severity IS DISTINCT FROM new.severity) OR (old.acknowledged_at IS DISTINCT FROM new.acknowledged_at) OR (old.resolved_at IS DISTINCT FROM new.resolved_at))) EXECUTE FUNCTION orchestrator_private.notify_watchers_of_row();

CREATE TRIGGER notify_watchers_on_update AFTER UPDATE OF paused_at, recovery_since ON orchestrator_private.controller FOR EACH ROW WHEN (((old.paused_at IS DISTINCT FROM new.paused_at) OR (old.recovery_since IS DISTINCT FROM new.recovery_since))) EXECUTE FUNCTION orchestrator_private.notify_watchers_of_row();

CREATE TRIGGER notify_watchers_on_update AFTER UPDATE OF status ON orchestrator_private.instance FOR EACH ROW WHEN (((old.status IS DISTINCT FROM new.status) AND (new.status_event <> 'beat'::text))) EXECUTE FUNCTION orchestrator_private.notify_watchers_of_row();

ALTER TABLE ONLY orchestrator_private.activity_sample
    ADD CONSTRAINT activity_of_an_instance FOREIGN KEY (instance_id) REFERENCES orchestrator_private.instance(instance_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.assignment
    ADD CONSTRAINT assignment_of_a_stream FOREIGN KEY (stream_id) REFERENCES orchestrator_private.stream(stream_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.assignment
    ADD CONSTRAINT assignment_to_an_instance FOREIGN KEY (instance_id) REFERENCES orchestrator_private.instance(instance_id);

ALTER TABLE ONLY orchestrator_private.metric_count
    ADD CONSTRAINT count_of_a_metric FOREIGN KEY (metric) REFERENCES orchestrator_private.metric(metric) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.alert_delivery
    ADD CONSTRAINT delivery_of_an_alert FOREIGN KEY (alert_id) REFERENCES orchestrator_private.alert(alert_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.alert_delivery
    ADD CONSTRAINT delivery_to_a_target FOREIGN KEY (target) REFERENCES orchestrator_private.alert_target(target) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.station_fault
    ADD CONSTRAINT fault_of_a_stream FOREIGN KEY (stream_id) REFERENCES orchestrator_private.stream(stream_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.assignment
    ADD CONSTRAINT hand_over_to_an_instance FOREIGN KEY (next_instance_id) REFERENCES orchestrator_private.instance(instance_id);

ALTER TABLE ONLY orchestrator_private.heartbeat
    ADD CONSTRAINT heartbeat_of_an_instance FOREIGN KEY (instance_id) REFERENCES orchestrator_private.instance(instance_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.http_session
    ADD CONSTRAINT http_session_of_an_instance FOREIGN KEY (instance_id) REFERENCES orchestrator_private.instance(instance_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.http_stream
    ADD CONSTRAINT http_stream_of_a_session FOREIGN KEY (instance_id) REFERENCES orchestrator_private.http_session(instance_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.instance_load
    ADD CONSTRAINT load_of_an_instance FOREIGN KEY (instance_id) REFERENCES orchestrator_private.instance(instance_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.plan_move
    ADD CONSTRAINT move_of_a_plan FOREIGN KEY (plan_id) REFERENCES orchestrator_private.plan(plan_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.movement
    ADD CONSTRAINT movement_by_a_decision FOREIGN KEY (decision_id) REFERENCES orchestrator_private.decision(decision_id);

ALTER TABLE ONLY orchestrator_private.pull_client
    ADD CONSTRAINT pull_client_is_an_instance FOREIGN KEY (instance_id) REFERENCES orchestrator_private.instance(instance_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.pull_memory
    ADD CONSTRAINT pull_memory_of_a_client FOREIGN KEY (instance_id) REFERENCES orchestrator_private.pull_client(instance_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.pull_memory
    ADD CONSTRAINT pull_memory_of_a_stream FOREIGN KEY (stream_id) REFERENCES orchestrator_private.stream(stream_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.refusal
    ADD CONSTRAINT refusal_by_an_instance FOREIGN KEY (instance_id) REFERENCES orchestrator_private.instance(instance_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.refusal
    ADD CONSTRAINT refusal_of_a_stream FOREIGN KEY (stream_id) REFERENCES orchestrator_private.stream(stream_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.repair
    ADD CONSTRAINT repair_of_an_instance FOREIGN KEY (instance_id) REFERENCES orchestrator_private.instance(instance_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.requirement_load
    ADD CONSTRAINT requirement_load_of_an_instance FOREIGN KEY (instance_id) REFERENCES orchestrator_private.instance(instance_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.job_run
    ADD CONSTRAINT run_of_a_job FOREIGN KEY (job) REFERENCES orchestrator_private.job(job) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.stall
    ADD CONSTRAINT stall_of_a_stream FOREIGN KEY (stream_id) REFERENCES orchestrator_private.stream(stream_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.stall
    ADD CONSTRAINT stall_on_an_instance FOREIGN KEY (instance_id) REFERENCES orchestrator_private.instance(instance_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.standby
    ADD CONSTRAINT standby_of_a_stream FOREIGN KEY (stream_id) REFERENCES orchestrator_private.stream(stream_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.standby
    ADD CONSTRAINT standby_on_an_instance FOREIGN KEY (instance_id) REFERENCES orchestrator_private.instance(instance_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.stream
    ADD CONSTRAINT stream_has_a_requirement FOREIGN KEY (requirement_id) REFERENCES orchestrator_private.requirement(requirement_id);

ALTER TABLE ONLY orchestrator_private.stream
    ADD CONSTRAINT stream_of_a_source FOREIGN KEY (source) REFERENCES orchestrator_private.source(source);

ALTER TABLE ONLY orchestrator_private.withdrawal
    ADD CONSTRAINT withdrawal_of_an_instance FOREIGN KEY (instance_id) REFERENCES orchestrator_private.instance(instance_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.witness
    ADD CONSTRAINT witness_in_a_source FOREIGN KEY (source) REFERENCES orchestrator_private.source(source) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.witnessed_client
    ADD CONSTRAINT witnessed_client_in_a_source FOREIGN KEY (source) REFERENCES orchestrator_private.source(source) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.witnessed_client
    ADD CONSTRAINT witnessed_client_is_one FOREIGN KEY (instance_id) REFERENCES orchestrator_private.pull_client(instance_id) ON DELETE CASCADE;

ALTER TABLE ONLY orchestrator_private.witnessed_station
    ADD CONSTRAINT witnessed_station_in_a_source FOREIGN KEY (source) REFERENCES orchestrator_private.source(source) ON DELETE CASCADE;

GRANT USAGE ON SCHEMA orchestrator TO orchestrator_admin;
GRANT USAGE ON SCHEMA orchestrator TO orchestrator_worker;
GRANT USAGE ON SCHEMA orchestrator TO orchestrator_reader;

REVOKE ALL ON FUNCTION orchestrator.acknowledge(p_instance_id text, p_incarnation bigint, p_started bigint[], p_started_epochs bigint[], p_stopped bigint[], p_failed jsonb, p_stopped_epochs bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.acknowledge(p_instance_id text, p_incarnation bigint, p_started bigint[], p_started_epochs bigint[], p_stopped bigint[], p_failed jsonb, p_stopped_epochs bigint[]) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.acknowledge(p_instance_id text, p_incarnation bigint, p_started bigint[], p_started_epochs bigint[], p_stopped bigint[], p_failed jsonb, p_stopped_epochs bigint[]) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.acknowledge_alert(p_alert_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.acknowledge_alert(p_alert_id bigint) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.add_source(p_source text, p_conninfo text, p_table_name text, p_column_map jsonb, p_sync_interval interval, p_max_removed_part numeric, p_enabled boolean, p_heartbeats text, p_music_log text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.add_source(p_source text, p_conninfo text, p_table_name text, p_column_map jsonb, p_sync_interval interval, p_max_removed_part numeric, p_enabled boolean, p_heartbeats text, p_music_log text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.add_stream(p_url text, p_name text, p_region text, p_required_capabilities text[], p_metadata jsonb, p_external_id text, p_standby boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.add_stream(p_url text, p_name text, p_region text, p_required_capabilities text[], p_metadata jsonb, p_external_id text, p_standby boolean) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.apply_plan(p_plan_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.apply_plan(p_plan_id bigint) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.assert_current(p_stream_id bigint, p_epoch bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.assert_current(p_stream_id bigint, p_epoch bigint) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.assert_current(p_stream_id bigint, p_epoch bigint) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.assert_current(p_stream_id bigint, p_epoch bigint) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.assignments_at(p_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.assignments_at(p_at timestamp with time zone) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.assignments_at(p_at timestamp with time zone) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.attach_session(p_instance_id text, p_incarnation bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.attach_session(p_instance_id text, p_incarnation bigint) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.attach_session(p_instance_id text, p_incarnation bigint) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.claim_alert_deliveries(p_targets text[], p_driver text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.claim_alert_deliveries(p_targets text[], p_driver text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.coverage(p_from timestamp with time zone, p_to timestamp with time zone, p_stream_id bigint, p_instance_id text, p_cause text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.coverage(p_from timestamp with time zone, p_to timestamp with time zone, p_stream_id bigint, p_instance_id text, p_cause text) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.coverage(p_from timestamp with time zone, p_to timestamp with time zone, p_stream_id bigint, p_instance_id text, p_cause text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.decisions_between(p_from timestamp with time zone, p_to timestamp with time zone, p_stream_id bigint, p_instance_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.decisions_between(p_from timestamp with time zone, p_to timestamp with time zone, p_stream_id bigint, p_instance_id text) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.decisions_between(p_from timestamp with time zone, p_to timestamp with time zone, p_stream_id bigint, p_instance_id text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.deregister_instance(p_instance_id text, p_incarnation bigint, p_force boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.deregister_instance(p_instance_id text, p_incarnation bigint, p_force boolean) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.deregister_instance(p_instance_id text, p_incarnation bigint, p_force boolean) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.detach_session(p_instance_id text, p_incarnation bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.detach_session(p_instance_id text, p_incarnation bigint) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.detach_session(p_instance_id text, p_incarnation bigint) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.diagnose() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.diagnose() TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.diagnose() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.drain_instance(p_instance_id text, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.drain_instance(p_instance_id text, p_reason text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.end_hold_ups() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.end_hold_ups() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.end_recovery() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.end_recovery() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.explain_event(p_event_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.explain_event(p_event_id text) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.explain_event(p_event_id text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.explain_instance(p_instance_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.explain_instance(p_instance_id text) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.explain_instance(p_instance_id text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.explain_stream(p_stream_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.explain_stream(p_stream_id bigint) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.explain_stream(p_stream_id bigint) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.find_streams(p_text text, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.find_streams(p_text text, p_limit integer) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.find_streams(p_text text, p_limit integer) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.finish_alert_delivery(p_target text, p_driver text, p_error jsonb, p_unknown boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.finish_alert_delivery(p_target text, p_driver text, p_error jsonb, p_unknown boolean) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.finish_job(p_job_run_id bigint, p_error jsonb, p_result jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.finish_job(p_job_run_id bigint, p_error jsonb, p_result jsonb) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.get_assignments(p_instance_id text, p_incarnation bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.get_assignments(p_instance_id text, p_incarnation bigint) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.get_assignments(p_instance_id text, p_incarnation bigint) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.get_commands(p_instance_id text, p_incarnation bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.get_commands(p_instance_id text, p_incarnation bigint) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.get_commands(p_instance_id text, p_incarnation bigint) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.health() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.health() TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.health() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.heartbeat(p_instance_id text, p_incarnation bigint, p_digest bigint, p_report jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.heartbeat(p_instance_id text, p_incarnation bigint, p_digest bigint, p_report jsonb) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.heartbeat(p_instance_id text, p_incarnation bigint, p_digest bigint, p_report jsonb) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_assign_streams(p_request jsonb, p_dialect text, p_address text, p_waited interval) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_assign_streams(p_request jsonb, p_dialect text, p_address text, p_waited interval) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.http_assign_streams(p_request jsonb, p_dialect text, p_address text, p_waited interval) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_assignments() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_assignments() TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.http_assignments() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_dashboard(p_diagnosis jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_dashboard(p_diagnosis jsonb) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.http_dashboard(p_diagnosis jsonb) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_diagnostic(p_request jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_diagnostic(p_request jsonb) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.http_diagnostic(p_request jsonb) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_health(p_version text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_health(p_version text) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.http_health(p_version text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_heartbeat(p_request jsonb, p_dialect text, p_address text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_heartbeat(p_request jsonb, p_dialect text, p_address text) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.http_heartbeat(p_request jsonb, p_dialect text, p_address text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_instance(p_request jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_instance(p_request jsonb) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.http_instance(p_request jsonb) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_instances() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_instances() TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.http_instances() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_metrics() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_metrics() TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.http_metrics() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_present() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_present() TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.http_present() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_rebalance(p_request jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_rebalance(p_request jsonb) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_register(p_request jsonb, p_address text, p_dialect text, p_waited interval) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_register(p_request jsonb, p_address text, p_dialect text, p_waited interval) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.http_register(p_request jsonb, p_address text, p_dialect text, p_waited interval) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_release_streams(p_request jsonb, p_address text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_release_streams(p_request jsonb, p_address text) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.http_release_streams(p_request jsonb, p_address text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_remove_instance(p_request jsonb, p_address text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_remove_instance(p_request jsonb, p_address text) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.http_remove_instance(p_request jsonb, p_address text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_source_test() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_source_test() TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.http_source_test() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_status() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_status() TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.http_status() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_streams() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_streams() TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.http_streams() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_streams_status() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_streams_status() TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.http_streams_status() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_update_stream(p_request jsonb, p_address text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_update_stream(p_request jsonb, p_address text) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.http_update_stream(p_request jsonb, p_address text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_worker_metrics() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_worker_metrics() TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.http_worker_metrics() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.http_workers() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.http_workers() TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.http_workers() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.is_current(p_stream_id bigint, p_epoch bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.is_current(p_stream_id bigint, p_epoch bigint) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.is_current(p_stream_id bigint, p_epoch bigint) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.is_current(p_stream_id bigint, p_epoch bigint) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator_private.now() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator_private.now() TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator_private.now() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator_private.tenths(p_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.decision_holders() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.lock_key(p_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator_private.lock_key(p_name text) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator_private.lock_key(p_name text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator_private.waiting_sessions() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator.lock_holders() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.lock_holders() TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.lock_holders() TO orchestrator_admin;
GRANT ALL ON FUNCTION orchestrator.lock_holders() TO orchestrator_reader;

REVOKE ALL ON FUNCTION orchestrator.metrics() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.metrics() TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.metrics() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.move_stream(p_stream_id bigint, p_instance_id text, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.move_stream(p_stream_id bigint, p_instance_id text, p_reason text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.pause_balancing(p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.pause_balancing(p_reason text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.pin_stream(p_stream_id bigint, p_instance_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.pin_stream(p_stream_id bigint, p_instance_id text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.plan_effect(p_plan_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.plan_effect(p_plan_id bigint) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.plan_rebalance() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.plan_rebalance() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.read_clock() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.read_clock() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.readmit_instance(p_instance_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.readmit_instance(p_instance_id text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.rebalance(p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.rebalance(p_reason text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.record_clock_step(p_step interval, p_within interval, p_stepped interval, p_driver text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.record_clock_step(p_step interval, p_within interval, p_stepped interval, p_driver text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.record_failures(p_reporter text, p_failures jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.record_failures(p_reporter text, p_failures jsonb) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.record_heartbeats(p_source text, p_rows jsonb, p_read_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.record_heartbeats(p_source text, p_rows jsonb, p_read_at timestamp with time zone) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.record_music(p_source text, p_rows jsonb, p_last_id bigint, p_read_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.record_music(p_source text, p_rows jsonb, p_last_id bigint, p_read_at timestamp with time zone) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.record_sync_failure(p_source text, p_error jsonb, p_event_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.record_sync_failure(p_source text, p_error jsonb, p_event_id uuid) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.record_witness_failure(p_source text, p_witness text, p_error jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.record_witness_failure(p_source text, p_witness text, p_error jsonb) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.register_instance(p_instance_id text, p_max_streams integer, p_capabilities text[], p_version text, p_location text, p_lease interval, p_takeover boolean, p_metadata jsonb, p_stop_within interval, p_force boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.register_instance(p_instance_id text, p_max_streams integer, p_capabilities text[], p_version text, p_location text, p_lease interval, p_takeover boolean, p_metadata jsonb, p_stop_within interval, p_force boolean) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.register_instance(p_instance_id text, p_max_streams integer, p_capabilities text[], p_version text, p_location text, p_lease interval, p_takeover boolean, p_metadata jsonb, p_stop_within interval, p_force boolean) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.release_streams(p_instance_id text, p_incarnation bigint, p_streams bigint[], p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.release_streams(p_instance_id text, p_incarnation bigint, p_streams bigint[], p_reason text) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.release_streams(p_instance_id text, p_incarnation bigint, p_streams bigint[], p_reason text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.remove_alert_target(p_target text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.remove_alert_target(p_target text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.remove_instance(p_instance_id text, p_reason text, p_force boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.remove_instance(p_instance_id text, p_reason text, p_force boolean) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.remove_source(p_source text, p_remove_streams boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.remove_source(p_source text, p_remove_streams boolean) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.remove_stream(p_stream_id bigint, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.remove_stream(p_stream_id bigint, p_reason text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.renew_epoch(p_instance_id text, p_incarnation bigint, p_stream_id bigint, p_above bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.renew_epoch(p_instance_id text, p_incarnation bigint, p_stream_id bigint, p_above bigint) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.renew_epoch(p_instance_id text, p_incarnation bigint, p_stream_id bigint, p_above bigint) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.repair_record() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.repair_record() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.report_failures(p_instance_id text, p_incarnation bigint, p_failures jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.report_failures(p_instance_id text, p_incarnation bigint, p_failures jsonb) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.report_failures(p_instance_id text, p_incarnation bigint, p_failures jsonb) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.report_streams(p_instance_id text, p_incarnation bigint, p_streams bigint[], p_epochs bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.report_streams(p_instance_id text, p_incarnation bigint, p_streams bigint[], p_epochs bigint[]) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.report_streams(p_instance_id text, p_incarnation bigint, p_streams bigint[], p_epochs bigint[]) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.request_job(p_job text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.request_job(p_job text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.resume_balancing() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.resume_balancing() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.run_due_jobs() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.run_due_jobs() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.run_next_job(p_driver text, p_outside boolean, p_clock timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.run_next_job(p_driver text, p_outside boolean, p_clock timestamp with time zone) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.schedule_job(p_job text, p_schedule text, p_enabled boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.schedule_job(p_job text, p_schedule text, p_enabled boolean) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.serve_source(p_source text, p_serves_http boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.serve_source(p_source text, p_serves_http boolean) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.set_alert_target(p_target text, p_minimum_severity text, p_enabled boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.set_alert_target(p_target text, p_minimum_severity text, p_enabled boolean) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.set_capacity(p_instance_id text, p_max_streams integer) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.set_capacity(p_instance_id text, p_max_streams integer) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.set_client_kind(p_instance_id text, p_kind text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.set_client_kind(p_instance_id text, p_kind text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.set_instance_owner(p_instance_id text, p_role text, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.set_instance_owner(p_instance_id text, p_role text, p_reason text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.set_setting(p_name text, p_value text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.set_setting(p_name text, p_value text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.set_standby(p_stream_id bigint, p_standby boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.set_standby(p_stream_id bigint, p_standby boolean) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.set_stream_active(p_stream_id bigint, p_active boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.set_stream_active(p_stream_id bigint, p_active boolean) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.signs_of_life() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.signs_of_life() TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator.signs_of_life() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.sources_due(p_source text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.sources_due(p_source text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.station_problems(p_stations jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.station_problems(p_stations jsonb) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.suspend_instance(p_instance_id text, p_incarnation bigint, p_for interval, p_force boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.suspend_instance(p_instance_id text, p_incarnation bigint, p_for interval, p_force boolean) TO orchestrator_worker;
GRANT ALL ON FUNCTION orchestrator.suspend_instance(p_instance_id text, p_incarnation bigint, p_for interval, p_force boolean) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.sync_streams(p_source text, p_batch uuid, p_force boolean, p_read_at timestamp with time zone, p_keep_vanished boolean, p_event_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.sync_streams(p_source text, p_batch uuid, p_force boolean, p_read_at timestamp with time zone, p_keep_vanished boolean, p_event_id uuid) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.undrain_instance(p_instance_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.undrain_instance(p_instance_id text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.unpin_stream(p_stream_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.unpin_stream(p_stream_id bigint) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.what_if(p_without text[], p_with jsonb, p_capacity jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.what_if(p_without text[], p_with jsonb, p_capacity jsonb) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator.witnesses_due() FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator.witnesses_due() TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator_private.abandon_deliveries() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.account_for_another_database() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.account_for_assignments() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.account_for_lost_instance() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.activate_streams(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.active_between(p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.actor() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.add_assignments(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.add_commands(p_instance_id text, p_only_unconfirmed boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.add_missing_rows() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.unusual_address_problem(p_url text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.address_problem(p_url text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.adopt_ownerships(p_stream_ids bigint[], p_above bigint[], p_run_above boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.alert_conditions() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.alert_is_open(p_code text, p_subject text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.alerts_named(p_alert_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.all_findings() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.answer_failure(p_decision_id bigint, p_stream_id bigint, p_instance_id text, p_rule text, p_trigger text, p_error text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.answer_stalls() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.any_instance_is_placeable() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.applicable_plan(p_plan_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.apply_acknowledgement(p_instance_id text, p_incarnation bigint, p_started bigint[], p_started_epochs bigint[], p_stopped bigint[], p_failed jsonb, p_stopped_epochs bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.apply_status_event(p_instance orchestrator_private.instance, p_report orchestrator_private.report) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.apply_what_if_changes(p_without text[], p_with jsonb, p_capacity jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.as_bigint(p_value jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.ask_standbys() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.ask_workers_for(p_client orchestrator_private.pull_client, p_most bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.assign_standbys(p_stream_ids bigint[], p_instance_ids text[], p_change text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.assign_streams(p_requirement_id integer, p_count bigint, p_last_resort boolean, p_without text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.assignment_event(p_from_state text, p_to_state text, p_from_id text, p_to_id text, p_old_next_id text, p_next_id text, p_epochs bigint, p_old_make_before_break boolean, p_make_before_break boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.attempt_job(p_job orchestrator_private.job, OUT result jsonb, OUT error jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.authorize_instance(p_instance_id text, p_incarnation bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.authorize_name(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.await_owners(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.await_promises(p_decision_id bigint, p_instance_ids text[], p_reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.await_restarts(p_instance_id text, p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.balancing_is_frozen() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.named_capabilities(p_required jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.station_problem(p_url text, p_external_id text, p_name text, p_region text, p_capabilities text[], p_metadata jsonb) FROM PUBLIC;

GRANT INSERT ON TABLE orchestrator.stream_staging TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator_private.batch_rows(p_batch uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.batch_changes(p_source text, p_batch uuid, p_keep_vanished boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.be_sure_of_database() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.begin_active_times(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.begin_cold_start(p_client orchestrator_private.pull_client) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.begin_gaps(p_stream_ids bigint[], p_causes text[], p_instance_ids text[], p_began timestamp with time zone[], p_sure timestamp with time zone[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.begin_generation() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.begin_probation(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.best_instance(p_stream_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.blame_station(p_stream_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.blame_station_for_silence(p_stream_id bigint, p_standby_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.bring_into_region(p_decision_id bigint, p_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.bring_pinned_home(p_decision_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.call_off(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.call_off_preparations(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.caller_oid() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.cancel_handovers_to(p_instance_ids text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.candidates(p_stream_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.capacities_out_of_range() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.capacity_of(p_given jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.carry_repairs(p_instance_id text, p_is_same_process boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.cause_of_alert(p_code text, p_subject text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.cause_of_waiting() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_assignment_transition() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_balance() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_batch(p_source text, p_batch uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_clock() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_failures(p_failures jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_instance_transition() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_instances() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_integrity() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_jobs() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_loss(p_source orchestrator_private.source, p_change jsonb, p_force boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_recovery() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_registration(p_instance_id text, p_max_streams integer, p_capabilities text[], p_version text, p_location text, p_lease interval, p_metadata jsonb, p_stop_within interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_reported_streams(p_streams bigint[], p_epochs bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_return(p_known orchestrator_private.instance, p_is_same_process boolean, p_takeover boolean, p_force boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_schedule(p_schedule text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_settings() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_source(p_source text, p_conninfo text, p_table_name text, p_column_map jsonb, p_sync_interval interval, p_max_removed_part numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_sources() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_stalled(p_stalled jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_standby_window() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_streams() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.check_what_if(p_without text[], p_with jsonb, p_capacity jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.claim_job(p_outside boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.clients_with_unknown_lists() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.clock_went_back() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.close_decision(p_decision_id bigint, p_moves integer, p_least_moves integer, p_keep boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.close_repairs(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.commands_for(p_instance_id text, p_is_explained boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.compare_sessions_anew() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.complete_handovers(p_stream_ids bigint[], p_reason text, p_owner_confirmed boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.confirm_preparations(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.confirm_received(p_client orchestrator_private.pull_client) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.confirm_standbys(p_instance_id text, p_stream_ids bigint[], p_numbers bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.confirm_starts(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.confirm_stopped(p_client orchestrator_private.pull_client, p_load bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.confirm_stops(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.confirmed_digest(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.continue_event(p_event_id uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.could_lock_decisions() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.count_assignments() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.count_decision(p_decision orchestrator_private.decision) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.count_failover(p_decision orchestrator_private.decision) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.count_failures(p_reporter text, p_failures jsonb, p_now timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.count_gaps() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.count_into(p_counts bigint[], p_metric text, p_values double precision[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.count_moved(p_decision_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.count_retries(p_failures jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.count_round_trips(p_now timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.count_standbys() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.count_up(p_metric text, p_label text, p_by double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.count_waiting(p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.coverage_of_day(p_day timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.cron_values(p_field text, p_minimum integer, p_maximum integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.cure_stations(p_progressing bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.dashboard_alerts(p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.dashboard_coverage() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.dashboard_decisions(p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.dashboard_handovers(p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.dashboard_history(p_for interval, p_points integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.dashboard_instances(p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.dashboard_jobs() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.dashboard_verdict(p_health jsonb, p_findings jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.database_fingerprint() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.days_below_target() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.deadline_after_step(p_until timestamp with time zone, p_step interval, p_now timestamp with time zone, p_horizon interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.decide_on_beat(p_client orchestrator_private.pull_client, p_load bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.detail_of_event(p_kind text, p_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.digest_of(p_stream_id bigint, p_epoch bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.distribute(p_decision_id bigint, p_requirement_id integer, p_stream_ids bigint[], p_from text[], p_live boolean, p_stay boolean, p_reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.distribute_without(p_decision_id bigint, p_requirement_id integer, p_stream_ids bigint[], p_from text[], p_live boolean, p_stay boolean, p_reason text, p_without text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.driver_is_missing() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.drivers_connected() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_cron(p_schedule text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.next_run(p_schedule text, p_was_due timestamp with time zone, p_now timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.due_after_step(p_due timestamp with time zone, p_schedule text, p_step interval, p_now timestamp with time zone, p_within interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.effects(p_from text[], p_to text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.end_active_times(p_stream_ids bigint[], p_owners text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.end_gaps(p_stream_ids bigint[], p_heard_since timestamp with time zone[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.end_hold_ups_now() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.end_old_process(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.end_probations() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.end_session(p_pid integer, p_may_end boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.end_stalls() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.end_standbys(p_numbers bigint[], p_change text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.end_work(p_client orchestrator_private.pull_client, p_stream_ids bigint[], p_how text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.ended_preparations(p_timed_out boolean, p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.epoch_after(p_epoch bigint, p_next_epoch bigint, p_least bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.error_rates() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.evacuate(p_decision_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.evacuees() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.evaluate_alerts() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.event_id() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.event_named(p_event_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.events_like(p_event_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.events_of_instance(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.explain_now(p_assignment orchestrator_private.assignment) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.fail_over(p_decision_id bigint, p_instance_ids text[], p_reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.failing_calls() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.failing_jobs() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.failing_reporters(p_from timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.failing_stations() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.failure_bucket(p_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.failure_moves_left() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.failures_per_minute(p_from timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.fair_targets(p_total bigint, p_instance_ids text[], p_weights double precision[], p_lower integer[], p_upper integer[], p_held integer[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.fall_back(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_balance() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_bounds() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_capacity() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_clock() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_connections() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_heartbeats() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_history() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_jobs() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_music() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_presence() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_pull() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_record() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_schema() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_sessions() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_settings() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_shares() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_sources() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_standbys() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_streams() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_waiting() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.findings_witnesses() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.finish_handoffs() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.first_answer(p_client orchestrator_private.pull_client, p_list_length bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.fleet_fingerprint() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.forget_standbys(p_instance_ids text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.former_owners(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.free_at(p_stream_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.free_the_waiting(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.free_what_waits_for(p_instance_ids text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.full_notification_queue() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.gap_causes() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.gaps_between(p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.gaps_over() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.gate_is_new() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.give_back(p_client orchestrator_private.pull_client, p_stream_ids bigint[], p_entries bigint, p_reason text, p_is_final boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.give_streams(p_decision_id bigint, p_stream_ids bigint[], p_from text[], p_to text[], p_reason text, p_run_under bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.go_above(p_instance_id text, p_streams bigint[], p_epochs bigint[], p_runs_them boolean, p_trigger text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.hand_over(p_decision_id bigint, p_stream_ids bigint[], p_to text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.has_own_number(p_stream orchestrator_private.stream) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.heard_at(p_beat_at timestamp with time zone, p_counts_from timestamp with time zone, p_unwatched tstzmultirange) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.heartbeat_slow_path(p_instance_id text, p_incarnation bigint, p_digest bigint, p_report orchestrator_private.report, OUT in_step boolean, OUT is_explained boolean, OUT attempts smallint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.held_sessions() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.held_up_decisions() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.hint(p_channel text, p_payload text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.hold_alert_target(p_target text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.hold_ups() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.host_of(p_instance orchestrator_private.instance) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_adopt(p_session orchestrator_private.http_session, p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_buckets(p_bounds double precision[], p_counts bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_client_name(p_request jsonb, p_names text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_client_of(p_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_commands(p_instance_id text, p_count bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_confirm(p_session orchestrator_private.http_session, p_count bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_dialect(p_request jsonb, p_dialect text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_difference(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_digest(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_field(p_request jsonb, p_name text, p_types text[], p_required boolean, p_wanted text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_fleet_row() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_hear(p_session orchestrator_private.http_session, p_stream_ids bigint[], p_count bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.setting_interval(p_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_hold_for() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_ids(p_request jsonb, p_name text, p_required boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_instance_id(p_request jsonb, p_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_instance_rows() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_integer(p_request jsonb, p_name text, p_minimum bigint, p_maximum bigint, p_required boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_interval() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_ip_of(p_address text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_loose_number(p_value jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_loose_ids(p_value jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_loose_report(p_request jsonb, p_load bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_moment(p_request jsonb, p_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_names(p_request jsonb, p_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_note_added(p_instance_id text, p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_note_registered(p_instance_id text, p_incarnation bigint, p_dialect text, p_address text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_note_removed(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_number(p_request jsonb, p_name text, p_minimum numeric, p_maximum numeric) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_port_of(p_address text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_refusal(p_title text, p_hint text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_register_client(p_request jsonb, p_dialect text, p_peer text, p_waited interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_registration(p_request jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_report(p_request jsonb, p_count bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_series() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_server_is_away() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_server_present() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_session_of(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_speaker(p_request jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_stream_counts() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_system_row() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_text(p_request jsonb, p_name text, p_required boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.http_uptime() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.imbalance() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.impossible_rows() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.instances_forgotten() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.instances_late(p_watched text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.instances_lost(p_watched text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.instances_on_probation() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_alive(p_instance orchestrator_private.instance) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_alone(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_changed_by_a_beat(p_instance orchestrator_private.instance) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_clock_as_compared(p_clock timestamp with time zone, p_caller text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_count_of(p_said integer, p_owned integer, p_metadata jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_imbalanced() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_ipv6(p_text text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_migrating(p_application_name text, p_login oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_name(p_text text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_pull_client_here(p_client orchestrator_private.pull_client, p_peer text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_own_sign(p_client orchestrator_private.pull_client, p_peer text, p_load bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.present_owner(p_owner_role name, p_owner_oid oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_owner(p_login name, p_owner_role name, p_owner_oid oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_plain(p_interval interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_progress(p_progressing integer, p_processed bigint, p_processed_before bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_same_database() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_short_of(p_client orchestrator_private.pull_client, p_list_length bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.redact(p_text text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator_private.redact(p_text text) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator_private.redact(p_text text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator_private.names_secret(p_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator_private.names_secret(p_key text) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator_private.names_secret(p_key text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator_private.is_storable_conninfo(p_conninfo text) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator_private.is_storable_conninfo(p_conninfo text) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator_private.is_storable_conninfo(p_conninfo text) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator_private.is_too_early(p_client orchestrator_private.pull_client) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_under_way(p_instance_id text, p_changed_at timestamp with time zone, p_last_beat_at timestamp with time zone, p_has_moved boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_watched(p_witness orchestrator_private.witness, p_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.is_weekday(p_day timestamp without time zone, p_weekdays integer[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.jobs_waiting() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.keep_addresses(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.keep_past_assignments() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.keep_past_in_order() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.keep_past_instance() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.kept_from(p_from timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.kind_by_ask(p_client orchestrator_private.pull_client, p_list_length bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.know_database() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.know_from(p_moment timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.known_instance(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.known_source(p_source text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.last_read_at(p_source orchestrator_private.source) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.last_sign(p_client orchestrator_private.pull_client) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.later_answer(p_client orchestrator_private.pull_client) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.least_number() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.least_standby_window() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.leave_recovery(p_now timestamp with time zone, p_why jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.level_loads(p_decision_id bigint, p_requirement_ids integer[], p_instance_ids text[], p_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.level_standbys() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.life_of(p_process text, p_incarnation bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.load_of(p_stream_id bigint, p_epoch bigint, p_instance_id text, p_next_instance_id text, p_requirement_id integer, p_state text, p_pinned_to text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.lock_alert_target(p_target text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.lock_decisions() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.lock_decisions_shared() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.lock_lost(p_instance_ids text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.lock_session(p_session_key bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.lock_streams(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.lock_watched(p_watched text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.long_transactions() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.lose_instances(p_instance_ids text[], p_event text, p_rule text, p_trigger text, p_reason text, p_detail jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.lost_sources() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.make_requirements(p_batch uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.make_room(p_decision_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.makes_before_break(p_from text, p_to text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.mark_promoted(p_numbers bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.may_act_for(p_login name, p_owner_role name, p_owner_oid oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.may_be_given_more(p_client orchestrator_private.pull_client) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.may_be_well(p_instance_id text, p_report orchestrator_private.report) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.may_end(p_login oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.may_stand_by(p_instance orchestrator_private.instance, p_owner orchestrator_private.instance) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.metric_series(p_with_instances boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.metrics_counted() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.metrics_of_instances() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.metrics_of_jobs() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.metrics_of_sources() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.metrics_of_the_fleet() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.miscounts(p_part integer, p_parts integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.misplaced_pinned() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.missed_beats(p_since timestamp with time zone, p_interval double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.missing_rows() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.movable_assignment(p_stream_id bigint, p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.move_one(p_decision_id bigint, p_stream_id bigint, p_from text, p_live boolean, p_reason text, p_stay boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.move_stored_times(p_step interval, p_now timestamp with time zone, p_within interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.moves_between(p_from timestamp with time zone, p_to timestamp with time zone, p_stream_id bigint, p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.moves_of_event(p_event_id uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.moves_since(p_decision_id bigint, OUT stream_ids bigint[], OUT from_ids text[], OUT to_ids text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.name_is_free(p_instance orchestrator_private.instance) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.next_cron_time(p_schedule text, p_after timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.next_due_in(p_outside boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.next_owners(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.no_active_instance() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.no_driver() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_beat(p_client orchestrator_private.pull_client, p_list_length bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_crash(p_known orchestrator_private.instance) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_ears_lost(p_stream_ids bigint[], p_events text[], p_owners text[], p_asked timestamp with time zone[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_ended(p_ended jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_failed_preparations(p_instance_id text, p_failed jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_failed_standbys(p_instance_id text, p_failed jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_gate_passed() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_isolations() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_look() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_patterns(p_reporter text, p_incidents jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_pull_registered(p_instance_id text, p_name text, p_dialect text, p_address text, p_peer text, p_capacity bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_recovery() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_silence() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_stranger(p_name text, p_peer text, p_load bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_stray(p_instance_id text, p_peer text, p_load bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.note_streak(p_reporter text, p_failures jsonb, p_now timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.notice_for(p_wanted double precision, p_incoming integer, p_interval double precision, p_window double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.notification_queue() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.notify_instance(p_instance_id text, p_decision_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.notify_watchers() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.notify_watchers_of_row() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.numbers_of(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.observe(p_metric text, p_label text, p_values double precision[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.on_this_clock(p_moment timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.open_alert(p_code text, p_subject text, p_severity text, p_message text, p_detail jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.open_decision(p_rule text, p_trigger text, p_reason text, p_detail jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.open_streams(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.ordinary_ask(p_instance_id text, p_peer text, p_asked bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.other_loads(p_detail jsonb, p_from text, p_to text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.others_are_alive(p_instance_ids text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.others_are_awaited(p_client orchestrator_private.pull_client) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.others_may_take_more(p_client orchestrator_private.pull_client) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.overdue_handovers(p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.overdue_job() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.own_streams(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.owners_of_orphans() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.owners_of_orphans_with_room() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.owners_to_take_over_from() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.owners_with_other_beats() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.past_after_step(p_at timestamp with time zone, p_step interval, p_now timestamp with time zone, p_within interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.pattern_of(p_message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.pick_instances(p_count bigint, p_capabilities text[], p_in_region text, p_not_in_region text, p_on_probation boolean, p_without text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.pick_standbys(p_owner_id text, p_capabilities text[], p_count bigint, p_without text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.place_fleet(p_decision_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.place_missing_standbys() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.place_standbys() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.place_unplaced(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.place_waiting(p_decision_id bigint, p_reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.placeable_instances(p_on_probation boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.planned_loads() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.prepare_commands(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.probations_over() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.promise_over_at(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.promotable_standbys(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.promote_for_waiting(p_decision_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.promote_standbys(p_decision_id bigint, p_stream_ids bigint[], p_tell_owners boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.promote_standbys_of(p_decision_id bigint, p_instance_ids text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.pull_ask(p_client orchestrator_private.pull_client, p_asked bigint, p_waited interval, OUT outcome text, OUT stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.pull_claimants(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.pull_clients_lost(p_watched text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.pull_instance_id(p_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.pull_share(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.pull_silence_trust() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.pull_states(p_now timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.purge_decisions(p_before timestamp with time zone, p_most integer, OUT decisions integer, OUT movements integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.purge_history() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.purge_past(p_before timestamp with time zone, p_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.purge_rows(p_table text, p_column text, p_before timestamp with time zone, p_most integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.read_failures(p_failures jsonb, p_now timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.read_report(p_report jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.reassign_orphaned(p_instance_ids text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.rebalance_fleet(p_decision_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.recent_clock_steps() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.recent_hold_ups() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.reconcile(p_instance_id text, p_incarnation bigint, p_streams bigint[], p_epochs bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.reconnect_owners(p_source text, p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.record_call_failures(p_reporter text, p_failures jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.record_hold_up(p_login text, p_lock text, p_application_name text, p_kept interval, p_ended text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.record_repair(p_instance_id text, p_incarnation bigint, p_found_by text, p_repaired_by text, p_difference jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.record_run(p_job orchestrator_private.job, p_job_run_id bigint, p_run_by text, p_started_at timestamp with time zone, p_result jsonb, p_error jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.record_stalls(p_instance_id text, p_stalled jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.record_stream_failures(p_instance_id text, p_failed jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.record_sync(p_source text, p_batch uuid, p_read_at timestamp with time zone, p_change jsonb, p_reconnected integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.record_witness(p_source text, p_witness text, p_read_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.recount_loads() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.recovery_is_on() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.redact_in(p_error jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.redact_json(p_value jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.refuse_other_login(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.refuse_setting(p_name text, p_value text, p_why text, p_hint text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.refuse_when_paused() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.refused_streams(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.release_unable(p_instance_id text, p_may_still_run boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.relieve(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.remember_refusals(p_instance_id text, p_stream_ids bigint[], p_reason text, p_times_before_it_counts integer, p_for_failing boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.remove_commands(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.renew_epochs(p_stream_ids bigint[], p_decision_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.report_failures_of(p_reporter text, p_failures jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.request_settle(p_reason text, p_subject text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.require_argument(p_name text, p_is_good boolean, p_given jsonb, p_hint text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.require_exact_text(p_name text, p_text text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.require_few(p_name text, p_count integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.require_history(p_name text, p_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.require_interval(p_name text, p_value interval, p_least interval, p_most interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.require_its_own_word(p_instance orchestrator_private.instance, p_force boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.require_moment(p_name text, p_value timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.require_read_committed() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.require_station(p_argument text, p_problem text, p_given jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.requirement_of(p_capabilities text[], p_region text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.requirement_reach() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.resolve_contradictions(p_decision_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.restart_standbys(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.return_changed(p_source text, p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.return_of(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.return_to_owners(p_decision_id bigint, p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.rival_of(p_client orchestrator_private.pull_client, p_address text, p_peer text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.rivals_for_a_name() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.sample_activity(p_now timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.sample_fleet() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.schema_differences() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.seconds_between(p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.send_to(p_decision_id bigint, p_assignment orchestrator_private.assignment, p_instance_id text, p_reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.server_returned() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.server_started_at() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.server_timeline() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.session_lock_key(p_instance_id text, p_incarnation bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.sessions_changed() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.sessions_checksum() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.set_witness(p_source text, p_witness text, p_table_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.setting_is_right(p_setting orchestrator_private.setting) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.setting_number(p_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.setting_text(p_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.setting_value(p_setting orchestrator_private.setting, p_value text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.settle() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.settle_gaps() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.severity_rank(p_severity text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.short_memories() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.should_progress(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.silence_trust(p_watched text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.silence_trusted_from() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.silences() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.silent_owners() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.silent_together(p_watched text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.something_is_due(p_watched text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.stalls_due() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.stalls_over() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.standby_candidates(p_owner_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.standby_commands(p_instance_id text, p_digest bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.standby_groups() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.standby_is_silent(p_silent jsonb, p_number bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.standbys_are_on() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.standbys_follow(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.standbys_make_way(p_stream_ids bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.standbys_of_stalled() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.standbys_over() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.standbys_to_level() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.start_action(p_instance orchestrator_private.instance, p_assignment orchestrator_private.assignment) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.step_clock(p_step interval, p_within interval, p_found_by text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.step_instance(p_instance_id text, p_event text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.stepped_clock() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.stopped_ownerships(p_instance_id text, p_stream_ids bigint[], p_epochs bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.stored_times() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.stray_locks() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.streak_condition(p_streak orchestrator_private.failure_streak) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.streams_above_shares(p_instance_id text, p_most bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.streams_heard_twice() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.streams_like(p_text text, p_limit integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.streams_numbered(p_numbers bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.streams_to_stand_by_for() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.sum_of_counts(p_counts bigint[], p_more bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.sync_pause(p_sync_interval interval, p_consecutive_failures integer) FROM PUBLIC;
GRANT ALL ON FUNCTION orchestrator_private.sync_pause(p_sync_interval interval, p_consecutive_failures integer) TO orchestrator_reader;
GRANT ALL ON FUNCTION orchestrator_private.sync_pause(p_sync_interval interval, p_consecutive_failures integer) TO orchestrator_admin;

REVOKE ALL ON FUNCTION orchestrator_private.take_back_remembered(p_client orchestrator_private.pull_client, p_rule text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.take_decision_key(p_shared boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.take_over(p_instance_ids text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.take_streams(p_client orchestrator_private.pull_client, p_stream_ids bigint[], p_rule text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.targets_to_tell(p_targets text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.tell_former_owners(p_decision_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.tell_targets(p_alert_ids bigint[], p_event text, p_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.thresholds() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.timing_settings() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.today() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.transaction_started_at() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.unassign_from_pull_clients(p_decision_id bigint, p_instance_ids text[], p_reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.unexplained_difference(p_instance_id text, p_streams bigint[], p_epochs bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.unknown_alert(p_alert_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.unknown_instance(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.unknown_stream(p_stream_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.unlock_session(p_session_key bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.unwatched_after_step(p_unwatched tstzmultirange, p_step interval, p_now timestamp with time zone, p_within interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.unwitnessed_between(p_from timestamp with time zone, p_to timestamp with time zone, p_owners text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.wait_anew() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.waiting_reasons() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.waiting_streams() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.waiting_with_room() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.waits_of_gaps() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.waive_promise(p_instance_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.wake(p_job text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.wanted_interval(p_lease interval, p_has_standbys boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.watch_coverage() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.watch_instances() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.watch_recovery() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.watch_server() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.watch_sessions(p_instance_ids text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.watch_stalls() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.watch_transactions() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.watched_instances() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.welcome_back(p_known orchestrator_private.instance, p_max_streams integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.withdraw_changed(p_source text, p_gone bigint[], p_misfits bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.withdraw_streams(p_decision_id bigint, p_stream_ids bigint[], p_reason text) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.without_progress() FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.witness_pause(p_witness text, p_consecutive_failures integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.write_batch(p_source text, p_batch uuid, p_changed bigint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION orchestrator_private.yield_standbys() FROM PUBLIC;

GRANT SELECT ON TABLE orchestrator.alert_deliveries TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.alert_deliveries TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.alert_targets TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.alert_targets TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.alerts TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.alerts TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.assignments TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.assignments TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.clock_steps TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.clock_steps TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.coverage TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.coverage TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.decisions TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.decisions TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.events TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.events TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.failing_stations TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.failing_stations TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.failure_streaks TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.failure_streaks TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.fleet TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.fleet TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.fleet_samples TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.fleet_samples TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.gaps TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.gaps TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.incident_patterns TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.incident_patterns TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.instances TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.instances TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.job_runs TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.job_runs TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.jobs TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.jobs TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.locks TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.locks TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.movements TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.movements TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.repairs TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.repairs TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.settings TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.settings TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.sources TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.sources TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.stalled_streams TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.stalled_streams TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.standbys TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.standbys TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.state_machine TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.state_machine TO orchestrator_admin;

GRANT SELECT ON TABLE orchestrator.streams TO orchestrator_reader;
GRANT SELECT ON TABLE orchestrator.streams TO orchestrator_admin;
