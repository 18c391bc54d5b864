"""Alerts: opened while their condition holds, closed when it is over; one row from opening to closing."""

from datetime import timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from orchestrator.database import db
from tests.fleet import Fleet, Row, Worker, refused


def _evaluate(fleet: Fleet) -> Any:
    return fleet.run("evaluate_alerts")


def _open(fleet: Fleet) -> dict[str, Row]:
    return {row["code"]: row for row in fleet.view("alerts") if row["resolved_at"] is None}


def test_no_active_instance_for_ten_minutes_raises_a_critical_alert(fleet: Fleet) -> None:
    """Monitoring: no active instance for 10 minutes."""
    fleet.set("no_driver_alert", "1 day")  # jobs are run seldom here
    assert _evaluate(fleet) is None  # no instance was ever there: a system that is being set up
    worker = fleet.register("fv-1")
    fleet.pass_time("5 minutes")
    assert worker.status == "inactive"
    fleet.clock.advance("4 minutes 59 seconds")
    assert _evaluate(fleet) is None
    fleet.clock.advance("1 second")
    assert _evaluate(fleet) == {"opened": [{"code": "no_active_instance", "subject": ""}]}
    [alert] = fleet.view("alerts")
    assert (alert["severity"], alert["resolved_at"]) == ("critical", None)
    fleet.clock.advance("1 minute")
    assert _evaluate(fleet) is None  # it is open already
    assert len(fleet.view("alerts", code="no_active_instance")) == 1

    worker.beat()
    assert _evaluate(fleet) == {"closed": [{"code": "no_active_instance", "subject": ""}]}
    [alert] = fleet.view("alerts", code="no_active_instance")
    assert alert["resolved_at"] == fleet.clock.now


@pytest.mark.parametrize("status", ["active", "warning", "draining"])
def test_no_instance_is_active_when_all_are_silent_under_any_status(fleet: Fleet, status: str) -> None:
    """Nothing has marked them lost: their leases are long, or no driver ran."""
    fleet.set("max_lease", "2 hours")
    fleet.register("fv-1", lease="2 hours").beat()
    fleet.register("fv-2", lease="2 hours").beat()
    fleet.pass_time("9 minutes 50 seconds" if status == "warning" else "1 second")
    fleet.clock.advance("10 minutes" if status != "warning" else "10 seconds")
    if status == "draining":
        fleet.query("update {p}.instance set status = 'draining', status_event = 'drain'")
    assert {row["status"] for row in fleet.view("instances")} == {status}
    _evaluate(fleet)
    assert "no_active_instance" in _open(fleet)
    fleet.workers["fv-2"].beat()
    _evaluate(fleet)
    assert "no_active_instance" not in _open(fleet)


def test_a_server_that_was_away_itself_finds_none_missing_at_once(fleet: Fleet) -> None:
    fleet.register("fv-1").beat()
    fleet.clock.advance("1 hour")
    fleet.query(
        "create or replace function {p}.server_started_at() returns timestamptz language sql volatile "
        "as $$ select {p}.now() - interval '1 second' $$"
    )
    assert _evaluate(fleet) is None


def test_the_alert_stays_open_when_the_lost_instances_are_removed_at_last(fleet: Fleet) -> None:
    fleet.register("fv-1")
    fleet.pass_time("5 minutes")
    fleet.pass_time("10 minutes")
    assert "no_active_instance" in _open(fleet)
    fleet.pass_time("24 hours")
    assert fleet.instance("fv-1")["status"] == "removed"
    fleet.pass_time("10 seconds")
    assert len(fleet.view("alerts", code="no_active_instance")) == 1
    assert "no_active_instance" in _open(fleet)


def test_a_source_that_failed_three_times_in_a_row_raises_an_alert_of_its_own(fleet: Fleet) -> None:
    """Monitoring: source database lost."""
    for source in ("field", "other"):
        fleet.admin("add_source", source=source, conninfo="host=nowhere dbname=radio", table_name="streams")
    fleet.query("update {p}.source set enabled = false where source = 'manual'")
    fleet.query("update {p}.source set consecutive_failures = 2 where source = 'field'")
    assert _evaluate(fleet) is None
    fleet.query("update {p}.source set consecutive_failures = 3 where source = 'field'")
    assert _evaluate(fleet)["opened"] == [{"code": "source_lost", "subject": "field"}]
    fleet.clock.advance("1 minute")
    fleet.query("update {p}.source set consecutive_failures = 4")
    assert _evaluate(fleet)["opened"] == [{"code": "source_lost", "subject": "other"}]
    assert "4 times" in fleet.view("alerts", subject="field")[0]["message"]
    fleet.query("update {p}.source set consecutive_failures = 0 where source = 'field'")
    assert _evaluate(fleet)["closed"] == [{"code": "source_lost", "subject": "field"}]


