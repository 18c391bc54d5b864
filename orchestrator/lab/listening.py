r"""The handler of a worker that really connects, really decodes, and writes each second that it heard into the ledger.

This is what a company's own handler looks like. Three rules make its record exact:

- A handler raises the fence with its epoch before it connects, and counts only what it heard completely after that.
- It writes no second that this process has written before, under whichever epoch.
- It stops at the end of a second, writes it, and only then lets the stream go; so a hand-over need not lose any.

With `handoff_mode` make_before_break, or as a standby, it hears a stream before it owns it and keeps what it hears.
When it is the owner it raises the fence, learns which second was the last that the old owner wrote, and writes what it
kept after that one.

It knows of the shim only what a handler is given, and is run by the shim's loader:

    python -m worker_shim.host orchestrator.lab.listening:create --instance-id worker-1 --max-streams 30 \
        --make-before-break --dsn DSN -- LEDGER_DSN
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import uuid4

import aiohttp
from psycopg.types.json import Jsonb

from orchestrator.database import db
from orchestrator.database.retry import is_retryable
from orchestrator.errors import OrchestratorError
from orchestrator.lab import ledger
from orchestrator.lab.sound import WAV_HEADER_SIZE, Listener, Second

logger = logging.getLogger(__name__)

WRITE_EVERY = 0.25
RECONNECT_AFTER = 0.25
# No station is silent for so long; a handler that hears nothing for that time connects anew.
NOTHING_HEARD = 10.0
# A handler that is asked to stop ends with the present second, at most this much later.
LAST_SECOND = 1.5
# How many seconds that it has kept make a handler ready to own a stream.
READY_AFTER = 2


class Stream(Protocol):
    """What a handler is given: a stream under its epoch. Of `worker_shim.Stream` what is needed here."""

    @property
    def stream_id(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def url(self) -> str: ...


class Context(Protocol):
    """What a handler is given beside its stream. Of `worker_shim.Context` what is needed here."""

    @property
    def valid(self) -> bool: ...
    @property
    def is_owner(self) -> bool: ...
    @property
    def window_seconds(self) -> float: ...
    async def ownership(self) -> None: ...
    def ready(self) -> None: ...
    def progress(self) -> None: ...
    def processed(self, count: int = 1) -> None: ...
    def error(self, error: BaseException | str | None = None) -> None: ...


Handler = Callable[[Stream, Context], Awaitable[None]]


class ResultWriter:
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
class Recording:
    """What becomes of the seconds of one stream: they are kept while it is not ours yet, and written then."""

    stream: Stream
    context: Context
    kept: deque[Second] | None

    def keep(self, second: Second) -> None:
        """Keep a second; with enough of them, all that the old owner has not written by the switch is here."""
        assert self.kept is not None
        self.kept.append(second)
        while len(self.kept) > self.context.window_seconds:
            self.kept.popleft()
        self.context.progress()
        if len(self.kept) >= READY_AFTER:
            self.context.ready()


class ListenHandler:
    """The handler: hears one stream for as long as it is ours."""

    def __init__(self, writer: ResultWriter, http: aiohttp.ClientSession) -> None:
        self._writer = writer
        self._http = http
        self._last_second: dict[int, int] = {}

    async def listen(self, stream: Stream, context: Context) -> None:
        """Hear a stream until cancelled, then end with the present second."""
        kept: deque[Second] | None = None if context.is_owner else deque()
        if kept is None:
            await self._writer.announce(stream)
        leaving = asyncio.Event()
        recording = Recording(stream, context, kept)
        hearing = asyncio.create_task(self._hear(recording, leaving))
        try:
            if kept is not None:
                await context.ownership()
                await self._take_over(recording)
            await asyncio.shield(hearing)
        except asyncio.CancelledError:
            leaving.set()
            await asyncio.wait((hearing,), timeout=LAST_SECOND)
            hearing.cancel()
            await self._writer.flush()
            raise

    async def _take_over(self, recording: Recording) -> None:
        last_second = await self._writer.announce(recording.stream)
        kept, recording.kept = recording.kept or (), None
        for second in kept:
            if second.number > last_second:
                self._note(recording, second)

    async def _hear(self, recording: Recording, leaving: asyncio.Event) -> None:
        while not leaving.is_set():
            try:
                await self._hear_connection(recording, leaving)
            except (aiohttp.ClientError, TimeoutError, EOFError) as error:
                recording.context.error(error)
            if not leaving.is_set():
                await asyncio.sleep(RECONNECT_AFTER)

    async def _hear_connection(self, recording: Recording, leaving: asyncio.Event) -> None:
        async with self._http.get(recording.stream.url) as response:
            response.raise_for_status()
            await response.content.readexactly(WAV_HEADER_SIZE)
            listener = Listener()
            async for piece in response.content.iter_any():
                for second in listener.hear(piece):
                    if recording.kept is None:
                        self._note(recording, second)
                    else:
                        recording.keep(second)
                    if leaving.is_set():
                        return

    def _note(self, recording: Recording, second: Second) -> None:
        stream_id = recording.stream.stream_id
        if recording.context.valid and second.number > self._last_second.get(stream_id, 0):
            self._last_second[stream_id] = second.number
            self._writer.note(recording.stream, second)
            recording.context.processed()


@asynccontextmanager
async def create(ledger_dsn: str, *, instance_id: str) -> AsyncIterator[Handler]:
    """The handler of a worker, for `worker_shim.host`. At the end everything that was heard is written."""
    writer = ResultWriter(ledger_dsn, instance_id)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=NOTHING_HEARD, sock_read=NOTHING_HEARD)
    connector = aiohttp.TCPConnector(limit=0)
    async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
        writing = tasks.create_task(writer.run())
        yield ListenHandler(writer, http).listen
        await writer.flush()
        writing.cancel()
