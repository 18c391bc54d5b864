"""Alerts: opened while their condition holds, closed when it is over; one row from opening to closing."""

from typing import Any

from tests.sql.fleet import Fleet, Row, refused


def _evaluate(fleet: Fleet) -> Any:
    return fleet.run("evaluate_alerts")


def _open(fleet: Fleet) -> dict[str, Row]:
    return {row["code"]: row for row in fleet.view("alerts") if row["resolved_at"] is None}


def test_no_active_instance_for_ten_minutes_raises_a_critical_alert(fleet: Fleet) -> None:
    """Monitoring: no active instance for 10 minutes."""
    assert _evaluate(fleet) is None  # nobody was ever there: a system that is being set up
    worker = fleet.register("fv-1")
    fleet.pass_time("5 minutes")
    assert worker.status == "inactive"
    fleet.clock.advance("9 minutes 59 seconds")
    assert _evaluate(fleet) is None
    fleet.clock.advance("1 second")
    assert _evaluate(fleet) == {"opened": [{"code": "no_active_instance", "subject": ""}]}
    [alert] = fleet.view("alerts")
    assert (alert["severity"], alert["resolved_at"]) == ("critical", None)
    fleet.clock.advance("1 minute")
    assert _evaluate(fleet) is None  # it is open already
    assert len(fleet.view("alerts")) == 1

    worker.beat()
    assert _evaluate(fleet) == {"closed": [{"code": "no_active_instance", "subject": ""}]}
    [alert] = fleet.view("alerts")
    assert alert["resolved_at"] == fleet.clock.now


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
        "select timestamptz '2026-03-01 13:00:00+00' + interval '1 microsecond' * nextval('{p}.tick') $$"
    )
    fleet.query("update {p}.source set consecutive_failures = 3")
    assert _evaluate(fleet) == {"opened": [{"code": "source_lost", "subject": "manual"}]}


def test_alerts_are_delivered_when_opened_and_when_closed(fleet: Fleet) -> None:
    fleet.query("update {p}.source set consecutive_failures = 3")
    _evaluate(fleet)
    [alert] = fleet.admin("alerts_to_deliver")
    assert (alert["code"], alert["resolved_at"]) == ("source_lost", None)
    fleet.clock.advance("1 second")
    [row] = fleet.admin("mark_alert_delivered", alert_id=alert["alert_id"])
    assert row["delivered_at"] == fleet.clock.now
    assert fleet.admin("alerts_to_deliver") == []
    fleet.query("update {p}.source set consecutive_failures = 0")
    fleet.clock.advance("1 second")
    _evaluate(fleet)
    [closed] = fleet.admin("alerts_to_deliver")
    assert (closed["alert_id"], closed["resolved_at"]) == (alert["alert_id"], fleet.clock.now)
    fleet.clock.advance("1 second")
    fleet.admin("mark_alert_delivered", alert_id=alert["alert_id"])
    assert fleet.admin("alerts_to_deliver") == []


def test_somebody_says_that_he_has_seen_an_alert(fleet: Fleet) -> None:
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


def test_an_alert_that_is_not_there_cannot_be_delivered(fleet: Fleet) -> None:
    with refused("OR107"):
        fleet.admin("mark_alert_delivered", alert_id=99)
