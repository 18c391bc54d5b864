"""A driver tells its database what it did and what failed. That can fail as well, and loses nothing."""

import time
from collections.abc import Callable
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from orchestrator.database import db
from orchestrator.database.retry import PAUSE_SECONDS
from orchestrator.driver.driver import Driver
from orchestrator.driver.job_runs import JobRun
from orchestrator.driver.outside import OutsideJobs
from orchestrator.errors import DatabaseUnavailable, LockNotAvailable, OrchestratorError
from tests.driver.conftest import Jobs
from tests.support import Database, query


def _driver(database: Database, name: str = "test") -> Driver:
    """A driver with failures of two kinds to tell of."""
    driver = Driver(database.dsn, schema=database.names.api, name=name)
    for error in (DatabaseUnavailable("the server is away"), LockNotAvailable("it is busy")):
        driver._note_failure(error)
        driver._note_failure(error)
    return driver


async def _connect(database: Database) -> db.AsyncConnection:
    return await db.connect_async(database.dsn, schema=database.names.api, application_name="driver")


def _told(database: Database) -> dict[str, int]:
    """What is on record, and how often."""
    rows = db.view(database.connect("admin"), "incident_patterns")
    return {row["example"]["message"]: row["occurrences"] for row in rows}


ALL = {"the server is away": 2, "it is busy": 2}


async def test_what_could_not_be_told_is_told_over_the_next_connection(database: Database) -> None:
    """R4.4"""
    driver = _driver(database)
    async with await _connect(database) as conn:
        database.connect().execute("select pg_terminate_backend(%s, 10000)", [conn.info.backend_pid])
        with pytest.raises(DatabaseUnavailable):
            await driver._report_failures(conn)
    driver._note_failure(LockNotAvailable("it is busy"))

    async with await _connect(database) as conn:
        await driver._report_failures(conn)
        await driver._report_failures(conn)

    assert _told(database) == ALL | {"it is busy": 3}


async def test_what_met_a_lock_is_told_later_and_holds_no_job_up_meanwhile(database: Database) -> None:
    """R2.3, R4.4"""
    driver = _driver(database)
    async with await _connect(database) as conn:
        await conn.execute("set statement_timeout = '100ms'")
        with psycopg.connect(database.dsn) as holder:
            query(holder, "lock table {p}.failure_count in exclusive mode", database.names)  # type: ignore[arg-type]  # a connection of psycopg without names
            await driver._report_failures(conn)
            began = time.monotonic()
            await driver._report_failures(conn)
            assert time.monotonic() - began < 0.1, "it waited for the lock again"
        assert _told(database) == {}
        assert driver._report_from <= began + PAUSE_SECONDS
        driver._report_from = time.monotonic()
        await driver._report_failures(conn)
        await driver._report_failures(conn)

    assert _told(database) == ALL


async def test_what_is_refused_is_not_told_again_and_again(database: Database) -> None:
    driver = _driver(database, name="a name\nof two lines")
    async with await _connect(database) as conn:
        await driver._report_failures(conn)

    assert driver._failures.untold() == {}
    assert _told(database) == {}


# -- what was done outside the database --------------------------------------------------------------------------------


def _claimed(jobs: Jobs) -> JobRun:
    """A job that every driver fails at."""
    jobs.add("of_the_future", runs_in="driver")
    [row] = db.call(jobs.conn, "run_next_job", driver="test", outside=True)
    return JobRun(**{each.name: row[each.name] for each in fields(JobRun)})


def _run(run: JobRun, connect: Callable[[str], Any]) -> list[OrchestratorError]:
    """Run it; what was noted as a failure."""
    noted: list[OrchestratorError] = []
    unused: Any = SimpleNamespace()
    outside = OutsideJobs(
        connect=connect, environment={}, delivery=unused, redis_signs=unused, note_failure=noted.append
    )
    outside.run(run)
    return noted


def test_a_result_is_handed_in_over_a_third_connection_when_two_were_lost(jobs: Jobs, database: Database) -> None:
    """R5.1"""
    tries: list[str] = []

    def connect(purpose: str) -> db.Connection:
        tries.append(purpose)
        if len(tries) == 2:
            raise DatabaseUnavailable("the server is away")
        conn = db.connect(database.dsn, schema=database.names.api, application_name="driver")
        if len(tries) == 1:
            conn.close()  # it was lost while the job was at work
        return conn

    assert _run(_claimed(jobs), connect) == []

    assert tries == ["of_the_future", "finish_job", "finish_job"]
    [run] = db.view(jobs.conn, "job_runs", where={"job": "of_the_future"})
    assert run["outcome"] == "failed"


def test_a_result_that_can_never_be_handed_in_is_one_failure_to_tell_of(jobs: Jobs) -> None:
    """R4.2"""

    def connect(purpose: str) -> db.Connection:
        raise DatabaseUnavailable("the server is away")

    noted = _run(_claimed(jobs), connect)

    assert [(error.function, error.message) for error in noted] == [("finish_job", "the server is away")]
    [run] = db.view(jobs.conn, "job_runs", where={"job": "of_the_future"})
    assert run["outcome"] == "claimed"
