"""What people look at: health(), explain_stream(), the views, and who may."""

from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from orchestrator.database import db
from tests.fleet import Fleet, Row
from tests.sql.conftest import Login

VIEWS = (
    "alert_deliveries",
    "alert_targets",
    "alerts",
    "assignments",
    "clock_steps",
    "coverage",
    "decisions",
    "events",
    "failing_stations",
    "failure_streaks",
    "fleet",
    "fleet_samples",
    "gaps",
    "incident_patterns",
    "instances",
    "job_runs",
    "jobs",
    "locks",
    "movements",
    "repairs",
    "settings",
    "sources",
    "stalled_streams",
    "standbys",
    "state_machine",
    "streams",
)


# -- health ------------------------------------------------------------------------------------------------------------


def _health(fleet: Fleet, component: str) -> tuple[str, str, Any]:
    rows = {row["component"]: row for row in fleet.admin("health")}
    assert rows.keys() == {"integrity", "instances", "streams", "jobs", "sources", "recovery", "clock"}
    assert all(row["response_time"] >= timedelta(0) for row in rows.values())
    row = rows[component]
    return row["status"], row["finding"], row["detail"]


def test_a_fleet_that_is_well_is_healthy(fleet: Fleet) -> None:
    """R6.3"""
    fleet.start(10, 10, streams=4)
    fleet.run_due_jobs()
    assert {row["component"]: row["status"] for row in fleet.admin("health")} == {
        "integrity": "healthy",
        "instances": "healthy",
        "streams": "healthy",
        "jobs": "healthy",
        "sources": "healthy",
        "recovery": "healthy",
        "clock": "healthy",
    }
    assert _health(fleet, "streams")[1] == "4 streams, all with an instance"


def test_a_miscount_is_found(fleet: Fleet) -> None:
    """R6.3: data integrity, by a recount."""
    fleet.start(10, 10, streams=4)
    for column in ("owned", "outgoing", "incoming", "digest"):
        fleet.query(f"update {{p}}.instance_load set {column} = {column} + 1 where instance_id = 'fv-2'")
        status, _, detail = _health(fleet, "integrity")
        assert status == "unhealthy"
        assert detail["findings"] == ["counts of fv-2 differ from a recount"]
        fleet.query(f"update {{p}}.instance_load set {column} = {column} - 1 where instance_id = 'fv-2'")
    fleet.query("update {p}.requirement_load set movable = movable + 1 where instance_id = 'fv-1'")
    assert _health(fleet, "integrity")[2]["findings"] == ["counts of fv-1 differ from a recount"]
    fleet.query("update {p}.requirement_load set movable = movable - 1 where instance_id = 'fv-1'")
    assert _health(fleet, "integrity")[0] == "healthy"


def test_a_stream_without_an_assignment_row_is_found(fleet: Fleet) -> None:
    [stream_id] = fleet.add_streams(1)
    fleet.query("delete from {p}.assignment")
    assert _health(fleet, "integrity")[2]["findings"] == [f"stream {stream_id} has no assignment row"]


def test_an_instance_above_its_capacity_while_others_have_room_is_found(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=10)
    fleet.query("update {p}.instance set max_streams = 2 where instance_id = 'fv-1'")
    fleet.clock.advance("2 minutes")
    assert _health(fleet, "integrity")[2]["findings"] == ["fv-1 holds more than max_streams"]


def test_late_and_lost_instances_are_found(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10)
    fleet.clock.advance("90 seconds")
    second.beat()
    fleet.run("watch_instances")
    status, finding, _ = _health(fleet, "instances")
    assert (status, finding) == ("degraded", "1 late, 0 lost, of 2")
    fleet.clock.advance("210 seconds")
    second.beat()
    fleet.run("watch_instances")
    assert _health(fleet, "instances")[:2] == ("degraded", "0 late, 1 lost, of 2")
    second.call("deregister_instance")
    assert _health(fleet, "instances")[:2] == ("unhealthy", "no instance is there to listen")
    first.beat()
    assert _health(fleet, "instances")[:2] == ("healthy", "1 instances")


def test_an_empty_installation_is_well_until_there_is_something_to_listen_to(fleet: Fleet) -> None:
    assert _health(fleet, "instances")[:2] == ("healthy", "no instance is there, and no stream to listen to")
    fleet.add_streams(1)
    assert _health(fleet, "instances")[0] == "unhealthy"


