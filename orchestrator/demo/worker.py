"""A worker of the demo: really connects, really decodes, and writes each second that it heard into the ledger.

This is what a company's own program looks like with `worker_shim` inside. Three rules make its record exact:

- A handler raises the fence with its epoch before it connects, and counts only what it heard completely after that.
- It writes no second that this process has written before, under whichever epoch.
- It stops at the end of a second, writes it, and only then lets the stream go; so a hand-over need not lose any.

With `handoff_mode` make_before_break it hears a stream before it owns it and keeps what it hears. When it is the owner
it raises the fence, learns which second was the last that the old owner wrote, and writes what it kept after that one.

    python -m orchestrator.demo.worker --instance-id worker-1 --max-streams 30 --dsn DSN --ledger DSN
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import uuid4

import aiohttp
import click
from psycopg.types.json import Jsonb

from orchestrator.database import db
from orchestrator.database.retry import is_retryable
from orchestrator.demo import ledger
from orchestrator.demo.sound import WAV_HEADER_SIZE, Listener, Second
from orchestrator.errors import OrchestratorError
from worker_shim import Context, Stream, Worker
from worker_shim.worker import OnExit

logger = logging.getLogger("orchestrator.demo.worker")

WRITE_EVERY = 0.25
RECONNECT_AFTER = 0.25
# No station is silent for so long; whoever hears nothing for that time connects anew.
NOTHING_HEARD = 10.0
# A handler that is asked to stop ends with the present second, at most this much later.
LAST_SECOND = 1.5
# Seconds that a handler keeps of a stream that is not its own yet, and how many make it ready to own it.
KEPT_SECONDS = 120
READY_AFTER = 2


class Scribe:
    """Writes what the handlers heard: one connection and one batch at a time for the whole process.

    Nothing is dropped while the database is away. A batch whose answer was lost is sent again under its number, which
    the ledger then knows.
    """

    def __init__(self, dsn: str, instance_id: str) -> None:
        self._dsn = dsn
        self._instance_id = instance_id
        self._process = uuid4().hex
        self._conn: db.AsyncConnection | None = None
        self._connecting = asyncio.Lock()
        self._batch = 0
        self._waiting: list[dict[str, Any]] = []
        self._wanted = asyncio.Event()
        self._written = asyncio.Condition()
        self._taken = 0
        self._settled = 0
        self._ended = False

    async def announce(self, stream: Stream) -> int:
        """Raise the fence; waits for the database as long as it takes. Returns the last second that was written."""
        (row,) = await self._call("announce", stream_id=stream.stream_id, epoch=stream.epoch)
        return row["announce"] or 0

    def note(self, stream: Stream, second: Second) -> None:
        """Have a second written soon."""
        self._taken += 1
        self._waiting.append(
            {
                "stream_id": stream.stream_id,
                "station": second.station,
                "second": second.number,
                "epoch": stream.epoch,
                "heard_at": datetime.now(UTC).isoformat(),
            }
        )

    async def flush(self) -> None:
        """Return when everything noted so far is settled: written or refused."""
        until = self._taken
        self._wanted.set()
        async with self._written:
            await self._written.wait_for(lambda: self._settled >= until or self._ended)

    async def run(self) -> None:
        """Write batches until cancelled."""
        try:
            await self._write_batches()
        finally:
            self._ended = True
            async with self._written:
                self._written.notify_all()

    async def _write_batches(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(WRITE_EVERY):
                    await self._wanted.wait()
            self._wanted.clear()
            seconds, self._waiting = self._waiting, []
            if seconds:
                self._batch += 1
                (result,) = await self._call(
                    "record_seconds",
                    process=self._process,
                    batch=self._batch,
                    instance_id=self._instance_id,
                    seconds=Jsonb(seconds),
                )
                if result["refused"]:
                    logger.warning("the fence refused seconds=%d", result["refused"])
            async with self._written:
                self._settled += len(seconds)
                self._written.notify_all()

    async def _call(self, function: str, **parameters: Any) -> list[db.Row]:
        """Call until it is answered; only what trying again cannot mend is raised."""
        while True:
            try:
                return await db.call_async(await self._connection(), function, **parameters)
            except OrchestratorError as error:
                if not is_retryable(error):
                    raise
                logger.info("the ledger is away: %s", error.message)
                await asyncio.sleep(RECONNECT_AFTER)

    async def _connection(self) -> db.AsyncConnection:
        async with self._connecting:
            if self._conn is None or self._conn.closed:
                self._conn = await ledger.connect_async(self._dsn, self._instance_id)
            return self._conn


@dataclass
class Pen:
    """What becomes of the seconds of one stream: they are kept while it is not ours yet, and written then."""

    stream: Stream
    context: Context
    kept: deque[Second] | None

    def keep(self, second: Second) -> None:
        """Keep a second; with enough of them, whatever the old owner has not written by the switch is here."""
        assert self.kept is not None
        self.kept.append(second)
        self.context.progress()
        if len(self.kept) >= READY_AFTER:
            self.context.ready()


class Ear:
    """The handler: hears one stream for as long as it is ours."""

    def __init__(self, scribe: Scribe, http: aiohttp.ClientSession) -> None:
        self._scribe = scribe
        self._http = http
        self._last_second: dict[int, int] = {}

    async def listen(self, stream: Stream, context: Context) -> None:
        """Hear a stream until cancelled, then end with the present second."""
        kept: deque[Second] | None = None if context.is_owner else deque(maxlen=KEPT_SECONDS)
        if kept is None:
            await self._scribe.announce(stream)
        leaving = asyncio.Event()
        pen = Pen(stream, context, kept)
        hearing = asyncio.create_task(self._hear(pen, leaving))
        try:
            if kept is not None:
                await context.ownership()
                await self._take_over(pen)
            await asyncio.shield(hearing)
        except asyncio.CancelledError:
            leaving.set()
            await asyncio.wait((hearing,), timeout=LAST_SECOND)
            hearing.cancel()
            await self._scribe.flush()
            raise

    async def _take_over(self, pen: Pen) -> None:
        last_second = await self._scribe.announce(pen.stream)
        kept, pen.kept = pen.kept or (), None
        for second in kept:
            if second.number > last_second:
                self._note(pen, second)

    async def _hear(self, pen: Pen, leaving: asyncio.Event) -> None:
        while not leaving.is_set():
            try:
                await self._hear_connection(pen, leaving)
            except (aiohttp.ClientError, TimeoutError, EOFError) as error:
                pen.context.error(error)
            if not leaving.is_set():
                await asyncio.sleep(RECONNECT_AFTER)

    async def _hear_connection(self, pen: Pen, leaving: asyncio.Event) -> None:
        async with self._http.get(pen.stream.url) as response:
            response.raise_for_status()
            await response.content.readexactly(WAV_HEADER_SIZE)
            listener = Listener()
            async for piece in response.content.iter_any():
                for second in listener.hear(piece):
                    if pen.kept is None:
                        self._note(pen, second)
                    else:
                        pen.keep(second)
                    if leaving.is_set():
                        return

    def _note(self, pen: Pen, second: Second) -> None:
        stream_id = pen.stream.stream_id
        if pen.context.valid and second.number > self._last_second.get(stream_id, 0):
            self._last_second[stream_id] = second.number
            self._scribe.note(pen.stream, second)
            pen.context.processed()


async def work(dsn: str, ledger_dsn: str, instance_id: str, max_streams: int, **options: Any) -> None:
    """Run the worker until it is told to leave; `options` are those of `worker_shim.Worker`."""
    scribe = Scribe(ledger_dsn, instance_id)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=NOTHING_HEARD, sock_read=NOTHING_HEARD)
    connector = aiohttp.TCPConnector(limit=0)
    async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
        writing = tasks.create_task(scribe.run())
        ear = Ear(scribe, http)
        await Worker(dsn, instance_id, max_streams, ear.listen, make_before_break=True, **options).run_async(
            signals=True
        )
        await scribe.flush()
        writing.cancel()


@click.command()
@click.option("--dsn", required=True, help="The orchestrator's database.")
@click.option("--ledger", "ledger_dsn", required=True, help="The database of results.")
@click.option("--instance-id", required=True)
@click.option("--max-streams", type=int, required=True)
@click.option("--on-exit", type=click.Choice(get_args(OnExit)), default="drain", help="What SIGTERM does.")
@click.option("--lease", type=float, help="Stop all handlers before so many seconds without an accepted beat are over.")
def main(dsn: str, ledger_dsn: str, instance_id: str, max_streams: int, on_exit: OnExit, lease: float | None) -> None:
    """Hear the streams that the orchestrator gives to this instance."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.Formatter.converter = time.gmtime
    isolation = {"on_isolation": "stop", "lease": lease} if lease else {}
    asyncio.run(work(dsn, ledger_dsn, instance_id, max_streams, on_exit=on_exit, **isolation))


if __name__ == "__main__":
    main()
