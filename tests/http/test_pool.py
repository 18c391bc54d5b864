"""The connections of the server: how many, how long a request waits for one, and that none is used when it is dead."""

import asyncio
import os
import resource
import time
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.errors import DatabaseUnavailable
from orchestrator.http.pool import Pool
from tests.driver.processes import wait_until
from tests.support import Database

SIZE = 3


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    pool = Pool(database.dsn, schema=database.names.api, size=SIZE, patience=0.3)
    yield pool
    await pool.close()


async def _ask(pool: Pool) -> None:
    await pool.call("is_current", stream_id=0, epoch=0)


def _connections(database: Database, superuser: psycopg.Connection) -> set[int]:
    rows = superuser.execute(
        "select pid from pg_stat_activity where application_name = 'orchestrator:http' and datname = %s",
        [conninfo_to_dict(database.dsn)["dbname"]],
    )
    return {pid for (pid,) in rows}


async def test_connections_are_opened_when_needed_and_kept(
    pool: Pool, database: Database, superuser: psycopg.Connection
) -> None:
    assert not _connections(database, superuser)
    await _ask(pool)
    first = _connections(database, superuser)
    assert len(first) == 1
    await _ask(pool)
    assert _connections(database, superuser) == first
    await asyncio.gather(*(_ask(pool) for _ in range(10 * SIZE)))
    assert first <= _connections(database, superuser)
    assert len(_connections(database, superuser)) == SIZE, "all of them, and not more"


async def test_a_request_that_finds_none_free_is_refused_after_its_patience(pool: Pool) -> None:
    async with pool._connection(), pool._connection(), pool._connection():
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="all connections to the database are busy"):
            await asyncio.wait_for(_ask(pool), 30)
        assert 0.3 <= time.monotonic() - began < 5
    await _ask(pool)


async def test_dead_connections_are_noticed_before_they_are_used(
    pool: Pool, database: Database, superuser: psycopg.Connection
) -> None:
    """R5.1: with as many of them as there may be, as after a restart of the server."""
    await asyncio.gather(*(_ask(pool) for _ in range(10 * SIZE)))
    dead = _connections(database, superuser)
    for pid in dead:
        superuser.execute("select pg_terminate_backend(%s, 10000)", [pid])
    await _ask(pool)
    assert not dead & _connections(database, superuser)


async def test_a_server_that_is_not_there_is_said_at_once_and_found_again(database: Database) -> None:
    """R5.2: a queue of requests that wait for nothing would outlast the outage."""
    pool = Pool(make_conninfo(database.dsn, port=1), schema=database.names.api, size=SIZE, patience=60)
    began = time.monotonic()
    for error in await asyncio.gather(*(_ask(pool) for _ in range(10 * SIZE)), return_exceptions=True):
        assert isinstance(error, DatabaseUnavailable)
        assert "busy" not in str(error)
    assert time.monotonic() - began < 30
    pool._dsn = database.dsn
    await _ask(pool)
    await pool.close()


async def test_a_process_with_more_than_1023_open_files_asks_as_ever(pool: Pool) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        await _ask(pool)
        async with pool._connection() as conn:
            assert conn.fileno() > 1023
        await _ask(pool)
    finally:
        for descriptor in taken:
            os.close(descriptor)
        await pool.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_it_closes_its_connections(pool: Pool, database: Database, superuser: psycopg.Connection) -> None:
    await _ask(pool)
    [pid] = _connections(database, superuser)
    await pool.close()
    wait_until(lambda: pid not in _connections(database, superuser), what="the connection is closed")