def test_waiting_streams_are_found_with_the_reason(fleet: Fleet) -> None:
    fleet.start(2, streams=3)
    assert _health(fleet, "streams")[:2] == ("degraded", "1 streams wait: every instance is full")
    fleet.clock.advance("2 minutes")
    assert _health(fleet, "streams")[0] == "unhealthy"
    fleet.register("fv-2", 5)
    assert _health(fleet, "streams")[1] == "1 streams wait, with room for 5"


def test_jobs_that_no_driver_runs_are_found(fleet: Fleet) -> None:
    """No driver is there."""
    fleet.run_due_jobs()
    fleet.clock.advance("1 minute")
    status, finding, _ = _health(fleet, "jobs")
    assert status == "unhealthy"
    assert finding.startswith("overdue or failing: check_balance, ")


def test_failing_jobs_are_found(fleet: Fleet) -> None:
    fleet.run_due_jobs()
    fleet.query("update {p}.job set consecutive_failures = 1 where job = 'purge_history'")
    assert _health(fleet, "jobs")[:2] == ("degraded", "overdue or failing: purge_history")
    fleet.query("update {p}.job set consecutive_failures = 3 where job = 'settle'")
    assert _health(fleet, "jobs")[0] == "unhealthy"


def test_a_failing_source_is_found(fleet: Fleet) -> None:
    fleet.admin("add_source", source="field", conninfo="host=nowhere dbname=radio", table_name="streams")
    assert _health(fleet, "sources")[:2] == ("healthy", "1 sources synchronised")
    fleet.query("update {p}.source set consecutive_failures = 1 where source = 'field'")
    assert _health(fleet, "sources")[:2] == ("degraded", "failing: field")


# -- explain_stream ----------------------------------------------------------------------------------------------------


def test_a_long_story_is_told_from_its_end(fleet: Fleet) -> None:
    """At most two hundred moves, the latest; the view has them all."""
    fleet.start(10, streams=1)
    [stream_id] = fleet.owners()
    fleet.query(
        "insert into {p}.movement (stream_id, epoch, decision_id, reason, moved_at) "
        "select stream_id, epoch + n, decision_id, reason, moved_at from {p}.movement, generate_series(1, 249) as n"
    )
    rows = fleet.admin("explain_stream", stream_id=stream_id)
    assert [row["epoch"] for row in rows[1:]] == list(range(250, 50, -1))
    assert len(fleet.view("movements", stream_id=stream_id)) == 250


def test_a_stream_explains_its_whole_life(fleet: Fleet) -> None:
    """Every move explained: who had it, who has it, which rule moved it."""
    first, second = fleet.start(10, 10, streams=2)
    [stream_id] = first.running
    fleet.clock.advance("1 minute")
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2", reason="closer")
    rows = fleet.admin("explain_stream", stream_id=stream_id)
    assert [(row["what"], row["from_instance_id"], row["to_instance_id"], row["rule"]) for row in rows] == [
        ("now releasing", "fv-1", "fv-2", "moved by hand"),
        ("placed", None, "fv-1", "new stream"),
    ]
    assert rows[0]["reason"] == "closer"
    fleet.all_obey()
    second.call("deregister_instance")
    rows = fleet.admin("explain_stream", stream_id=stream_id)
    assert [(row["what"], row["from_instance_id"], row["to_instance_id"], row["rule"]) for row in rows] == [
        ("now assigned", "fv-1", None, "goodbye"),
        ("goodbye", "fv-2", "fv-1", "goodbye"),
        ("hand-over", "fv-1", "fv-2", "moved by hand"),
        ("placed", None, "fv-1", "new stream"),
    ]
    assert [row["epoch"] for row in rows] == [3, 3, 2, 1]
    assert all(row["detail"]["thresholds"] and row["actor"] and row["trigger"] for row in rows)