def test_streams_that_wait_for_a_minute_raise_a_warning(fleet: Fleet) -> None:
    fleet.set("coverage_target", "0.5")  # they are not heard meanwhile
    fleet.add_streams(2)
    fleet.clock.advance("59 seconds")
    assert _evaluate(fleet) is None
    fleet.clock.advance("1 second")
    assert _evaluate(fleet)["opened"] == [{"code": "streams_waiting", "subject": ""}]
    assert _open(fleet)["streams_waiting"]["detail"]["waiting"] == 2
    fleet.start(10)
    assert _evaluate(fleet)["closed"] == [{"code": "streams_waiting", "subject": ""}]


def test_a_condition_that_returns_is_a_new_alert(fleet: Fleet) -> None:
    for _ in range(2):
        fleet.query("update {p}.source set enabled = true, consecutive_failures = 3")
        assert _evaluate(fleet)["opened"]
        fleet.query("update {p}.source set consecutive_failures = 0")
        assert _evaluate(fleet)["closed"]
    assert len(fleet.view("alerts")) == 2


def test_an_opened_alert_is_told_by_the_job_although_time_goes_on_while_it_runs(fleet: Fleet) -> None:
    """The other tests' time stands still; the real clock moves between two looks at it."""
    fleet.query("create sequence {p}.tick")
    fleet.query("grant usage on sequence {p}.tick to public")
    fleet.query(
        "create or replace function {p}.now() returns timestamptz language sql volatile security definer "
        "set search_path = pg_catalog, pg_temp as $$ "
        "select timestamptz '2026-03-01 12:00:05+00' + interval '1 microsecond' * nextval('{p}.tick') $$"
    )
    fleet.query("update {p}.source set consecutive_failures = 3")
    assert _evaluate(fleet) == {"opened": [{"code": "source_lost", "subject": "manual"}]}


def _events(fleet: Fleet, code: str) -> list[tuple[str, int]]:
    """What the log was to be told of an alert, in order."""
    rows = db.view(
        fleet.admin_conn, "alert_deliveries", where={"code": code, "target": "log"}, order_by=["happened_at", "event"]
    )
    return [(row["event"], row["event_number"]) for row in rows]


def _codes(result: Any, event: str) -> list[str]:
    return [
        alert["code"] + (":" + alert["subject"] if alert["subject"] else "") for alert in (result or {}).get(event, [])
    ]


def _work(fleet: Fleet, minutes: int, **work: tuple[int, int]) -> None:
    """Each worker does so many pieces of work a minute, so many of which fail; the job runs every ten seconds."""
    for _ in range(minutes):
        for name, (done, failed) in work.items():
            row = fleet.instance(name.replace("_", "-"))
            fleet.workers[row["instance_id"]].beat(
                processed_count=(row["processed_count"] or 0) + done - failed,
                error_count=(row["error_count"] or 0) + failed,
            )
        for _ in range(6):
            fleet.clock.advance("10 seconds")
            _evaluate(fleet)


# -- each kind of alert: opened once, updated, resolved ----------------------------------------------------------------


def test_an_error_rate_over_five_percent_raises_a_warning_for_the_instance_and_for_the_fleet(fleet: Fleet) -> None:
    """Monitoring: error rate over 5 %."""
    fleet.set("no_driver_alert", "1 day")
    fleet.register("fv-1")
    fleet.register("fv-2")
    _work(fleet, 7, fv_1=(100, 5), fv_2=(100, 0))
    assert _open(fleet) == {}  # 5 % is not more
    _work(fleet, 7, fv_1=(100, 6), fv_2=(100, 0))
    assert [alert["subject"] for alert in fleet.view("alerts")] == ["fv-1"]
    assert "6.0%" in _open(fleet)["error_rate"]["message"]
    _work(fleet, 7, fv_1=(100, 20), fv_2=(100, 0))
    assert {alert["subject"] for alert in fleet.view("alerts", resolved_at=None)} == {"fv-1", ""}
    assert "20.0%" in fleet.view("alerts", subject="fv-1")[0]["message"]  # updated
    _work(fleet, 7, fv_1=(1000, 45), fv_2=(100, 0))  # 4.5 % and 4.1 %: below 5, not below 4
    assert {alert["subject"] for alert in fleet.view("alerts", resolved_at=None)} == {"fv-1", ""}
    _work(fleet, 7, fv_1=(1000, 39), fv_2=(100, 0))
    assert _open(fleet) == {}
    assert len(fleet.view("alerts")) == 2


