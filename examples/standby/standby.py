"""The smallest handler that loses nothing: not when a stream changes hands, and not when its owner is killed.

    ORCHESTRATOR_DSN='host=db.example.org dbname=orchestrator user=fingerv7' \
    MUSIC_LOG_DSN='host=results.example.org dbname=music_log user=fingerv7' \
    SERVER_ID=fingerv7-001 MAX_STREAMS=100 WORKER_HOST=rack-7 python examples/standby/standby.py

Needs ffmpeg. The table is heard.sql; the fleet's settings are `handoff_mode` make_before_break and `standbys` 1.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

import psycopg

from worker_shim import Context, Stream, Worker

SERVER_ID = os.environ.get("SERVER_ID", "fingerv7-001")
RATE = 8000
READY_AFTER = 2  # seconds that were heard: more than an owner has heard and not written when it hands over


class Second(NamedTuple):
    """What is kept of a second of sound: its fingerprint, which is small."""

    number: int  # since 1970; all listeners have to call it by the same number
    fingerprint: bytes


async def hear(url: str) -> AsyncIterator[Second]:
    """The seconds of a station, for ever. Connects again by itself: a handler that ends loses what it kept.

    They are numbered by the clock here, so two listeners differ by a part of a second; a time in the sound is exact.
    """
    command = f"ffmpeg -nostdin -loglevel error -i URL -ac 1 -ar {RATE} -f s16le -".split()
    while True:
        process = await asyncio.create_subprocess_exec(
            *(url if word == "URL" else word for word in command), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            sound, first, heard = await process.stdout.readexactly(2 * RATE), int(time.time()), 0
            while True:
                yield Second(first + heard, fingerprint(sound))
                sound, heard = await process.stdout.readexactly(2 * RATE), heard + 1
        except asyncio.IncompleteReadError:
            await asyncio.sleep(1)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def fingerprint(sound: bytes) -> bytes:
    """Your own takes the place of this one."""
    return hashlib.sha256(sound).digest()


class Results:
    """The table: one connection, which the tasks of all streams share."""

    ADVANCE = "select orchestrator_fence.advance(%s::bigint, %s::bigint)"
    WRITE = (
        "insert into heard (stream_id, second, epoch, fingerprint, server_id)"
        " values (%s, %s, %s, %s, %s) on conflict do nothing"
    )

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: psycopg.AsyncConnection | None = None
        self._connecting = asyncio.Lock()

    async def advance(self, stream: Stream) -> None:
        """Raise the fence: what an older owner has under way is written when this returns, and nothing of it after."""
        await (await self._connection()).execute(self.ADVANCE, (stream.stream_id, stream.epoch))

    async def write(self, stream: Stream, seconds: Iterable[Second]) -> None:
        """All of them, each once; the fence leaves them out when the stream is another's."""
        rows = [(stream.stream_id, each.number, stream.epoch, each.fingerprint, SERVER_ID) for each in seconds]
        async with (await self._connection()).cursor() as cursor:
            await cursor.executemany(self.WRITE, rows)

    async def _connection(self) -> psycopg.AsyncConnection:
        async with self._connecting:
            if self._conn is None or self._conn.closed:
                self._conn = await psycopg.AsyncConnection.connect(self._dsn, autocommit=True, connect_timeout=10)
            return self._conn


results = Results(os.environ.get("MUSIC_LOG_DSN", ""))


async def listen(stream: Stream, context: Context) -> None:
    """Hear a stream; keep what is heard while another owns it, and write all that is kept as soon as it is ours."""
    kept: deque[Second] = deque()
    is_announced = False
    async for second in hear(stream.url):
        context.progress()
        kept.append(second)
        if not context.is_owner:
            while len(kept) > context.window_seconds:
                kept.popleft()
            if len(kept) >= READY_AFTER:
                context.ready()
            continue
        try:
            if not is_announced:
                await results.advance(stream)
                is_announced = True
            await results.write(stream, kept)
        except psycopg.OperationalError as error:  # the table is away: keep it, and try again with the next second
            context.error(error)
        else:
            context.processed(len(kept))
            kept.clear()


if __name__ == "__main__":
    Worker(
        *(os.environ.get("ORCHESTRATOR_DSN", ""), SERVER_ID, int(os.environ.get("MAX_STREAMS", "100")), listen),
        make_before_break=True,
        standbys=True,
    ).run()
