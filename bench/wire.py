"""What a worker says over the wire: round trips and bytes of its start, of a beat, and of a stream's move."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bench import part
from bench.part import Figures, Goal
from bench.plots import Plot
from bench.server import MeasuredFleet, Size, server
from orchestrator.database import db
from worker_shim import Worker

TITLE = "Words on the wire"

SIZE = Size(10, 1)
PATIENCE = 30.0  # seconds
AFTERWARDS = 1.5  # seconds: a second after a repair comes the beat that shows whether it was all
READY = b"Z"  # ReadyForQuery: the server has answered all that it was asked


@dataclass
class Words:
    """What went over one worker's connection. The server's readiness ends each round trip."""

    round_trips: float = 0
    sent: float = 0
    received: float = 0

    def since(self, before: "Words", part_of: int = 1) -> dict[str, float]:
        """What came since then, for each of so many."""
        return {name: (value - getattr(before, name)) / part_of for name, value in asdict(self).items()}


def measure(quick: bool) -> dict[str, Any]:
    with server() as measured, measured.clone(measured.prepare(SIZE), SIZE) as fleet:
        fleet.run("wire/no_instances.sql")
        return asyncio.run(_measure(fleet, moves=2 if quick else 9, beats=5 if quick else 30))


def goals(figures: Figures) -> list[Goal]:
    start, beat = figures["start"], figures["beat"]
    old, new = figures["move"]["from"], figures["move"]["to"]
    return [
        Goal(
            "Round trips of a worker's start",
            "at most 8: connection, limits, LISTEN, register, attach, read; beat when there are streams, and its word",
            f"{start['round_trips']:.0f}",
            start["round_trips"] <= 8,
        ),
        Goal("Round trips of a beat", "1", f"{beat['round_trips']:.2f}", beat["round_trips"] <= 1),
        Goal(
            "Round trips of a move, old and new owner together",
            "at most 6: beat, word and check by each",
            f"{old['round_trips'] + new['round_trips']:.1f}",
            old["round_trips"] + new["round_trips"] <= 6,
            "The next owner is notified when the stream is asked for and when it is there, and beats two seconds "
            "after the first at the latest, in case the second is lost.",
        ),
    ]


def plots(figures: Figures) -> dict[str, Plot]:
    return {}


async def _measure(fleet: MeasuredFleet, moves: int, beats: int) -> dict[str, Any]:
    async with _worker(fleet, "wire-1") as one:
        await _until(fleet, lambda: _running(fleet, "wire-1") == SIZE.streams)
        start = one.since(Words())
        db.call(fleet.conn, "pause_balancing")
        async with _worker(fleet, "wire-2") as other:
            await _until(fleet, lambda: bool(_row(fleet, "wire-2")))
            await asyncio.sleep(AFTERWARDS)
            before = replace(one), replace(other)
            for moved in range(moves):
                [stream, *_] = db.view(fleet.conn, "assignments", where={"instance_id": "wire-1"}, limit=1)
                db.call(fleet.conn, "move_stream", stream_id=stream["stream_id"], instance_id="wire-2")
                await _until(fleet, partial(_runs, fleet, "wire-2", moved + 1))
                await asyncio.sleep(AFTERWARDS)
            gave, got = one.since(before[0], moves), other.since(before[1], moves)
    db.call(fleet.conn, "set_setting", name="heartbeat_interval", value="1 second")
    async with _worker(fleet, "wire-3") as words:
        await _until(fleet, lambda: _beats(fleet, "wire-3") >= 5)  # its calls are prepared
        began, at_first = replace(words), _beats(fleet, "wire-3")
        await _until(fleet, lambda: _beats(fleet, "wire-3") >= at_first + beats)
        beat = words.since(began, _beats(fleet, "wire-3") - at_first)
    return {
        "start": start,
        "beat": beat,
        "move": {"from": gave, "to": got},
        "moves": moves,
        "beats": beats,
        "streams": SIZE.streams,
    }


@asynccontextmanager
async def _worker(fleet: MeasuredFleet, instance_id: str) -> AsyncIterator[Words]:
    """A worker whose handlers only wait, over a line that counts."""

    async def handler(stream: object, context: object) -> None:
        await asyncio.Event().wait()

    given = conninfo_to_dict(fleet.dsn)
    words = Words()
    line = await asyncio.start_server(
        partial(_serve, Path(str(given["host"])) / f".s.PGSQL.{given['port']}", words), "127.0.0.1", 0
    )
    port = line.sockets[0].getsockname()[1]
    # what is encrypted cannot be counted
    dsn = make_conninfo(fleet.dsn, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
    worker = Worker(dsn, instance_id, SIZE.streams, handler, on_exit="leave")
    running = asyncio.create_task(worker.run_async())
    try:
        yield words
    finally:
        worker.stop()
        await running
        line.close()


async def _serve(upstream: Path, words: Words, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    server_reader, server_writer = await asyncio.open_unix_connection(str(upstream))
    with suppress(asyncio.CancelledError):  # the loop ends: the speaker has left
        await asyncio.gather(_count_sent(reader, server_writer, words), _count_received(server_reader, writer, words))


async def _count_sent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: Words) -> None:
    while piece := await reader.read(65536):
        words.sent += len(piece)
        writer.write(piece)
    writer.close()


async def _count_received(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: Words) -> None:
    with suppress(asyncio.IncompleteReadError):
        while True:
            head = await reader.readexactly(5)  # its kind, and its length but for the kind
            body = await reader.readexactly(int.from_bytes(head[1:]) - 4)
            words.received += len(head) + len(body)
            words.round_trips += head[:1] == READY
            writer.write(head + body)
    writer.close()


async def _until(fleet: MeasuredFleet, is_so: Callable[[], bool]) -> None:
    """Let the jobs run until it is so."""
    give_up_at = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > give_up_at:
            raise TimeoutError("the workers did not get there")
        db.call(fleet.conn, "run_due_jobs")
        await asyncio.sleep(0.02)


def _row(fleet: MeasuredFleet, instance_id: str) -> list[db.Row]:
    return db.view(fleet.conn, "instances", where={"instance_id": instance_id})


def _running(fleet: MeasuredFleet, instance_id: str) -> int:
    return len(db.view(fleet.conn, "assignments", where={"instance_id": instance_id, "state": "running"}))


def _runs(fleet: MeasuredFleet, instance_id: str, streams: int) -> bool:
    return _running(fleet, instance_id) == streams


def _beats(fleet: MeasuredFleet, instance_id: str) -> int:
    rows = fleet.run("wire/beats.sql", {"instance_id": instance_id})
    return int(rows[0]["beats"]) if rows else 0


if __name__ == "__main__":
    part.run_alone(cast(part.Part, sys.modules[__name__]))