def test_little_work_is_no_rate(fleet: Fleet) -> None:
    fleet.set("no_driver_alert", "1 day")
    fleet.register("fv-1")
    _work(fleet, 7, fv_1=(3, 3))
    assert _open(fleet) == {}  # four steps of a minute, three pieces each
    _work(fleet, 7, fv_1=(6, 6))
    assert "error_rate" in _open(fleet)


@pytest.mark.parametrize(("pieces", "told"), [(19, False), (20, True)])
def test_twenty_pieces_of_work_are_enough_for_a_rate(fleet: Fleet, pieces: int, told: bool) -> None:
    fleet.set("no_driver_alert", "1 day")
    worker = fleet.register("fv-1")
    worker.beat(processed_count=100, error_count=0)
    _evaluate(fleet)
    worker.beat(processed_count=100, error_count=pieces)
    fleet.clock.advance("1 minute")
    _evaluate(fleet)
    assert ("error_rate" in _open(fleet)) == told


def test_a_process_that_counts_from_nothing_again_has_done_what_it_counts(fleet: Fleet) -> None:
    """Counters that went back are no negative work: here a new process each minute, a fifth of whose work fails."""
    fleet.set("no_driver_alert", "1 day")
    worker = fleet.register("fv-1")
    worker.beat(processed_count=100_000, error_count=50_000)
    _evaluate(fleet)
    for failed in range(27, 20, -1):
        worker.beat(processed_count=4 * failed, error_count=failed)
        for _ in range(6):
            fleet.clock.advance("10 seconds")
            _evaluate(fleet)
    assert "20.0%" in _open(fleet)["error_rate"]["message"]


def test_samples_are_taken_once_a_minute_and_kept_for_an_hour(fleet: Fleet) -> None:
    fleet.set("no_driver_alert", "1 day")
    fleet.set("max_lease", "3 hours")
    fleet.register("fv-1", lease="3 hours")
    for _ in range(400):
        fleet.clock.advance("10 seconds")
        _evaluate(fleet)
    assert fleet.value("select count(*) from {p}.activity_sample") in (60, 61)


def test_memory_over_ninety_percent_raises_a_warning(fleet: Fleet) -> None:
    """Monitoring: memory over 90 %."""
    worker = fleet.register("fv-1")
    worker.beat(memory_usage=90)
    assert _evaluate(fleet) is None
    worker.beat(memory_usage=91)
    assert _codes(_evaluate(fleet), "opened") == ["memory:fv-1"]
    worker.beat(memory_usage=95)
    assert _evaluate(fleet) is None
    assert "95%" in _open(fleet)["memory"]["message"]
    worker.beat(memory_usage=86)
    assert _evaluate(fleet) is None  # not yet five below it
    worker.beat(memory_usage=85)
    assert _codes(_evaluate(fleet), "closed") == ["memory:fv-1"]
    worker.beat(memory_usage=99)
    _evaluate(fleet)
    worker.call("deregister_instance")
    assert _codes(_evaluate(fleet), "closed") == ["memory:fv-1"]  # its memory does not matter any more


def _failing(fleet: Fleet, worker: Worker, consecutive: int, *, over: bool = False, ago: int = 0) -> None:
    failure = {"message": "timed out", "consecutive": consecutive, "over": over, "first_ago": ago, "last_ago": ago}
    worker.call("report_failures", failures=Jsonb([failure]))


def test_more_than_five_failures_in_a_row_raise_a_critical_alert_at_once(fleet: Fleet) -> None:
    """R4.2"""
    worker = fleet.register("fv-1")
    _failing(fleet, worker, 5)
    assert _evaluate(fleet) is None
    _failing(fleet, worker, 6)
    alert = _open(fleet)["consecutive_failures"]
    assert (alert["subject"], alert["severity"], alert["opened_at"]) == ("fv-1", "critical", fleet.clock.now)
    assert _evaluate(fleet) is None
    _failing(fleet, worker, 8)
    _evaluate(fleet)
    assert "8 times" in _open(fleet)["consecutive_failures"]["message"]
    _failing(fleet, worker, 8, over=True)
    fleet.clock.advance("1 second")
    assert _codes(_evaluate(fleet), "closed") == ["consecutive_failures:fv-1"]
    assert _events(fleet, "consecutive_failures") == [("opened", 0), ("resolved", 0)]


