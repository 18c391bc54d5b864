"""The embedded server starts, restarts, crashes and stops as it is told."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from orchestrator.database import embedded
from orchestrator.database.embedded import Embedded, EmbeddedServerError
from orchestrator.lab.server import temporary_directory


@pytest.fixture
def directory() -> Iterator[Path]:
    with temporary_directory() as directory:
        yield directory


def _value(server: Embedded, query: str) -> object:
    with psycopg.connect(server.dsn()) as conn:
        row = conn.execute(query).fetchone()
        assert row is not None
        return row[0]


def test_its_whole_life(directory: Path) -> None:
    server = embedded.start(directory / "pg", settings={"max_connections": "33", "fsync": "off"})
    pid = server.pid
    assert pid is not None
    assert _value(server, "show max_connections") == "33"
    assert _value(server, "show listen_addresses") == ""
    if os.geteuid() == 0:
        assert psutil.Process(pid).uids().real != 0

    assert embedded.start(directory / "pg").pid == pid, "a second start finds it running"

    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute("create table kept (id integer)")
    server.restart()
    assert server.pid not in (None, pid)
    assert _value(server, "select count(*) from kept") == 0

    before_crash = server.pid
    server.restart(immediate=True)
    assert server.pid != before_crash
    assert "was not properly shut down" in (directory / "pg" / "log").read_text()

    server.stop()
    assert server.pid is None
    server.stop()


def test_a_path_too_long_for_a_socket_gets_a_short_one(directory: Path) -> None:
    deep = directory / ("d" * 60) / ("e" * 60)
    with Embedded(deep, settings={"fsync": "off"}) as server:
        assert len(str(server.socket_directory)) < 60
        assert server.socket_directory.stat().st_mode & 0o077 == 0
        assert _value(server, "select 1") == 1


def test_a_server_that_cannot_start_says_why(directory: Path) -> None:
    with pytest.raises(EmbeddedServerError) as caught:
        embedded.start(directory / "pg", settings={"shared_buffers": "nonsense"})
    assert "nonsense" in str((caught.value.detail or {}).get("log"))
    assert caught.value.hint
