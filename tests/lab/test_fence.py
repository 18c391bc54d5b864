"""The fence of a results database: an epoch that was passed never writes again, under any timing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from orchestrator.database import db
from orchestrator.lab import ledger
from orchestrator.lab.ledger import FENCE

STREAM = 7


def advance(conn: db.Connection, epoch: int | None, stream: int = STREAM) -> None:
    conn.execute(f"select {FENCE}.advance(%s::bigint, %s::bigint)", [stream, epoch])


def assert_current(conn: db.Connection, epoch: int | None, stream: int = STREAM) -> None:
    conn.execute(f"select {FENCE}.assert_current(%s::bigint, %s::bigint)", [stream, epoch])


def mark(conn: db.Connection, stream: int = STREAM) -> Any:
    row = conn.execute(f"table {FENCE}.high_water").fetchone()
    assert row is None or row["stream_id"] == stream
    return row and row["epoch"]


@contextmanager
def refused(epoch: int, highest: int) -> Iterator[None]:
    with pytest.raises(psycopg.DatabaseError) as caught:
        yield
    assert caught.value.sqlstate == "OR302"
    assert caught.value.diag.message_detail is not None
    assert f'"epoch": {epoch}' in caught.value.diag.message_detail
    assert f'"highest_epoch": {highest}' in caught.value.diag.message_detail
    assert caught.value.diag.message_hint is not None
    assert "Stop this stream" in caught.value.diag.message_hint


@contextmanager
def made_to_wait(dsn: str, session: db.Connection, work: Any, *arguments: Any) -> Iterator[Future[None]]:
    """Start work in a session of its own thread; goes on when pg_locks shows that it waits for another session."""
    with ThreadPoolExecutor(1) as pool, psycopg.connect(dsn, autocommit=True) as observer:
        future = pool.submit(work, session, *arguments)
        deadline = time.monotonic() + 4
        while not observer.execute(
            "select pid from pg_locks where pid = %s and not granted", [session.info.backend_pid]
        ).fetchone():
            assert not future.done(), "it did not wait"
            assert time.monotonic() < deadline, "it neither waited nor ended"
            time.sleep(0.01)
        yield future


def test_the_first_epoch_seen_becomes_the_mark(conn: db.Connection) -> None:
    assert_current(conn, 3)
    assert mark(conn) == 3


def test_announcing_an_unknown_stream_sets_its_mark(conn: db.Connection) -> None:
    advance(conn, 9, stream=8)
    assert mark(conn, stream=8) == 9


def test_a_higher_epoch_raises_the_mark_and_a_lower_one_is_refused(conn: db.Connection) -> None:
    advance(conn, 5)
    assert_current(conn, 5)
    assert_current(conn, 6)
    for refuse in (advance, assert_current):
        with refused(5, highest=6):
            refuse(conn, 5)
    assert mark(conn) == 6


def test_the_same_epoch_may_announce_itself_again(conn: db.Connection) -> None:
    advance(conn, 5)
    advance(conn, 5)
    assert_current(conn, 5)


@pytest.mark.parametrize("function", [advance, assert_current])
def test_a_null_is_refused(conn: db.Connection, function: Any) -> None:
    with pytest.raises(psycopg.DataError) as caught:
        function(conn, None)
    assert caught.value.sqlstate == "22004"


def test_an_advance_waits_for_the_write_that_is_under_way(
    ledger_dsn: str, conn: db.Connection, other: db.Connection
) -> None:
    """What the old owner was just writing is in the table before the new owner may begin to listen."""
    advance(conn, 5)
    conn.execute("begin")
    assert_current(conn, 5)
    conn.execute("insert into music_log.act (act, description, began_at) values ('write', 'of the old owner', now())")
    with made_to_wait(ledger_dsn, other, advance, 6) as advanced:
        conn.execute("commit")
        advanced.result(timeout=4)
    assert len(db.view(other, "act")) == 1
    with refused(5, highest=6):
        assert_current(conn, 5)


def test_a_write_that_waited_for_an_advance_is_refused(
    ledger_dsn: str, conn: db.Connection, other: db.Connection
) -> None:
    """The old owner's check begins while the new owner's advance is not committed: it still sees the old mark."""
    advance(conn, 5)
    other.execute("begin")
    advance(other, 6)
    with made_to_wait(ledger_dsn, conn, assert_current, 5) as checked:
        other.execute("commit")
        with refused(5, highest=6):
            checked.result(timeout=4)


def test_a_write_goes_on_when_the_advance_it_waited_for_was_rolled_back(
    ledger_dsn: str, conn: db.Connection, other: db.Connection
) -> None:
    advance(conn, 5)
    other.execute("begin")
    advance(other, 6)
    with made_to_wait(ledger_dsn, conn, assert_current, 5) as checked:
        other.execute("rollback")
        checked.result(timeout=4)
    assert mark(conn) == 5


@pytest.mark.parametrize("late", [advance, assert_current])
def test_the_first_two_owners_of_an_unknown_stream_are_told_apart(
    ledger_dsn: str, conn: db.Connection, other: db.Connection, late: Any
) -> None:
    """Both find no row; the one with the lower epoch waits for the other's and is refused."""
    other.execute("begin")
    advance(other, 6)
    with made_to_wait(ledger_dsn, conn, late, 5) as checked:
        other.execute("commit")
        with refused(5, highest=6):
            checked.result(timeout=4)


def test_writers_under_the_same_epoch_do_not_wait_for_each_other(conn: db.Connection, other: db.Connection) -> None:
    advance(conn, 5)
    other.execute("set lock_timeout = '100ms'")
    conn.execute("begin")
    assert_current(conn, 5)
    other.execute("begin")
    assert_current(other, 5)
    other.execute("commit")
    conn.execute("commit")


def test_a_refused_write_leaves_the_rest_of_its_transaction_to_its_caller(conn: db.Connection) -> None:
    advance(conn, 6)
    conn.execute("begin")
    with refused(5, highest=6), conn.transaction():
        assert_current(conn, 5)
    assert_current(conn, 6)
    conn.execute("commit")


def test_the_fence_may_be_installed_again_and_keeps_its_marks(conn: db.Connection) -> None:
    advance(conn, 6)
    ledger.install_fence(conn)
    assert mark(conn) == 6


def test_a_role_that_may_only_call_the_functions_cannot_lower_the_mark(conn: db.Connection) -> None:
    conn.execute("begin")
    conn.execute("create role results_writer")
    conn.execute(f"grant usage on schema {FENCE} to results_writer")
    conn.execute(f"grant execute on all functions in schema {FENCE} to results_writer")
    conn.execute("set local role results_writer")
    advance(conn, 6)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(f"truncate {FENCE}.high_water")
    conn.execute("rollback")