def test_failures_in_a_row_that_are_told_when_they_are_over_raise_the_alert_with_their_times(fleet: Fleet) -> None:
    """R4.2: the database itself was what could not be reached."""
    worker = fleet.register("fv-1")
    failure = {"message": "no route", "consecutive": 7, "count": 7, "over": True, "first_ago": 300, "last_ago": 20}
    worker.call("report_failures", failures=Jsonb([failure]))
    alert = _open(fleet)["consecutive_failures"]
    assert alert["detail"]["began_at"] == (fleet.clock.now - timedelta(minutes=5)).isoformat()
    assert alert["detail"]["ended_at"] == fleet.clock.now.isoformat()
    assert alert["detail"]["last_error"]["message"] == "no route"
    fleet.clock.advance("10 seconds")
    assert _codes(_evaluate(fleet), "closed") == ["consecutive_failures:fv-1"]
    claimed = fleet.admin("claim_alert_deliveries", targets=["log"])
    assert [row["event"] for row in claimed] == ["opened", "resolved"]


def test_a_reporter_that_says_nothing_more_does_not_keep_its_alert_open(fleet: Fleet) -> None:
    failure = {"message": "timed out", "consecutive": 9}
    fleet.one("record_failures", reporter="driver:gone", failures=Jsonb([failure]))
    fleet.clock.advance("9 minutes 59 seconds")
    _evaluate(fleet)
    assert "consecutive_failures" in _open(fleet)
    fleet.clock.advance("1 second")
    assert _codes(_evaluate(fleet), "closed") == ["consecutive_failures:driver:gone"]


def test_recovery_mode_raises_a_warning(fleet: Fleet) -> None:
    """R4.3"""
    fleet.one("record_failures", reporter="driver:one", failures=Jsonb([{"message": "timed out", "count": 11}]))
    fleet.run("watch_recovery")
    assert _codes(_evaluate(fleet), "opened") == ["recovery_mode"]
    alert = _open(fleet)["recovery_mode"]
    assert (alert["severity"], alert["detail"]["failures"]) == ("warning", 11)
    assert alert["detail"]["reporters"] == {"driver:one": 11}
    fleet.one("end_recovery")
    assert _codes(_evaluate(fleet), "closed") == ["recovery_mode"]


def test_a_job_that_fails_three_times_in_a_row_raises_an_alert_that_grows_worse(fleet: Fleet) -> None:
    def fail(times: int) -> Any:
        fleet.query(
            "update {p}.job set consecutive_failures = %s, last_result = %s where job = 'settle'",
            times,
            Jsonb({"message": "password=hunter2 is wrong"}),
        )
        fleet.clock.advance("1 second")
        return _evaluate(fleet)

    assert fail(2) is None
    assert _codes(fail(3), "opened") == ["job_failing:settle"]
    alert = _open(fleet)["job_failing"]
    assert alert["severity"] == "warning"
    assert "hunter2" not in str(alert)
    assert fail(9) is None
    assert "9 times" in _open(fleet)["job_failing"]["message"]
    assert _codes(fail(10), "escalated") == ["job_failing:settle"]
    assert fail(11) is None
    assert fail(3) is None
    assert _open(fleet)["job_failing"]["severity"] == "critical"  # as bad as it was, until it is over
    assert fail(10) is None
    assert _codes(fail(0), "closed") == ["job_failing:settle"]
    assert _events(fleet, "job_failing") == [("opened", 0), ("escalated", 3), ("resolved", 0)]


def test_a_target_for_what_is_critical_hears_of_an_alert_when_it_has_become_so(fleet: Fleet) -> None:
    fleet.one("set_alert_target", target="phone", minimum_severity="critical")
    for times in (3, 10, 0):
        fleet.query("update {p}.job set consecutive_failures = %s where job = 'settle'", times)
        fleet.clock.advance("1 second")
        _evaluate(fleet)
    told = fleet.admin("claim_alert_deliveries", targets=["phone"])
    assert [row["event"] for row in told] == ["escalated", "resolved"]


def test_who_has_not_heard_of_an_alert_does_not_hear_that_it_is_over(fleet: Fleet) -> None:
    fleet.one("set_alert_target", target="phone", minimum_severity="critical")
    fleet.register("fv-1").beat(memory_usage=95)
    _evaluate(fleet)
    fleet.workers["fv-1"].beat(memory_usage=1)
    _evaluate(fleet)
    assert fleet.view("alert_deliveries", target="phone") == []
    assert _events(fleet, "memory") == [("opened", 0), ("resolved", 0)]


