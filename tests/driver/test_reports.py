"""A driver tells its database what failed, and that report can fail as well: nothing is lost by it, or told twice."""

import time

import psycopg
import pytest

from orchestrator.database import db
from orchestrator.database.retry import PAUSE_SECONDS
from orchestrator.driver.driver import Driver
from orchestrator.errors import DatabaseUnavailable, LockNotAvailable
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
            query(holder, "lock table {p}.failure_count in exclusive mode", database.names)  # type: ignore[arg-type]
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
