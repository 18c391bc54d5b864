"""R6.2: what runs by itself, and does not."""

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from orchestrator.database import db
from orchestrator.errors import OrchestratorError
from orchestrator.sources.sync import sync
from tests.fleet import Fleet
from tests.sql.diagnose.diagnosis import Diagnosis, run_command
from tests.support import Database

DRIVEN = ("no_driver", "job_overdue", "job_never_run")


@contextmanager
def _running(command: str, database: Database) -> Iterator[None]:
    """A repair that runs until it is ended, exactly as given, on this database."""
    program, *arguments = shlex.split(command)
    environment = {"ORCHESTRATOR_DSN": database.dsn, "PATH": str(Path(sys.executable).parent)}
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name(program)), *arguments], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_gone(conn: db.Connection, *codes: str) -> None:
    for _ in range(300):
        if not {row["code"] for row in db.call(conn, "diagnose")} & set(codes):
            return
        time.sleep(0.1)
    raise AssertionError(f"{codes} stay")


def test_that_no_driver_runs_is_found_until_one_is_started(database: Database) -> None:
    """R6.2, R4: by the real clock; the repair is a driver."""
    conn = database.connect()
    db.call(conn, "run_due_jobs")
    assert "no_driver" not in [row["code"] for row in db.call(conn, "diagnose")]
    conn.execute(
        f"update {database.names.private}.job "
        "set next_run_at = now() - interval '1 minute', last_started_at = now() - interval '31 seconds'"
    )
    [finding] = [
        row for row in db.call(conn, "diagnose") if row["code"] in ("no_driver", "job_overdue", "job_never_run")
    ]
    assert (finding["severity"], finding["code"]) == ("critical", "no_driver")
    with _running(finding["repair"], database):
        _wait_until_gone(conn, *DRIVEN)


def test_a_job_that_only_drivers_run_is_found_where_none_is(database: Database) -> None:
    """R6.2: pg_cron and psql run the others."""
    conn = database.connect()
    conn.execute(f"update {database.names.private}.job set next_run_at = now() - interval '1 minute'")
    db.call(conn, "run_due_jobs")
    found = {row["subject"]: row for row in db.call(conn, "diagnose") if row["code"] == "job_never_run"}
    assert found.keys() == {"job sync_source", "job deliver_alerts"}, "the others only where they are wanted"
    with _running(found["job sync_source"]["repair"], database):
        _wait_until_gone(conn, *DRIVEN)