def test_a_removed_stream_still_explains_itself(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    [stream_id] = worker.running
    fleet.admin("remove_stream", stream_id=stream_id, reason="off the air")
    [another] = fleet.add_streams(1, first=2)
    fleet.admin("remove_stream", stream_id=another, reason=None)
    rows = fleet.admin("explain_stream", stream_id=stream_id)
    assert [(row["what"], row["from_instance_id"], row["reason"]) for row in rows] == [
        ("off the air", "fv-1", "off the air"),
        ("placed", None, None),
    ]


# -- views -------------------------------------------------------------------------------------------------------------


def _busy(fleet: Fleet) -> None:
    """Something for every view."""
    first, _ = fleet.start(2, 10, streams=4)
    first.attach()
    fleet.add_streams(10, first=5)
    fleet.clock.advance("2 minutes")
    fleet.run("evaluate_alerts")
    fleet.query("select {p}.open_alert('trouble', '', 'warning', 'something is wrong', '{{}}')")
    fleet.one("record_failures", reporter="driver:one", failures=Jsonb([{"message": "timed out"}]))
    first.call("heartbeat", digest=1, report={})
    fleet.clock.advance("1 minute")
    first.call("heartbeat", digest=1, report={})  # nothing explains it: a repair
    [stream_id, *_] = first.running
    first.beat(stalled=[{"stream_id": stream_id, "epoch": first.running[stream_id], "silent_for": 61}])
    fleet.query(
        "insert into {p}.station_fault (stream_id, found_at, last_failed_at, evidence) values (%s, now(), now(), '[]')",
        stream_id,
    )
    fleet.query("select {p}.assign_standbys(array[%s]::bigint[], array['fv-2'], 'placed')", stream_id)
    fleet.run("sample_fleet")
    fleet.one("record_clock_step", step="1 minute", within="1 second", stepped="0")
    fleet.admin("request_job", job="settle")
    fleet.run("sample_fleet")
    fleet.query("insert into {p}.job_run (job, started_at, run_by, outcome) values ('settle', now(), 'test', 'done')")


def test_every_view_is_read_by_readers_and_administrators_and_by_no_other(fleet: Fleet, login: Login) -> None:
    _busy(fleet)
    for role in ("reader", "admin"):
        conn = login(role)
        for name in VIEWS:
            assert db.view(conn, name), (role, name)
    worker = login("worker")
    for name in VIEWS:
        with pytest.raises(Exception, match="permission denied"):
            db.view(worker, name)


def test_the_list_of_views_is_complete(fleet: Fleet) -> None:
    rows = fleet.query("select viewname from pg_views where schemaname = %s", fleet.database.names.api)
    assert sorted(row["viewname"] for row in rows) == list(VIEWS)


def test_readers_may_ask_how_things_are_and_why(fleet: Fleet, login: Login) -> None:
    [stream_id] = fleet.add_streams(1)
    reader = login("reader")
    assert db.call(reader, "health")
    assert db.call(reader, "explain_stream", stream_id=stream_id)
    assert db.call(reader, "is_current", stream_id=stream_id, epoch=1) == [{"is_current": False}]


def test_the_view_of_instances_tells_load_and_fair_share(fleet: Fleet) -> None:
    """R1.4"""
    fleet.start(100, 150, 50, streams=30)
    rows: dict[str, Row] = {row["instance_id"]: row for row in fleet.view("instances")}
    assert {name: (row["assigned_streams"], row["fair_share"]) for name, row in rows.items()} == {
        "fv-1": (10, 10),
        "fv-2": (15, 15),
        "fv-3": (5, 5),
    }
    assert {row["load_percentage"] for row in rows.values()} == {10}
    fleet.clock.advance("7 seconds")
    assert fleet.instance("fv-1")["silent_for"] == timedelta(seconds=7)


def test_the_view_of_locks_names_the_decision_lock_and_who_waits_for_it(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    session = worker.attach()
    deciding = fleet.database.connect(autocommit=False)
    deciding.execute(f"select {fleet.database.names.private}.lock_decisions()")
    locks = {row["lock"]: row for row in fleet.view("locks") if row["lock"] in ("decision", "session of fv-1")}
    assert locks["decision"]["pid"] == deciding.info.backend_pid
    assert locks["decision"]["granted"] is True
    assert locks["session of fv-1"]["pid"] == session.info.backend_pid
    deciding.rollback()


def test_the_state_machine_can_be_read_and_is_enforced(fleet: Fleet) -> None:
    steps = {(row["from_status"], row["event"]): row["to_status"] for row in fleet.view("state_machine")}
    assert steps["active", "late"] == "warning"
    assert steps["inactive", "beat"] == "recovering"
    assert all(row["meaning"] for row in fleet.view("state_machine"))
    assert {row["subject"] for row in fleet.view("state_machine", from_status="active")} == {"instance"}
    assert {row["subject"] for row in fleet.view("state_machine", from_status="running")} == {"assignment"}
    fleet.register("fv-1")
    with pytest.raises(Exception, match="no such step"):
        fleet.query("update {p}.instance set status = 'inactive', status_event = 'beat'")
    with pytest.raises(Exception, match="no such step"):
        fleet.query("select {p}.step_instance('fv-1', 'undrain')")


def test_the_fleet_in_one_row(fleet: Fleet) -> None:
    _busy(fleet)
    [row] = fleet.view("fleet")
    assert (row["instances"], row["serving_instances"], row["capacity"]) == (2, 2, 12)
    assert (row["streams_held"], row["streams_waiting"], row["open_alerts"]) == (12, 2, 3)
    assert row["balancing_paused"] is False
