"""Alerts on their way: real drivers, a real webhook, and how each of them can fail. No event is told twice."""

import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from psycopg.types.json import Jsonb
from structlog.testing import capture_logs

from orchestrator.alerts.delivery import Delivery
from orchestrator.database import db
from orchestrator.errors import DatabaseError
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_server
from tests.alerts.conftest import OpenAlert
from tests.alerts.receivers import TOKEN, Webhook
from tests.driver.conftest import Jobs, StartDriver
from tests.driver.processes import DriverProcess, wait_until
from tests.support import Database


@pytest.fixture
def ops(jobs: Jobs) -> str:
    """A target beside the log."""
    db.call(jobs.conn, "set_alert_target", target="ops")
    return "ops"


def states(conn: db.Connection, target: str = "ops") -> dict[tuple[str, str], str]:
    """(subject, event) → state."""
    rows = db.view(conn, "alert_deliveries", where={"target": target})
    return {(row["subject"], row["event"]): row["state"] for row in rows}


def test_the_log_tells_each_event_with_all_that_is_known(
    jobs: Jobs, start_driver: StartDriver, open_alert: OpenAlert
) -> None:
    jobs.execute('update {private}.source set consecutive_failures = 3, last_error = \'{{"message": "no answer"}}\'')
    db.call(jobs.conn, "request_job", job="evaluate_alerts")
    driver = start_driver()
    driver.wait_for_line(event="job", job="evaluate_alerts")
    db.call(jobs.conn, "request_job", job="deliver_alerts")

    line = driver.wait_for_line(event="alert")
    assert (line["category"], line["level"], line["code"], line["subject"]) == (
        "ERROR",
        "error",
        "source_lost",
        "manual",
    )
    assert line["detail"]["last_error"] == {"message": "no answer"}
    wait_until(lambda: states(jobs.conn, "log") == {("manual", "opened"): "sent"})
    jobs.execute("update {private}.source set consecutive_failures = 0")
    db.call(jobs.conn, "request_job", job="evaluate_alerts")
    wait_until(lambda: ("manual", "resolved") in states(jobs.conn, "log"))
    db.call(jobs.conn, "request_job", job="deliver_alerts")
    driver.wait_for_line(event="alert resolved", code="source_lost")
    assert len(driver.lines(event="alert")) == 1


def test_what_happens_together_goes_out_together_and_once(
    jobs: Jobs, start_driver: StartDriver, open_alert: OpenAlert, ops: str, webhook: Webhook
) -> None:
    for subject in ("first", "second", "third"):
        open_alert(subject)

    driver = start_driver(ORCHESTRATOR_ALERT_URL_OPS=webhook.url)

    wait_until(lambda: set(states(jobs.conn).values()) == {"sent"})
    assert len(webhook.messages) == 1
    assert [webhook.told(f"of {subject},") for subject in ("first", "second", "third")] == [1, 1, 1]
    assert db.view(jobs.conn, "alert_targets", where={"target": ops})[0]["last_sent_at"]
    assert TOKEN not in driver.log.read_text()


def test_a_target_that_refuses_is_told_again_later_and_its_failure_is_on_record(
    jobs: Jobs, start_driver: StartDriver, open_alert: OpenAlert, ops: str, webhook: Webhook
) -> None:
    """R5.4"""
    webhook.behaviour = "refuse"
    open_alert("prod")
    driver = start_driver(ORCHESTRATOR_ALERT_URL_OPS=webhook.url)

    driver.wait_for_line(event="alert not delivered", target=ops, outcome="refused")
    [row] = wait_until(lambda: db.view(jobs.conn, "alert_targets", where={"target": ops, "consecutive_failures": 1}))
    assert "500" in row["last_error"]["message"]
    assert row["retry_at"] is not None
    assert states(jobs.conn) == {("prod", "opened"): "pending"}

    webhook.behaviour = "answer"
    db.call(jobs.conn, "set_alert_target", target=ops)  # now, instead of after its pause
    db.call(jobs.conn, "request_job", job="deliver_alerts")

    wait_until(lambda: states(jobs.conn) == {("prod", "opened"): "sent"})
    assert webhook.told("of prod,") == 2  # refused once, taken once
    [row] = db.view(jobs.conn, "alert_targets", where={"target": ops})
    assert (row["consecutive_failures"], row["last_error"]) == (0, None)
    driver.wait_for_line(event="breaker", dependency="alert target ops", state="closed")
    assert len(driver.lines(event="breaker", dependency="alert target ops", state="open")) == 1
    assert (
        TOKEN not in f"{driver.log.read_text()} {db.view(jobs.conn, 'job_runs')} {db.view(jobs.conn, 'alert_targets')}"
    )


