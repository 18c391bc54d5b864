"""One id from the log line to the message on a phone."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.database import db
from tests.alerts.receivers import Webhook
from tests.driver.conftest import StartDriver
from tests.driver.processes import ORCHESTRATOR, wait_until
from tests.support import Database

pytestmark = pytest.mark.slow


def test_the_id_of_a_loss_is_the_same_in_the_log_the_decision_the_alert_and_the_message(
    database: Database, start_driver: StartDriver, webhook: Webhook, tmp_path: Path
) -> None:
    conn = database.connect()
    for name, value in (("disconnect_grace", "0 s"), ("restart_grace", "0 s"), ("alert_message_interval", "0 s")):
        db.call(conn, "set_setting", name=name, value=value)
    for job in ("evaluate_alerts", "deliver_alerts"):
        db.call(conn, "schedule_job", job=job, schedule="1 second")
    # less than may be set, but longer than the loss takes
    conn.execute(f"update {database.names.private}.setting set value = '4 s' where name = 'no_instance_alert'")
    db.call(conn, "set_alert_target", target="ops")
    db.call(conn, "add_stream", url="http://radio.example.org/1")
    driver = start_driver(ORCHESTRATOR_ALERT_URL_OPS=webhook.url)
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "worker_shim", "run", "--instance-id", "fv-1", "--max-streams", "5"),
            *("--exec", "sleep 600", "--dsn", database.dsn, "--schema", database.names.api),
        ],
        stderr=(tmp_path / "worker.log").open("w"),
    )
    try:
        wait_until(lambda: db.view(conn, "streams", where={"state": "running"}), what="the worker works")
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()

    line = driver.wait_for_line(event="job", job="watch_instances", lost="fv-1")
    event_id = line["event_id"]
    wait_until(lambda: webhook.told(event_id), what="the webhook is told")

    [decision] = db.view(conn, "decisions", where={"event_id": event_id})
    assert decision["detail"]["instances"] == ["fv-1"]
    [alert] = db.view(conn, "alerts", where={"code": "no_active_instance"})
    assert str(alert["event_id"]) == event_id
    assert driver.wait_for_line(event="alert", code="no_active_instance")["event_id"] == event_id
    told = subprocess.run(
        [ORCHESTRATOR, "event", event_id[:8], "--dsn", database.dsn, "--schema", database.names.api, "--json"],
        capture_output=True,
        check=True,
    )
    story = [(row["kind"], row["what"]) for row in json.loads(told.stdout)]
    assert story[:3] == [("job run", "watch_instances"), ("decision", "session lost"), ("alert", "no_active_instance")]
    assert ("delivery", "opened") in story[3:]