def test_a_job_that_is_overdue_while_others_run_is_run(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: its driver died in the middle of it."""
    fleet.query(
        "update {p}.job set next_run_at = {p}.now(), claimed_by = 'dead', claimed_until = {p}.now() + '20 seconds' "
        "where job = 'settle'"
    )
    fleet.clock.advance("50 seconds")
    fleet.query(
        "update {p}.job set next_run_at = {p}.now() + '1 second', last_started_at = {p}.now() where job <> 'settle'"
    )
    diagnosis.sees_no("job_overdue")
    fleet.clock.advance("1 second")
    fleet.query(
        "update {p}.job set next_run_at = {p}.now() + '1 second', last_started_at = {p}.now() where job <> 'settle'"
    )
    finding = diagnosis.cures("job_overdue", "job settle")
    assert finding["severity"] == "critical"
    assert finding["evidence"]["claimed_by"] == "dead"


def test_a_job_whose_function_is_gone_is_repaired_by_migrating(database: Database) -> None:
    """R6.2: by the real clock, which a migration would put back."""
    conn = database.connect()
    conn.execute(f"drop function {database.names.private}.purge_history()")
    db.call(conn, "request_job", job="purge_history")
    db.call(conn, "run_due_jobs")
    [finding] = [row for row in db.call(conn, "diagnose") if row["code"] == "job_failing"]
    assert finding["subject"] == "job purge_history"
    assert finding["evidence"]["error"]["sqlstate"] == "42883"
    run_command(finding["repair"], database)
    db.call(conn, "request_job", job="purge_history")
    db.call(conn, "run_due_jobs")
    assert "job_failing" not in [row["code"] for row in db.call(conn, "diagnose")]


def test_a_job_that_fails_for_another_reason_says_what_its_error_says(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    for severity in ("warning", "warning", "critical"):
        fleet.clock.advance("5 minutes")
        fleet.query("update {p}.setting set value = 'soon' where name = 'settle_window'")
        fleet.admin("request_job", job="settle")
        fleet.admin("run_due_jobs")
        finding = diagnosis.sees("job_failing", "job settle")
        assert (finding["severity"], finding["repair"]) == (severity, None)
    assert "interval" in finding["finding"]
    fleet.query("update {p}.setting set value = '2 seconds' where name = 'settle_window'")
    fleet.admin("request_job", job="settle")
    fleet.run_due_jobs()
    diagnosis.sees_no("job_failing")


def test_a_job_that_is_switched_off_is_switched_on_again(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    fleet.admin("schedule_job", job="check_balance", enabled=False)
    diagnosis.cures("job_disabled", "job check_balance")


def test_history_that_was_not_purged_is_purged(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    fleet.admin("schedule_job", job="purge_history", enabled=False)
    fleet.start(10, streams=1)
    # who is lost keeps the decision that says so
    fleet.register("fv-3").vanish()
    for _ in range(2):
        fleet.run("watch_instances")
        fleet.clock.advance("11 seconds")
    assert fleet.instance("fv-3")["status"] == "inactive"
    for _ in range(2):
        fleet.admin("move_stream", stream_id=1, instance_id=fleet.register("fv-2").instance_id)
        fleet.all_obey()
        fleet.admin("move_stream", stream_id=1, instance_id="fv-1")
        fleet.all_obey()
    fleet.clock.advance("32 days - 1 minute")
    diagnosis.sees_no("history_not_purged")
    fleet.clock.advance("1 minute")
    diagnosis.sees("history_not_purged", "fleet")
    fleet.all_obey()  # who keeps its stream keeps the decision that gave it
    fleet.admin("schedule_job", job="purge_history", enabled=True)
    diagnosis.cures("history_not_purged", "fleet")


# -- sources -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def source(fleet: Fleet) -> Iterator[psycopg.Connection[Any]]:
    """A source named field whose table is in the same database; ten stations are in it."""
    with psycopg.connect(fleet.database.dsn, autocommit=True) as conn:
        conn.execute("create table public.stations (index integer, name text, url text)")
        conn.execute(
            "insert into public.stations select n, 'radio ' || n, 'http://field.example/' || n "
            "from generate_series(1, 10) as n"
        )
        fleet.admin("add_source", source="field", conninfo=fleet.database.dsn, table_name="public.stations")
        yield conn


def test_a_source_that_fails_is_found_until_it_can_be_read(
    fleet: Fleet, diagnosis: Diagnosis, source: psycopg.Connection[Any]
) -> None:
    """R6.2"""
    source.execute("alter table public.stations rename to hidden")
    diagnosis.sees_no("source_failing")
    _sync(fleet, fails=True)
    finding = diagnosis.sees("source_failing", "source field")
    assert (finding["severity"], finding["evidence"]["consecutive_failures"]) == ("warning", 1)
    _sync(fleet, fails=True)
    assert diagnosis.sees("source_failing")["severity"] == "warning"
    _sync(fleet, fails=True)
    assert diagnosis.sees("source_failing")["severity"] == "critical"
    fleet.clock.advance("1 hour")
    diagnosis.sees_no("source_stale")  # one finding is enough
    source.execute("alter table public.hidden rename to stations")
    diagnosis.cures("source_failing")
    assert len(fleet.view("streams")) == 10


def test_a_source_that_is_not_read_is_stale(
    fleet: Fleet, diagnosis: Diagnosis, source: psycopg.Connection[Any]
) -> None:
    """R6.2: neither at first nor any more; a list and one that is switched off are not read by themselves."""
    fleet.admin("add_source", source="list")
    fleet.admin("add_source", source="off", conninfo=fleet.database.dsn, table_name="public.stations", enabled=False)
    for told in ("it has never been synchronised", f"it was last synchronised at {fleet.clock.now:%Y-%m-%d}"):
        fleet.clock.advance("4 minutes")
        diagnosis.sees_no("source_stale")
        fleet.clock.advance("1 second")
        assert diagnosis.cures("source_stale", "source field")["finding"].startswith(told)


def test_a_source_that_has_lost_most_of_its_streams_is_synchronised_only_on_purpose(
    fleet: Fleet, diagnosis: Diagnosis, source: psycopg.Connection[Any]
) -> None:
    """R6.2: shrinking."""
    _sync(fleet)
    source.execute("delete from public.stations where index > 4")
    _sync(fleet, fails=True)
    diagnosis.sees_no("source_failing")
    diagnosis.cures("source_shrinking", "source field")
    assert len(fleet.view("streams")) == 4


def _sync(fleet: Fleet, *, fails: bool = False) -> None:
    if not fails:
        sync(fleet.admin_conn, "field")
        return
    with pytest.raises(OrchestratorError):
        sync(fleet.admin_conn, "field")
