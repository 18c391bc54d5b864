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
def made_to_wait(dsn: str, session: db.Connection, work: Any, *arguments: Any) -> Iterator[Future[Any]]:
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


# -- Writers of batches ------------------------------------------------------------------------------------------------

SKIP = f"""
    create trigger fence before insert on song
        for each row execute function {FENCE}.skip_refused('station', 'era')
"""
WRITE = "insert into song (station, era, title) values (%s, %s, 'a song')"
WRITE_CURRENT = f"""
    insert into song (station, era, title)
    select new.station, new.era, 'a song' from unnest(%s::bigint[], %s::bigint[]) as new (station, era)
    where {FENCE}.is_current(new.station, new.era)
"""
TEN = [(stream, 5) for stream in range(1, 11)]


@pytest.fixture
def songs(conn: db.Connection) -> db.Connection:
    """A table of results whose columns have names of their own; stream 3 has a newer owner."""
    conn.execute("create table public.song (station bigint, era bigint, title text)")
    advance(conn, 6, stream=3)
    return conn


def written(conn: db.Connection) -> list[tuple[int, int]]:
    return [(row["station"], row["era"]) for row in conn.execute("select station, era from song order by 1, 2")]


def counted(conn: db.Connection) -> list[tuple[int, int, int]]:
    rows = conn.execute(f"select stream_id, refusals, last_epoch from {FENCE}.refused order by 1")
    return [(row["stream_id"], row["refusals"], row["last_epoch"]) for row in rows]


def write_row_by_row(conn: db.Connection, rows: list[tuple[int, int]]) -> None:
    """As the queue of the hosts does: one transaction, a statement for each row, no savepoints."""
    with conn.transaction():
        conn.cursor().executemany(WRITE, rows)


def write_current(conn: db.Connection, rows: list[tuple[int, int]]) -> None:
    conn.execute(WRITE_CURRENT, [[stream for stream, _ in rows], [epoch for _, epoch in rows]])


def test_of_ten_rows_with_one_refused_the_raising_fence_writes_none(songs: db.Connection) -> None:
    with refused(5, highest=6), songs.transaction():
        for stream, epoch in TEN:
            assert_current(songs, epoch, stream)
            songs.execute(WRITE, [stream, epoch])
    assert written(songs) == []
    assert counted(songs) == []


def test_of_ten_rows_with_one_refused_the_trigger_writes_nine_and_counts_one(songs: db.Connection) -> None:
    songs.execute(SKIP)
    write_row_by_row(songs, TEN)
    assert written(songs) == [row for row in TEN if row != (3, 5)]
    assert counted(songs) == [(3, 1, 5)]
    write_row_by_row(songs, TEN)
    assert counted(songs) == [(3, 2, 5)]


def test_of_ten_rows_with_one_refused_nine_are_current(songs: db.Connection) -> None:
    write_current(songs, TEN)
    assert written(songs) == [row for row in TEN if row != (3, 5)]


@pytest.mark.parametrize("write", [write_row_by_row, write_current])
def test_a_batch_teaches_the_fence_higher_epochs(songs: db.Connection, write: Any) -> None:
    """Those before it in the same batch are written, those after it are not."""
    songs.execute(SKIP)
    write(songs, [(3, 6), (3, 7), (3, 6), (4, 1)])
    assert written(songs) == [(3, 6), (3, 7), (4, 1)]
    with refused(6, highest=7):
        assert_current(songs, 6, stream=3)


def test_a_batch_that_was_rolled_back_has_counted_and_taught_nothing(songs: db.Connection) -> None:
    songs.execute(SKIP)
    songs.execute("begin")
    songs.cursor().executemany(WRITE, [(3, 5), (4, 9)])
    songs.execute("rollback")
    assert counted(songs) == []
    assert_current(songs, 5, stream=4)


@pytest.mark.parametrize("row", [(None, 5), (7, None)])
def test_a_row_without_a_stream_or_an_epoch_is_an_error_of_the_program(
    songs: db.Connection, row: tuple[int | None, int | None]
) -> None:
    songs.execute(SKIP)
    with pytest.raises(psycopg.DataError) as caught:
        songs.execute(WRITE, row)
    assert caught.value.sqlstate == "22004"
    with pytest.raises(psycopg.DataError):
        songs.execute(f"select {FENCE}.is_current(%s::bigint, %s::bigint)", row)


def test_a_table_with_writers_that_know_no_epochs_has_the_trigger_look_at_the_others(songs: db.Connection) -> None:
    songs.execute(SKIP.replace("for each row", "for each row when (new.era is not null)"))
    songs.cursor().executemany(WRITE, [(None, None), (3, None), (3, 5), (3, 6)])
    assert len(written(songs)) == 3
    assert counted(songs) == [(3, 1, 5)]


def test_a_trigger_with_a_column_that_is_not_there_says_which_it_was_given(songs: db.Connection) -> None:
    songs.execute(SKIP.replace("'era'", "'epoch'"))
    with pytest.raises(psycopg.DataError) as caught:
        songs.execute(WRITE, [7, 5])
    assert '"epoch": "epoch"' in str(caught.value.diag.message_detail)


def test_a_copy_and_an_insert_with_on_conflict_go_through_the_trigger(songs: db.Connection) -> None:
    songs.execute("alter table song add unique (station, era)")
    songs.execute(SKIP)
    with songs.cursor().copy("copy song (station, era) from stdin") as copy:
        for row in TEN:
            copy.write_row(row)
    songs.cursor().executemany(f"{WRITE} on conflict do nothing", TEN)
    assert len(written(songs)) == 9
    assert counted(songs) == [(3, 2, 5)]


