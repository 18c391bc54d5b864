"""What a beat is told beside its commands, and what it sees while no driver is there to see it."""

from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.fleet import Fleet, Row, Worker


def _notice(worker: Worker, heartbeat_interval: float = 30, **report: Any) -> Any:
    """The one notice in the answer to a beat, None when there is none."""
    rows = worker.beat(heartbeat_interval=heartbeat_interval, **report)
    notices = [row for row in rows if row["action"] == "notice"]
    assert len(notices) <= 1
    for row in notices:
        assert (row["stream_id"], row["epoch"], row["name"], row["url"]) == (None, None, None, None)
    return notices[0]["metadata"] if notices else None


def _recovery(fleet: Fleet) -> None:
    fleet.one("record_failures", reporter="driver:one", failures=Jsonb([{"message": "timed out", "count": 11}]))
    assert fleet.run("watch_recovery")["recovery_mode"] == "on"


def _jobs_due_for(fleet: Fleet, ago: str) -> None:
    fleet.query("update {p}.job set next_run_at = {p}.now() - %s::interval where runs_in = 'database'", ago)


def _alerts(fleet: Fleet) -> list[Row]:
    return fleet.view("alerts", code="no_driver", resolved_at=None)


# -- how often to beat -------------------------------------------------------------------------------------------------


def test_a_worker_in_step_with_the_settings_is_told_nothing(fleet: Fleet) -> None:
    assert fleet.register("fv-1").beat(heartbeat_interval=30) == []


def test_a_changed_interval_reaches_a_worker_with_its_next_beat(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    fleet.set("heartbeat_interval", "10 seconds")
    assert _notice(worker) == {"heartbeat_interval": 10}
    assert _notice(worker, 10) is None


def test_beats_are_spread_out_in_recovery_mode_and_come_back_afterwards(fleet: Fleet) -> None:
    """R4.3"""
    worker = fleet.register("fv-1")
    _recovery(fleet)
    assert _notice(worker) == {"heartbeat_interval": 60}
    assert _notice(worker, 60) is None
    fleet.one("end_recovery")
    assert _notice(worker, 60) == {"heartbeat_interval": 30}


def test_beats_that_are_spread_out_still_come_before_anybody_warns_of_them(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    fleet.set("heartbeat_interval", "45 seconds")
    _recovery(fleet)
    assert _notice(worker, 45) == {"heartbeat_interval": 60}  # of heartbeat_warning 90 s


def test_a_lease_has_room_for_two_beats_under_all_settings(fleet: Fleet) -> None:
    worker = fleet.register("fv-1", lease="80 seconds")
    _recovery(fleet)
    assert _notice(worker) == {"heartbeat_interval": 40}
    fleet.one("end_recovery")
    fleet.set("heartbeat_interval", "45 seconds")
    assert _notice(worker) == {"heartbeat_interval": 40}


def test_who_is_about_to_be_given_a_stream_beats_again_soon(fleet: Fleet) -> None:
    """R3: with every notification lost a hand-over takes one beat, and not one of each side."""
    first = fleet.register("fv-1")
    fleet.add_streams(1)
    fleet.pass_time("3 seconds")
    first.follow(first.beat())
    second = fleet.register("fv-2")
    [stream_id] = first.running
    fleet.one("move_stream", stream_id=stream_id, instance_id="fv-2")
    assert _notice(second) == {"next_beat_in": 2}
    assert _notice(first) is None
    first.follow(first.beat())
    assert [row["action"] for row in second.beat(heartbeat_interval=30)] == ["add"]


def test_who_does_not_say_its_interval_is_told_none(fleet: Fleet) -> None:
    """Older workers know no such row."""
    worker = fleet.register("fv-1")
    _recovery(fleet)
    _jobs_due_for(fleet, "1 hour")
    assert worker.beat() == []
    assert worker.call("heartbeat", digest=0, report=None) == []


def test_a_notice_comes_beside_commands(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    fleet.add_streams(1)
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    rows = worker.beat(heartbeat_interval=20)
    assert [row["action"] for row in rows] == ["add", "notice"]


# -- no driver ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("report", [{}, {"heartbeat_interval": 30}])
def test_a_beat_notices_that_no_driver_runs_and_opens_the_alert(fleet: Fleet, report: dict[str, Any]) -> None:
    """Monitoring: the orchestrator silent for 5 minutes, seen by the instances that are left."""
    first, second = fleet.register("fv-1"), fleet.register("fv-2")
    _jobs_due_for(fleet, "4 minutes 59 seconds")
    assert first.beat(**report) == []
    assert _alerts(fleet) == []
    fleet.clock.advance("1 second")
    rows = first.beat(**report)
    assert [row["metadata"] for row in rows] == ([{"no_driver_for": 300}] if report else [])
    fleet.clock.advance("5 seconds")
    assert _notice(second) == {"no_driver_for": 305}
    [alert] = _alerts(fleet)
    assert (alert["severity"], alert["subject"]) == ("critical", "")
    assert [row["event"] for row in fleet.view("alert_deliveries", code="no_driver")] == ["opened"]


def test_the_driver_that_came_back_says_when_it_was_away_and_resolves_it(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    fleet.query("update {p}.job set next_run_at = {p}.now() + interval '1 second' where job = 'purge_history'")
    fleet.clock.advance("10 minutes")
    assert _notice(worker)["no_driver_for"] == 600
    # whichever job it begins with: the others are still due, and a beat must not open a second alert
    fleet.run("evaluate_alerts")
    assert len(_alerts(fleet)) == 1
    assert "due for 00:10:00" in _alerts(fleet)[0]["message"]
    assert _notice(worker)["no_driver_for"] == 600
    fleet.run_due_jobs()
    fleet.pass_time("10 seconds")
    assert _notice(worker) is None
    assert _alerts(fleet) == []
    assert len(fleet.view("alerts", code="no_driver")) == 1
    assert {row["event"] for row in fleet.view("alert_deliveries", code="no_driver")} == {"opened", "resolved"}


def test_jobs_that_only_a_program_can_do_may_wait(fleet: Fleet) -> None:
    """pg_cron is a driver for all others."""
    worker = fleet.register("fv-1")
    fleet.query("update {p}.job set next_run_at = {p}.now() - interval '1 hour' where runs_in = 'driver'")
    fleet.query("update {p}.job set next_run_at = {p}.now() - interval '1 hour', enabled = false where job = 'settle'")
    assert _notice(worker) is None
    assert _alerts(fleet) == []


def test_a_server_that_was_away_itself_blames_no_driver(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    _jobs_due_for(fleet, "1 hour")
    started = fleet.clock.now - timedelta(minutes=4)
    fleet.query(
        "create or replace function {p}.server_started_at() returns timestamptz language sql volatile "
        "as $$ select timestamptz '" + started.isoformat() + "' $$"
    )
    assert _notice(worker) is None
    fleet.clock.advance("1 minute")
    assert _notice(worker) == {"no_driver_for": 300}


def test_a_driver_that_is_connected_is_missing_only_at_a_second_beat(fleet: Fleet) -> None:
    """The clock may have gone forward, and the driver is about to say so; or it hangs."""
    worker = fleet.register("fv-1")
    fleet.run_due_jobs()
    with fleet.database.connect() as driver:
        driver.execute("set application_name = 'orchestrator:run one'")
        fleet.clock.step("1 hour")
        assert worker.beat(heartbeat_interval=30) == []
        assert _alerts(fleet) == []
        fleet.clock.step("6 seconds")
        worker.beat(heartbeat_interval=30)
        assert len(_alerts(fleet)) == 1
