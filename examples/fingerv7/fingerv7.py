"""A host on a worker: a task for each station, 15 s of sound after another, one queue, one writer of batches.

    ORCHESTRATOR_DSN='host=db.example.org dbname=orchestrator user=fingerv7' \
    MUSIC_LOG_DSN='host=results.example.org dbname=music_log user=fingerv7' \
    SERVER_ID=fingerv7-001 MAX_STREAMS=60 python examples/fingerv7/fingerv7.py

The orchestrator says which stations; `Worker` starts and ends a task for each. The table of results is music_log.sql.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import psycopg

from worker_shim import Context, Stream, Worker

logger = logging.getLogger("fingerv7")

SERVER_ID = os.environ.get("SERVER_ID", "fingerv7-001")
SAMPLE_SECONDS = float(os.environ.get("IDENTIFICATION_DURATION", "15"))
STOP_SECONDS = 10.0  # from SIGTERM to the end of all tasks
BATCH = 100
WRITE_EVERY = float(os.environ.get("WRITE_EVERY", "5"))  # seconds, when a batch does not fill up
FFMPEG = shutil.which("ffmpeg")
RATE = 8000


@dataclass(frozen=True)
class Result:
    """What was heard, with the ownership under which it was heard: its epoch goes with it into the queue."""

    stream: Stream
    heard_from: datetime
    heard_until: datetime
    fingerprint: str


class MusicLog:
    """The queue and its only writer: batches through the fence, sent again until they are answered."""

    ANNOUNCE = "select orchestrator_fence.advance(%s::bigint, %s::bigint)"
    WRITE = """
        insert into music_log (
            stream_id, epoch, heard_from, heard_until, station_index, station, region, fingerprint, server_id
        ) values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: psycopg.AsyncConnection | None = None
        self._connection = asyncio.Lock()
        self._queue: list[Result] = []
        self._hurry = asyncio.Event()
        self._settled = asyncio.Condition()
        self.heard = self.answered = self.written = 0

    async def announce(self, stream: Stream) -> None:
        """Before a station is heard: from now on nobody writes for it under an older epoch."""
        await self._execute(self.ANNOUNCE, [(stream.stream_id, stream.epoch)])

    def put(self, result: Result) -> None:
        """Have it written with the next batch."""
        self.heard += 1
        self._queue.append(result)
        if len(self._queue) >= BATCH:
            self._hurry.set()

    async def flush(self) -> None:
        """Return when all that was put is in the database, or was refused there."""
        until = self.heard
        self._hurry.set()
        async with self._settled:
            await self._settled.wait_for(lambda: self.answered >= until)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), WRITE_EVERY)
            self._hurry.clear()
            while self._queue:
                batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
                # in one order with the batches of all other hosts, so that none of them is the victim of a deadlock
                batch.sort(key=lambda result: (result.stream.stream_id, result.stream.epoch))
                written = await self._execute(self.WRITE, [_row(result) for result in batch])
                if written < len(batch):
                    logger.warning("rows were refused rows=%d", len(batch) - written)
                async with self._settled:
                    self.answered += len(batch)
                    self.written += written
                    self._settled.notify_all()

    async def _execute(self, statement: str, rows: list[tuple[object, ...]]) -> int:
        """One transaction, again until it is answered; how many rows it wrote."""
        while True:
            try:
                async with self._connection:
                    if self._conn is None or self._conn.closed:
                        self._conn = await psycopg.AsyncConnection.connect(self._dsn, client_encoding="UTF8")
                    async with self._conn.transaction(), self._conn.cursor() as cursor:
                        await cursor.executemany(statement, rows)
                        return cursor.rowcount
            except psycopg.OperationalError as error:  # away, or a deadlock
                logger.warning("music_log does not answer error=%s", error)
                await asyncio.sleep(1)


def _row(result: Result) -> tuple[object, ...]:
    stream = result.stream
    return (
        *(stream.stream_id, stream.epoch, result.heard_from, result.heard_until),
        *(stream.metadata.get("index"), stream.name, stream.metadata.get("regiao"), result.fingerprint, SERVER_ID),
    )


async def sample_with_ffmpeg(url: str) -> bytes:
    """So many seconds of a station; ffmpeg has ended when this has, also when it is cancelled."""
    assert FFMPEG is not None
    command = [FFMPEG, "-nostdin", "-loglevel", "error", "-i", url, "-t", str(SAMPLE_SECONDS)]
    command += ["-ac", "1", "-ar", str(RATE), "-f", "s16le", "pipe:1"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        sound, _ = await process.communicate()
        return sound
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS / 3)
            except TimeoutError:
                process.kill()
                await process.wait()


async def sample_by_hand(url: str) -> bytes:
    """The same without ffmpeg: what a station sends in that time."""
    sound = bytearray()
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=10)
    async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url) as response:
        response.raise_for_status()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAMPLE_SECONDS):
                async for piece in response.content.iter_any():
                    sound += piece
    return bytes(sound)


def identify(sound: bytes) -> str:
    """In place of the recognition of songs."""
    return hashlib.sha256(sound).hexdigest()[:16]


async def main() -> None:
    music_log = MusicLog(os.environ["MUSIC_LOG_DSN"])
    take_sample = sample_with_ffmpeg if FFMPEG else sample_by_hand

    async def hear_station(stream: Stream, context: Context) -> None:
        """The task of a station; cancelled when the station goes to another, who waits until this has ended."""
        await music_log.announce(stream)
        try:
            while True:
                heard_from = datetime.now(UTC)
                sound = await take_sample(stream.url)
                if not sound:
                    raise EOFError(f"{stream.name} sends nothing")  # reported, and tried again with pauses
                if context.valid:
                    music_log.put(Result(stream, heard_from, datetime.now(UTC), identify(sound)))
                    context.processed()
        finally:
            await music_log.flush()  # before the next owner announces itself, which would refuse the rest

    worker = Worker(
        os.environ["ORCHESTRATOR_DSN"],
        SERVER_ID,
        int(os.environ.get("MAX_STREAMS", "20")),
        hear_station,
        schema=os.environ.get("ORCHESTRATOR_SCHEMA", "orchestrator"),
        on_exit="leave",
        stop_timeout=STOP_SECONDS,
    )
    writing = asyncio.create_task(music_log.run())
    await worker.run_async(signals=True)  # until SIGTERM or SIGINT
    await music_log.flush()
    writing.cancel()
    logger.info("end heard=%d written=%d", music_log.heard, music_log.written)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main())
