"""A worker in a process of its own that can be frozen; writes down each piece that its handlers hear.

    python -m tests.shim.isolated KIND DSN SCHEMA INSTANCE_ID FILE

Lines of FILE: time (CLOCK_MONOTONIC), stream_id, epoch, whether it was valid (1 or 0); or "program PID".
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from worker_shim import Context, Stop, Stream, Worker, isolation
from worker_shim.handlers import program

LEASE, STOP_TIMEOUT = 6.0, 1.0


def main(kind: str, dsn: str, schema: str, instance_id: str, path: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(stream: Stream, valid: bool) -> None:
        os.write(file, f"{time.monotonic()} {stream.stream_id} {stream.epoch} {valid:d}\n".encode())

    async def listen(stream: Stream, context: Context) -> None:
        url = urlsplit(stream.url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        try:
            while await reader.read(100):
                note(stream, context.valid)
        finally:
            writer.close()

    def listen_in_a_thread(stream: Stream, stop: Stop) -> None:
        url = urlsplit(stream.url)
        with socket.create_connection((url.hostname or "", url.port or 0)) as radio:
            while not stop.is_set():
                radio.recv(100)
                if stop.valid:
                    note(stream, True)

    def ignore(stream: Stream, stop: Stop) -> None:
        while True:
            note(stream, stop.valid)
            time.sleep(0.02)

    async def block(stream: Stream, context: Context) -> None:
        """Every other stream is a program that ignores SIGTERM; SIGUSR1 blocks the loop, as a careless handler does."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, time.sleep, 1000)
        if stream.stream_id % 2:
            stubborn = "trap '' TERM; while true; do sleep 0.05; done"
            command = shlex.join(["sh", "-c", f"echo program $$ >> {shlex.quote(path)}; {stubborn}"])
            await program(command, STOP_TIMEOUT)(stream, context)
        await asyncio.Event().wait()

    kinds: dict[str, Callable[..., Any]] = {
        "async": listen,
        "unwatched": listen,
        "thread": listen_in_a_thread,
        "ignoring": ignore,
        "blocking": block,
    }
    if kind == "unwatched":
        isolation.LOOK_EVERY = 3600  # nothing but SIGCONT is left to notice the time
    Worker(
        dsn,
        instance_id,
        10,
        kinds[kind],
        schema=schema,
        on_isolation="stop",
        on_exit="leave",
        lease=LEASE,
        stop_timeout=STOP_TIMEOUT,
    ).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