def test_a_target_that_says_nothing_holds_up_neither_the_others_nor_the_jobs(
    jobs: Jobs, start_driver: StartDriver, open_alert: OpenAlert, ops: str, webhook: Webhook
) -> None:
    """R5.4"""
    db.call(jobs.conn, "set_alert_target", target="good")
    jobs.add("good_job", schedule="1 second")
    webhook.behaviour = "hang"
    with Webhook().running() as good:
        open_alert("first")
        driver = start_driver(ORCHESTRATOR_ALERT_URL_OPS=webhook.url, ORCHESTRATOR_ALERT_URL_GOOD=good.url)
        wait_until(lambda: webhook.messages, what="the silent one was asked")

        for subject in ("second", "third"):
            open_alert(subject)
            wait_until(partial(good.told, f"of {subject},"), what=f"{subject} is told elsewhere")

        wait_until(lambda: driver.lines(event="alert", subject="third"), what="third is in the log, too")
        runs = partial(db.view, jobs.conn, "job_runs", where={"job": "deliver_alerts", "outcome": "done"})
        assert ["ops"] in [run["result"].get("waiting_for") for run in runs()], "a run of the job did not wait for it"
        ran = jobs.ran("good_job")
        wait_until(lambda: jobs.ran("good_job") > ran)
        assert states(jobs.conn)["first", "opened"] == "sending"
        assert states(jobs.conn)["third", "opened"] == "pending"
        webhook.go_on()
        wait_until(lambda: states(jobs.conn)["first", "opened"] == "sent")
        db.call(jobs.conn, "request_job", job="deliver_alerts")
        wait_until(lambda: set(states(jobs.conn).values()) == {"sent"})
    assert [webhook.told(f"of {subject},") for subject in ("first", "second", "third")] == [1, 1, 1]


@pytest.mark.parametrize("behaviour", ["hang", "die"])
def test_what_went_out_without_an_answer_is_unknown_and_not_told_twice(
    jobs: Jobs, start_driver: StartDriver, open_alert: OpenAlert, ops: str, webhook: Webhook, behaviour: Any
) -> None:
    webhook.behaviour = behaviour
    open_alert("prod")

    driver = start_driver(ORCHESTRATOR_ALERT_URL_OPS=f"{webhook.url}?rto=1")

    wait_until(lambda: states(jobs.conn) == {("prod", "opened"): "unknown"})
    [row] = db.view(jobs.conn, "alert_targets", where={"target": ops})
    assert row["consecutive_failures"] == 1
    assert row["last_error"]["message"]
    webhook.go_on()
    db.call(jobs.conn, "set_alert_target", target=ops)
    open_alert("after")
    wait_until(lambda: states(jobs.conn)["after", "opened"] == "sent")
    assert webhook.told("of prod,") == 1
    assert TOKEN not in driver.log.read_text()


def test_a_driver_killed_while_sending_leaves_it_unknown_and_no_other_tells_it_again(
    jobs: Jobs, start_driver: StartDriver, open_alert: OpenAlert, ops: str, webhook: Webhook
) -> None:
    webhook.behaviour = "hang"
    open_alert("prod")
    victim = start_driver(ORCHESTRATOR_ALERT_URL_OPS=webhook.url)
    wait_until(lambda: webhook.messages, what="it is being sent")

    victim.send(signal.SIGKILL)
    victim.wait()
    webhook.go_on()
    start_driver(ORCHESTRATOR_ALERT_URL_OPS=webhook.url)
    jobs.execute("update {private}.alert_delivery set changed_at = changed_at - interval '3 minutes'")
    jobs.execute("update {private}.job set claimed_until = {private}.now() where claimed_until is not null")
    open_alert("after")

    wait_until(lambda: states(jobs.conn).get(("after", "opened")) == "sent")
    assert states(jobs.conn)["prod", "opened"] == "unknown"
    assert webhook.told("of prod,") == 1