@pytest.mark.parametrize("write", [write_row_by_row, write_current])
def test_a_batch_that_waited_for_a_newer_owner_leaves_out_what_is_its(
    ledger_dsn: str, songs: db.Connection, other: db.Connection, write: Any
) -> None:
    """The two race: the old owner's batch has begun, and the new owner's advance is not committed."""
    songs.execute(SKIP)
    advance(songs, 5, stream=7)
    other.execute("begin")
    advance(other, 6, stream=7)
    with made_to_wait(ledger_dsn, songs, write, TEN) as batch:
        other.execute("commit")
        batch.result(timeout=4)
    assert written(songs) == [row for row in TEN if row not in ((3, 5), (7, 5))]


@pytest.mark.parametrize("write", [write_row_by_row, write_current])
def test_the_first_batches_of_two_owners_of_an_unknown_stream_are_told_apart(
    ledger_dsn: str, songs: db.Connection, other: db.Connection, write: Any
) -> None:
    """Neither announced itself; the batch with the lower epoch waits for the other and is refused."""
    songs.execute(SKIP)
    other.execute("begin")
    write(other, [(8, 2)])
    with made_to_wait(ledger_dsn, songs, write, [(8, 1), (9, 1)]) as batch:
        other.execute("commit")
        batch.result(timeout=4)
    assert written(songs) == [(8, 2), (9, 1)]


@pytest.mark.parametrize("write", [write_row_by_row, write_current])
def test_an_advance_waits_for_the_batch_that_is_under_way(
    ledger_dsn: str, songs: db.Connection, other: db.Connection, write: Any
) -> None:
    songs.execute(SKIP)
    advance(songs, 5, stream=7)
    songs.execute("begin")
    write(songs, TEN)
    with made_to_wait(ledger_dsn, other, advance, 6, 7) as advanced:
        songs.execute("commit")
        advanced.result(timeout=4)
    assert (7, 5) in written(songs)


@pytest.mark.parametrize("in_one_order", [True, False])
def test_batches_that_raise_marks_wait_in_one_order_and_deadlock_in_two(
    ledger_dsn: str, songs: db.Connection, other: db.Connection, in_one_order: bool
) -> None:
    """Why a batch is sorted. With a deadlock one of them fails (40P01) and is written when it is tried again."""
    songs.execute(SKIP)
    mine, its = [(1, 6), (2, 7)], [(1, 7), (2, 6)]
    if not in_one_order:
        its.reverse()
    songs.execute("begin")
    songs.execute(WRITE, mine[0])
    other.execute("begin")
    if in_one_order:
        with made_to_wait(ledger_dsn, other, write_row_by_row, its) as batch:
            songs.execute(WRITE, mine[1])
            songs.execute("commit")
            batch.result(timeout=4)
        other.execute("commit")
        assert written(songs) == [(1, 6), (1, 7), (2, 7)]
        return
    other.execute(WRITE, its[0])
    with made_to_wait(ledger_dsn, other, _end_with, its[1]) as batch:
        failures = [each for each in (_end_with(songs, mine[1]), batch.result(timeout=4)) if each is not None]
    assert [type(each) for each in failures] == [psycopg.errors.DeadlockDetected]


def _end_with(conn: db.Connection, row: tuple[int, int]) -> psycopg.Error | None:
    """Write a last row and end the transaction; what came of it."""
    try:
        conn.execute(WRITE, row)
    except psycopg.Error as error:
        conn.execute("rollback")
        return error
    conn.execute("commit")
    return None


FIRST_FENCE = f"""
    create schema {FENCE};
    create table {FENCE}.high_water (
        stream_id bigint not null, epoch bigint not null, constraint high_water_pkey primary key (stream_id)
    ) with (fillfactor = 50);
    insert into {FENCE}.high_water values (7, 6);
    create function {FENCE}.advance(p_stream_id bigint, p_epoch bigint) returns void
        language plpgsql volatile security definer as 'begin end';
    create function {FENCE}.assert_current(p_stream_id bigint, p_epoch bigint) returns void
        language plpgsql volatile security definer as 'begin end';
    revoke all on all functions in schema {FENCE} from public;
"""


def test_a_fence_of_the_first_version_is_upgraded_by_the_script_with_its_marks_and_its_writers(
    empty_database: str,
) -> None:
    with ledger.connect(empty_database, "test") as conn, conn.transaction(force_rollback=True):
        conn.execute(FIRST_FENCE)
        conn.execute('create role "Results writer"')
        conn.execute("create role stranger")
        conn.execute(f'grant usage on schema {FENCE} to "Results writer", stranger')
        conn.execute(f'grant execute on all functions in schema {FENCE} to "Results writer"')
        ledger.install_fence(conn)
        conn.execute("create table public.song (station bigint, era bigint, title text)")
        conn.execute('grant insert, select on song to "Results writer"')
        conn.execute(SKIP)
        conn.execute('set local role "Results writer"')
        conn.cursor().executemany(WRITE, [(7, 5), (7, 6)])
        assert written(conn) == [(7, 6)]
        assert counted(conn) == [(7, 1, 5)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
            conn.execute(f"update {FENCE}.refused set refusals = 0")
        conn.execute("set local role stranger")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(f"select {FENCE}.is_current(7, 6)")
