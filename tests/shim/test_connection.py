"""The connection: what it notices, what wakes it, and how long it waits."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import LiteralString

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from orchestrator.conninfo import Timeouts, session_settings
from tests.pooler import Pooler
from worker_shim.connection import Listener

CHANNEL = "orchestrator.fingerv7-001"


FUNCTIONS = """
    create schema shim_test;
    create function shim_test.answer() returns table (answer integer) language sql begin atomic select 42; end;
    create function shim_test.prepared() returns table (prepared bigint) language sql as '
        select count(*) from pg_prepared_statements where statement like ''%answer%''';
    create function shim_test.nap(p_seconds integer) returns void language sql as 'select pg_sleep(p_seconds)';
    create function shim_test.set_session(p_name text, p_value text) returns text
        language sql as 'select set_config(p_name, p_value, false)';
    create function shim_test.limits() returns table (name text, setting text) language sql as '
        select name, setting from pg_settings
        where name like ''tcp_%'' or name in (
            ''statement_timeout'', ''lock_timeout'', ''idle_in_transaction_session_timeout'', ''transaction_timeout'')';
"""


@pytest.fixture(autouse=True)
def functions(empty_database: str) -> None:
    _execute(empty_database, FUNCTIONS)


@pytest.fixture
async def listener(empty_database: str) -> AsyncIterator[Listener]:
    listener = Listener(empty_database, "shim_test", CHANNEL, 2)
    await listener.connect()
    yield listener
    await listener.close()


async def test_a_notification_ends_the_wait(empty_database: str, listener: Listener) -> None:
    waiting = asyncio.create_task(listener.idle(30, asyncio.Event()))
    await asyncio.sleep(0.05)
    _execute(empty_database, "select pg_notify(%s, '')", [CHANNEL])
    assert await asyncio.wait_for(waiting, 5)


async def test_a_notification_that_came_during_a_call_is_found_by_the_next_wait(
    empty_database: str, listener: Listener
) -> None:
    _execute(empty_database, "select pg_notify(%s, '')", [CHANNEL])
    await _answer(listener)
    assert await listener.idle(5, asyncio.Event())


async def test_a_notification_on_another_workers_channel_does_not_wake(empty_database: str, listener: Listener) -> None:
    _execute(empty_database, "select pg_notify(%s, '')", ["orchestrator.fingerv7-002"])
    assert not await listener.idle(0.3, asyncio.Event())


async def test_news_from_within_ends_the_wait(listener: Listener) -> None:
    wake = asyncio.Event()
    waiting = asyncio.create_task(listener.idle(30, wake))
    await asyncio.sleep(0.05)
    wake.set()
    assert not await asyncio.wait_for(waiting, 5)


async def test_a_call_from_another_task_does_not_wait_for_the_wait_to_end(listener: Listener) -> None:
    waiting = asyncio.create_task(listener.idle(30, asyncio.Event()))
    await asyncio.sleep(0.05)
    answers = await asyncio.wait_for(asyncio.gather(*(_answer(listener) for _ in range(20))), 5)
    assert answers == [42] * 20 and not waiting.done()
    waiting.cancel()


async def test_notifications_and_interruptions_together_lose_no_hint(empty_database: str, listener: Listener) -> None:
    for _ in range(200):
        wake = asyncio.Event()
        asyncio.get_running_loop().call_soon(wake.set)
        _execute(empty_database, "select pg_notify(%s, '')", [CHANNEL])
        hint = await listener.idle(30, wake) or await listener.idle(5, asyncio.Event())
        assert hint


async def test_a_connection_that_was_cut_ends_the_wait_with_an_error(empty_database: str, listener: Listener) -> None:
    waiting = asyncio.create_task(listener.idle(30, asyncio.Event()))
    await asyncio.sleep(0.05)
    _cut(empty_database)
    with pytest.raises(psycopg.OperationalError):
        await asyncio.wait_for(waiting, 5)
    assert not listener.connected


async def test_a_call_that_takes_too_long_is_given_up(listener: Listener) -> None:
    """R5.3: the server gives up first when it can, the client when the server says nothing at all."""
    with pytest.raises(psycopg.errors.QueryCanceled):
        await asyncio.wait_for(listener.call("nap", seconds=60), 20)
    for name in ("statement_timeout", "transaction_timeout"):
        await listener.call("set_session", name=name, value="0")
    with pytest.raises(psycopg.OperationalError):
        await asyncio.wait_for(listener.call("nap", seconds=60), 4)
    assert not listener.connected


async def test_every_limit_stands_on_both_sides_of_a_connection_and_follows_the_network_timeout(
    empty_database: str,
) -> None:
    """R2.1, R5.3"""
    listener = Listener(empty_database, "shim_test", CHANNEL, 30)
    assert conninfo_to_dict(listener.conninfo).items() >= {
        "connect_timeout": "10",
        "keepalives": "1",
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "20000",
    }.items()  # fmt: skip
    await listener.connect()
    rows = await listener.call("limits")
    await listener.close()
    limits = {row["name"]: row["setting"] for row in rows}
    assert limits.pop("transaction_timeout", "30000") == "30000"
    assert limits == {
        "statement_timeout": "27000",
        "lock_timeout": "5000",
        "idle_in_transaction_session_timeout": "27000",
        # a Unix socket has none of these; what was asked for is in session_settings
        "tcp_keepalives_idle": "0",
        "tcp_keepalives_interval": "0",
        "tcp_keepalives_count": "0",
        "tcp_user_timeout": "0",
    }
    asked = session_settings(Timeouts.within(30), server_version=150000)
    assert "transaction_timeout" not in asked
    assert (asked["tcp_keepalives_idle"], asked["tcp_user_timeout"]) == ("10", "20000")


def test_what_the_dsn_says_of_timeouts_is_left_as_it_is() -> None:
    listener = Listener("host=db connect_timeout=3 keepalives_idle=60", "shim_test", CHANNEL, 12)
    given = conninfo_to_dict(listener.conninfo)
    assert (given["connect_timeout"], given["keepalives_idle"], given["tcp_user_timeout"]) == ("3", "60", "8000")


async def test_a_pooler_in_transaction_mode_is_noticed(empty_database: str, pooler: Pooler) -> None:
    listener = Listener(pooler.dsn(empty_database), "shim_test", CHANNEL, 5)
    await listener.connect()
    assert listener.pooled and await _answer(listener) == 42
    assert not await listener.idle(0.1, asyncio.Event())
    await listener.close()


async def test_a_direct_connection_is_not_taken_for_a_pooled_one(listener: Listener) -> None:
    assert not listener.pooled


def _execute(dsn: str, query: LiteralString, parameters: Sequence[object] = ()) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(query, parameters or None)


async def _answer(listener: Listener) -> int:
    (row,) = await listener.call("answer")
    return int(row["answer"])


def _cut(empty_database: str) -> None:
    """End the session of every worker, as a firewall or an administrator does."""
    _execute(
        empty_database,
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name like 'worker_shim %'",
    )


def test_a_broken_dsn_is_refused_without_quoting_it() -> None:
    with pytest.raises(ValueError, match="cannot be parsed") as refused:
        Listener("postgres//user:secret@host", "orchestrator", CHANNEL, 5)
    assert "secret" not in str(refused.value) and refused.value.__cause__ is None


async def test_only_in_a_session_of_its_own_are_calls_prepared(empty_database: str, pooler: Pooler) -> None:
    """What one process behind a pooler prepared another does not know: it must neither be prepared nor asked for."""

    async def prepared(dsn: str) -> tuple[bool, int]:
        listener = Listener(dsn, "shim_test", CHANNEL, 5)
        await listener.connect()
        answers = [await listener.call("answer") for _ in range(6)]
        (row,) = await listener.call("prepared")
        await listener.close()
        assert answers == [[{"answer": 42}]] * 6
        return listener.pooled, row["prepared"]

    assert await prepared(empty_database) == (False, 1)
    assert await prepared(pooler.dsn(empty_database)) == (True, 0)
