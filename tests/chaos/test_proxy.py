"""The proxy of the chaos suite: what it does to a connection, and that it does nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import TupleRow

from tests.chaos.proxy import Line, Proxy
from tests.support import Server

Session = psycopg.Connection[TupleRow]


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    """A line to the server, open."""
    with Proxy() as proxy:
        if server.host.startswith("/"):
            yield proxy.open_line("test", Path(server.host) / f".s.PGSQL.{server.port}")
        else:
            yield proxy.open_line("test", (server.host, int(server.port)))


def connect(line: Line) -> Session:
    """A session by this line."""
    return psycopg.connect(line.dsn("postgres"), autocommit=True, connect_timeout=5)


def answer(session: Session, query: bytes) -> object:
    """The one value that a query answers."""
    row = session.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_a_deaf_line_loses_notifications_and_nothing_else(line: Line, superuser: Session) -> None:
    with connect(line) as listener:
        notices: list[str | None] = []
        listener.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        listener.execute("listen chaos_test")
        line.deaf = True
        for _ in range(3):
            superuser.execute("notify chaos_test, 'lost'")
        # results in many messages, notices, errors, changed parameters and empty answers all arrive
        rows = listener.execute("select n, repeat('A', 10000) from generate_series(1, 500) as n").fetchall()
        assert [row[0] for row in rows] == list(range(1, 501))
        assert {row[1] for row in rows} == {"A" * 10000}
        listener.execute("do $$ begin raise notice 'A notice'; end $$")
        assert notices == ["A notice"]
        with pytest.raises(psycopg.errors.DivisionByZero):
            listener.execute("select 1 / 0")
        listener.execute("set application_name = 'A name'")
        assert listener.info.parameter_status("application_name") == "A name"
        assert list(listener.notifies(timeout=0.2)) == []
        assert line.dropped == 3

        line.heal()
        superuser.execute("notify chaos_test, 'heard'")
        assert [notification.payload for notification in listener.notifies(timeout=10, stop_after=1)] == ["heard"]
        assert line.dropped == 3


def test_a_cut_line_resets_what_is_there_and_what_comes_until_it_heals(line: Line) -> None:
    session = connect(line)
    line.cut()
    with pytest.raises(psycopg.OperationalError):
        session.execute("select 1")
    with pytest.raises(psycopg.OperationalError):
        connect(line)
    line.heal()
    with connect(line) as session:
        assert answer(session, b"select 1") == 1


def test_a_held_line_looks_open_and_passes_everything_on_when_it_heals(line: Line) -> None:
    with connect(line) as session:
        line.hold()
        answers: list[object] = []
        asking = threading.Thread(target=lambda: answers.append(answer(session, b"select 7")))
        asking.start()
        asking.join(0.5)
        assert asking.is_alive() and answers == []
        line.heal()
        asking.join(10)
        assert answers == [7]


def test_while_a_line_is_held_the_server_can_lose_the_client_unnoticed(line: Line, superuser: Session) -> None:
    session = connect(line)
    pid = answer(session, b"select pg_backend_pid()")
    line.hold()
    line.lose_server_side()
    gone = "select not exists (select from pg_stat_activity where pid = %s)"
    for _ in range(200):
        row = superuser.execute(gone, [pid]).fetchone()
        if row is not None and row[0]:
            break
        superuser.execute("select pg_sleep(0.05)")
    else:
        pytest.fail("the server did not notice")
    line.heal()
    with pytest.raises(psycopg.OperationalError):
        session.execute("select 1")


def test_a_slow_line_delays_each_way(line: Line) -> None:
    with connect(line) as session:
        line.delay = 0.2
        row = session.execute("select clock_timestamp()").fetchone()
        assert row is not None
        before = row[0]
        row = session.execute("select clock_timestamp()").fetchone()
        assert row is not None
        # from the server's clock to the client and back again
        assert (row[0] - before).total_seconds() >= 0.4
