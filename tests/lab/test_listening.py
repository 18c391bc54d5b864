"""The handler of the lab on a real radio and a real ledger: hand-overs, replaced owners, a silent radio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from orchestrator.database import db
from orchestrator.lab.listening import ListenHandler, ResultWriter
from orchestrator.lab.stations import Radio
from worker_shim import Context, Stream
from worker_shim.context import Counts
from worker_shim.vitals import Progress

STATION = 3


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A radio on loopback, in this process."""
    radio = Radio(5)
    runner = web.AppRunner(radio.application(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    broadcast = asyncio.create_task(radio.broadcast())
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    broadcast.cancel()
    await runner.cleanup()


@asynccontextmanager
async def worker(dsn: str, name: str) -> AsyncIterator[Callable[[Stream], asyncio.Task[None]]]:
    """A worker process without its shim: gives a function that starts the handler of a stream."""

    async def is_current(stream: Stream) -> bool:
        return True

    def start(stream: Stream) -> asyncio.Task[None]:
        return asyncio.create_task(
            handler.listen(stream, Context(stream, counts, Progress(), is_current, lambda: True))
        )

    counts = Counts()
    writer = ResultWriter(dsn, name)
    async with aiohttp.ClientSession() as http:
        handler = ListenHandler(writer, http)
        writing = asyncio.create_task(writer.run())
        yield start
        await writer.flush()
        writing.cancel()


async def stop(handler: asyncio.Task[None]) -> None:
    """End a handler as the shim does."""
    handler.cancel()
    await asyncio.wait((handler,))
    assert handler.cancelled()


async def until_rows(conn: db.Connection, count: int, **where: Any) -> list[db.Row]:
    """The ledger's rows, as soon as there are so many."""
    for _ in range(200):
        if len(rows := db.view(conn, "heard", where=where, order_by=["second", "epoch"])) >= count:
            return rows
        await asyncio.sleep(0.05)
    raise AssertionError(f"there are still only {len(rows)} rows")


def gaps(rows: list[db.Row]) -> list[int]:
    """How far each second is from the one before; 1 is what it should be."""
    seconds = [row["second"] for row in rows]
    return [after - before for before, after in pairwise(seconds)]


async def test_each_second_is_written_once_with_station_epoch_and_instance(
    ledger_dsn: str, conn: db.Connection, address: str
) -> None:
    async with worker(ledger_dsn, "a") as start:
        handler = start(Stream(70, 4, "three", f"{address}/station/{STATION}.wav"))
        rows = await until_rows(conn, 3)
        await stop(handler)
    assert {(row["stream_id"], row["station"], row["epoch"], row["instance_id"]) for row in rows} == {
        (70, STATION, 4, "a")
    }
    assert gaps(rows) == [1, 1]


async def test_a_hand_over_between_living_workers_can_lose_nothing(
    ledger_dsn: str, conn: db.Connection, address: str
) -> None:
    """The old owner ends with its second; who is there within a quarter of the next one hears all of it.

    A busy machine may be late for that once, but hardly five times in a row.
    """
    url = f"{address}/station/{STATION}.wav"
    async with worker(ledger_dsn, "a") as start_a, worker(ledger_dsn, "b") as start_b:
        owner = start_a(Stream(70, 1, "three", url))
        await until_rows(conn, 2, epoch=1)
        for epoch, start in enumerate([start_b, start_a, start_b, start_a, start_b], 2):
            await stop(owner)
            owner = start(Stream(70, epoch, "three", url))
            await until_rows(conn, 1, epoch=epoch)
            if (gap := gaps(await until_rows(conn, 2))[-1]) == 1:
                break
        await stop(owner)
    assert gap == 1
    assert db.view(conn, "written_twice") == []


async def test_what_a_replaced_owner_still_hears_is_refused(ledger_dsn: str, conn: db.Connection, address: str) -> None:
    """Both hear the station at once; only one of them is in the ledger."""
    url = f"{address}/station/{STATION}.wav"
    async with worker(ledger_dsn, "old") as start_old, worker(ledger_dsn, "new") as start_new:
        old = start_old(Stream(70, 4, "three", url))
        await until_rows(conn, 2)
        new = start_new(Stream(70, 5, "three", url))
        await until_rows(conn, 2, epoch=5)
        await stop(old)
        await stop(new)
    refused = db.view(conn, "refused")
    assert refused
    assert {row["instance_id"] for row in refused} == {"old"}
    assert db.view(conn, "written_twice") == []


async def test_a_handler_that_starts_again_in_the_same_second_does_not_write_it_twice(
    ledger_dsn: str, conn: db.Connection, address: str
) -> None:
    url = f"{address}/station/{STATION}.wav"
    async with worker(ledger_dsn, "a") as start:
        for _ in range(2):
            handlers = [start(Stream(70, 4, "three", url)) for _ in range(2)]
            await until_rows(conn, 2)
            for handler in handlers:
                await stop(handler)
    assert db.view(conn, "written_twice") == []


async def test_a_station_that_is_not_there_is_tried_again(ledger_dsn: str, conn: db.Connection, address: str) -> None:
    async with worker(ledger_dsn, "a") as start:
        handler = start(Stream(70, 4, "six", f"{address}/station/6.wav"))
        await asyncio.sleep(0.6)
        assert not handler.done()
        await stop(handler)
    assert db.view(conn, "heard") == []