def test_two_drivers_tell_each_event_once(
    jobs: Jobs, start_driver: StartDriver, open_alert: OpenAlert, ops: str, webhook: Webhook
) -> None:
    drivers = [start_driver(ORCHESTRATOR_ALERT_URL_OPS=webhook.url) for _ in range(2)]
    for driver in drivers:
        driver.wait_for_line(event="connected")
    subjects = [f"subject-{number}" for number in range(6)]

    for subject in subjects:
        open_alert(subject)
        wait_until(partial(webhook.told, f"of {subject},"))

    wait_until(lambda: set(states(jobs.conn).values()) == {"sent"})
    assert [webhook.told(f"of {subject},") for subject in subjects] == [1] * len(subjects)
    assert sum(len(driver.lines(event="alert")) for driver in drivers) == len(subjects)


def test_a_database_that_restarts_between_sending_and_marking_is_told_the_end_later(
    webhook: Webhook, tmp_path: Path
) -> None:
    webhook.behaviour = "hang"
    with temporary_server(settings={"fsync": "off"}) as server:
        migrate(server.dsn(), "orchestrator")
        with db.connect(server.dsn(), application_name="test") as conn:
            db.call(conn, "set_alert_target", target="ops")
            opened = ("source_lost", "prod", "critical", "the source is lost", Jsonb({}))
            conn.execute("select orchestrator_private.open_alert(%s, %s, %s, %s, %s)", opened)
        driver = DriverProcess(
            server.dsn(),
            "orchestrator",
            tmp_path / "driver.log",
            environment={"ORCHESTRATOR_ALERT_URL_OPS": webhook.url},
        )
        try:
            wait_until(lambda: webhook.messages, what="it is being sent")
            server.stop(immediate=True)
            webhook.go_on()
            driver.wait_for_line(event="trying again", category="DATABASE")
            server.start()
            wait_until(lambda: len(driver.lines(event="connected")) == 2, seconds=60, what="it is back")
            with db.connect(server.dsn(), application_name="test") as conn:
                wait_until(lambda: states(conn)["prod", "opened"] == "sent", seconds=60)
        finally:
            driver.end()
    assert webhook.told("opened: the source is lost") == 1


def test_what_was_sent_counts_as_sent_though_its_end_cannot_be_recorded(
    database: Database, jobs: Jobs, open_alert: OpenAlert
) -> None:
    """It is not sent again; within two minutes it is unknown."""
    for subject in ("first", "second"):
        open_alert(subject)

    def connect() -> db.Connection:
        raise DatabaseError("permission denied", code="42501")

    delivery = Delivery({}, fleet="test", driver="test", connect=connect, network_timeout=lambda: 5.0)
    with capture_logs() as logs:
        result = delivery.deliver(jobs.conn)
    delivery.close()

    assert result == {"sent": 2}
    [line] = [line for line in logs if line["event"] == "delivery not recorded"]
    assert (line["target"], line["outcome"], line["message"]) == ("log", "sent", "permission denied")
    assert delivery.deliver(jobs.conn) is None


def test_a_driver_claims_only_what_it_has_an_address_for(
    jobs: Jobs, start_driver: StartDriver, open_alert: OpenAlert, ops: str
) -> None:
    open_alert("prod")

    driver = start_driver(ORCHESTRATOR_ALERT_URL_BROKEN=f"nonsense://{TOKEN}")

    line = driver.wait_for_line(event="alert target cannot be used", target="broken")
    assert "ORCHESTRATOR_ALERT_URL_BROKEN" in str(line["detail"])
    wait_until(lambda: states(jobs.conn, "log") == {("prod", "opened"): "sent"})
    assert states(jobs.conn) == {("prod", "opened"): "pending"}
    assert TOKEN not in driver.log.read_text()


def test_a_driver_that_is_asked_to_stop_waits_for_the_answer(
    jobs: Jobs, start_driver: StartDriver, open_alert: OpenAlert, ops: str, webhook: Webhook
) -> None:
    webhook.behaviour = "hang"
    open_alert("prod")
    driver = start_driver(ORCHESTRATOR_ALERT_URL_OPS=webhook.url)
    wait_until(lambda: webhook.messages)

    driver.send(signal.SIGTERM)
    driver.wait_for_line(event="stopping after the present job")
    webhook.go_on()

    assert driver.wait() == 0
    assert states(jobs.conn) == {("prod", "opened"): "sent"}