def test_a_station_that_fails_everywhere_raises_a_warning_of_its_own(fleet: Fleet) -> None:
    first, second = fleet.add_streams(2)
    for stream_id in (first, second):
        fleet.query(
            "insert into {p}.station_fault (stream_id, found_at, last_failed_at, evidence) "
            "values (%s, {p}.now(), {p}.now(), '{{}}')",
            stream_id,
        )
    assert _codes(_evaluate(fleet), "opened") == [f"station_failing:{first}", f"station_failing:{second}"]
    assert _evaluate(fleet) is None
    fleet.query("delete from {p}.station_fault where stream_id = %s", first)
    assert _codes(_evaluate(fleet), "closed") == [f"station_failing:{first}"]


def test_an_instance_on_probation_raises_a_warning(fleet: Fleet) -> None:
    fleet.register("fv-1")
    fleet.query("update {p}.instance set probation_until = {p}.now() + interval '1 minute', crashes = 4")
    assert _codes(_evaluate(fleet), "opened") == ["instance_on_probation:fv-1"]
    assert _open(fleet)["instance_on_probation"]["detail"]["crashes"] == 4
    fleet.clock.advance("1 minute")
    assert _codes(_evaluate(fleet), "closed") == ["instance_on_probation:fv-1"]


# -- who is told, and when ---------------------------------------------------------------------------------------------


def test_reminders_of_an_alert_go_on_until_it_is_acknowledged(fleet: Fleet) -> None:
    fleet.set("no_driver_alert", "1 day")
    fleet.query("update {p}.source set consecutive_failures = 3")
    _evaluate(fleet)
    fleet.clock.advance("59 minutes 59 seconds")
    assert _evaluate(fleet) is None
    fleet.clock.advance("1 second")
    assert _codes(_evaluate(fleet), "reminded") == ["source_lost:manual"]
    assert _evaluate(fleet) is None
    fleet.clock.advance("1 hour")
    assert _codes(_evaluate(fleet), "reminded") == ["source_lost:manual"]
    fleet.one("acknowledge_alert", alert_id=_open(fleet)["source_lost"]["alert_id"])
    fleet.clock.advance("10 hours")
    assert _evaluate(fleet) is None
    assert _events(fleet, "source_lost") == [("opened", 0), ("reminded", 1), ("reminded", 2)]


def _make_a_condition(fleet: Fleet, severity: str, where: str = "true") -> None:
    """Something is wrong that no one thought of."""
    fleet.query(
        "create or replace function {p}.recovery_is_on() "
        "returns table (code text, subject text, severity text, message text, detail jsonb) language sql as $$ "
        f"select 'oddity', '', '{severity}', 'it is odd', '{{{{}}}}'::jsonb where {where} $$"
    )


def test_no_reminder_of_what_is_only_information(fleet: Fleet) -> None:
    fleet.set("no_driver_alert", "1 day")
    _make_a_condition(fleet, "info")
    assert _codes(_evaluate(fleet), "opened") == ["oddity"]
    fleet.clock.advance("2 hours")
    assert _evaluate(fleet) is None


def test_what_others_open_while_the_job_looks_is_not_closed_for_not_having_been_seen(fleet: Fleet) -> None:
    """The conditions are looked at after the open alerts, and only those are closed."""
    fleet.query(
        "create function {p}.open_one() returns boolean language sql as $$ "
        "select {p}.open_alert('opened meanwhile', '', 'critical', 'm', '{{}}'); select false $$"
    )
    _make_a_condition(fleet, "info", "{p}.open_one()")
    assert _evaluate(fleet) is None
    assert "opened meanwhile" in _open(fleet)


def test_an_operator_acknowledges_an_alert(fleet: Fleet) -> None:
    fleet.query("update {p}.source set consecutive_failures = 3")
    _evaluate(fleet)
    alert_id = fleet.view("alerts")[0]["alert_id"]
    first = fleet.one("acknowledge_alert", alert_id=alert_id)
    assert first["acknowledged_at"] == fleet.clock.now
    fleet.clock.advance("1 hour")
    assert fleet.one("acknowledge_alert", alert_id=alert_id) == first  # the first one counts
    for unknown in (999, None):
        with refused("OR107"):
            fleet.admin("acknowledge_alert", alert_id=unknown)
