"""No session of this system waits for ever: which limits each kind of connection really has (R2.1, R2.2, R5.3)."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from orchestrator.database import db
from orchestrator.errors import DatabaseUnavailable
from orchestrator.sources.sync import sync_due
from orchestrator.sources.table import SourceUnreachable, reading
from tests.driver.conftest import Jobs, StartDriver
from tests.driver.conftest import jobs as jobs
from tests.driver.conftest import start_driver as start_driver
from tests.driver.processes import wait_until
from tests.support import Database, Server

OURS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
OF_SEVENTEEN = ("transaction_timeout",)


def limits_of(conn: psycopg.Connection[Any]) -> dict[str, str]:
    """What a live session goes by; transaction_timeout where the server has it."""
    names = [*OURS, *(OF_SEVENTEEN if conn.info.server_version >= 170000 else ())]
    with conn.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        return {
            name: cursor.execute("select current_setting(%s)", [name]).fetchone()[0]  # type: ignore[index]  # one row
            for name in names
        }


def kept(conn: psycopg.Connection[Any]) -> dict[str, str]:
    """What libpq was told for this connection."""
    parameters: dict[str, Any] = conninfo_to_dict(conn.info.dsn)
    return {
        name: str(parameters[name])
        for name in ("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count")
    } | {"tcp_user_timeout": str(parameters["tcp_user_timeout"])}


STANDARD_LINE = {
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}


def expected(conn: psycopg.Connection[Any], **limits: str) -> dict[str, str]:
    return {
        name: limit for name, limit in limits.items() if name not in OF_SEVENTEEN or conn.info.server_version >= 170000
    }


def test_a_session_of_the_command_line(database: Database) -> None:
    with db.connect(database.dsn, application_name="limits") as conn:
        assert kept(conn) == STANDARD_LINE
        assert limits_of(conn) == expected(
            conn,
            statement_timeout="30s",
            lock_timeout="5s",
            idle_in_transaction_session_timeout="30s",
            transaction_timeout="30s",
        )


async def test_a_session_of_asyncio_has_the_same_and_may_get_others(database: Database) -> None:
    async def shown(name: str) -> str:
        cursor = await conn.execute("select current_setting(%s) as value", [name])
        row = await cursor.fetchone()
        assert row is not None
        return str(row["value"])

    conn = await db.connect_async(database.dsn, application_name="limits")
    async with conn:
        assert [await shown(name) for name in ("statement_timeout", "lock_timeout")] == ["30s", "5s"]
        await db.limit_async(conn, db.Timeouts(statement_timeout=7, network_timeout=3))
        assert await shown("statement_timeout") == "7s"
        assert conn.answer_within == 10


def test_a_session_with_the_external_database(database: Database, server: Server) -> None:
    row = {
        "source": "field",
        "table_name": "streams",
        "conninfo": server.dsn("postgres"),
        "network_timeout": timedelta(seconds=12),
    }
    with reading(row, {}) as conn:
        assert kept(conn) == STANDARD_LINE | {
            "connect_timeout": "4",
            "keepalives_idle": "4",
            "keepalives_interval": "2",
            "tcp_user_timeout": "8000",
        }
        assert limits_of(conn) == expected(
            conn,
            statement_timeout="12s",
            lock_timeout="5s",
            idle_in_transaction_session_timeout="12s",
            transaction_timeout="24s",
        )


def test_the_sessions_of_a_driver_follow_the_settings(jobs: Jobs, start_driver: StartDriver) -> None:
    """R5.3"""
    db.call(jobs.conn, "set_setting", name="transaction_timeout", value="7 seconds")
    db.call(jobs.conn, "set_setting", name="network_timeout", value="4 seconds")
    jobs.add("tell", "insert into {private}.ran (job) select current_setting('statement_timeout');")

    start_driver().wait_for_line(event="job", job="tell")

    assert jobs.ran("7s") == 1


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A server process that takes everything in and says nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_server_that_is_frozen_is_hung_up_on(database: Database) -> None:
    limits = db.Timeouts(statement_timeout=0.2, network_timeout=0.1)
    conn = db.connect(database.dsn, schema=database.names.api, application_name="frozen", timeouts=limits)

    with frozen(conn.info.backend_pid), pytest.raises(DatabaseUnavailable, match=r"did not answer within 0\.3 s"):
        db.call(conn, "health")

    assert conn.closed


async def test_asyncio_hangs_up_too(database: Database) -> None:
    limits = db.Timeouts(statement_timeout=0.2, network_timeout=0.1)
    conn = await db.connect_async(database.dsn, schema=database.names.api, application_name="frozen", timeouts=limits)

    with frozen(conn.info.backend_pid), pytest.raises(DatabaseUnavailable, match=r"did not answer within 0\.3 s"):
        await db.call_async(conn, "health")

    assert conn.closed


def test_a_source_that_is_frozen_is_given_up_and_holds_no_other_up(database: Database, empty_database: str) -> None:
    """R5.4: the streams of a good source are there while another one is silent."""
    with psycopg.connect(empty_database, autocommit=True) as external:
        external.execute(
            "create table good (id bigint, url text); insert into good values (1, 'http://radio.example/1')"
        )
        external.execute("create view silent as select id, url from good where pg_sleep(60) is not null")
    conn = database.connect("admin")
    db.call(conn, "set_setting", name="network_timeout", value="2 seconds")
    for name in ("silent", "good"):
        db.call(conn, "add_source", source=name, conninfo=empty_database, table_name=name)
    frozen_pids: list[int] = []

    def freeze() -> None:
        with psycopg.connect(empty_database, autocommit=True) as watcher:
            [(pid,)] = wait_until(
                lambda: watcher.execute(
                    "select pid from pg_stat_activity "
                    "where application_name = 'orchestrator:source silent' and wait_event = 'PgSleep'"
                ).fetchall()
            )
            os.kill(pid, signal.SIGSTOP)
            frozen_pids.append(pid)

    freezer = threading.Thread(target=freeze)
    freezer.start()
    try:
        good, silent = sync_due(conn)
    finally:
        freezer.join()
        for pid in frozen_pids:
            os.kill(pid, signal.SIGCONT)

    assert frozen_pids
    assert (good.source, good.inserted) == ("good", 1)
    assert silent.error is not None
    assert silent.error["detail"]["error"] == "the server did not answer within 4 s"
    assert db.view(conn, "sources", where={"source": "silent"})[0]["consecutive_failures"] == 1
    assert silent.error["code"] == SourceUnreachable.code
