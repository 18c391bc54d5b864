"""A worker with on_isolation = stop whose handlers end late, in a program that lives on after it has left.

    python -m tests.shim.leaving HANDLER DSN SCHEMA FILE ON_EXIT INSTANCE_ID [INSTANCE_ID]

SIGTERM stops the workers, once more with each; SIGUSR1 gives all streams back; SIGUSR2 has the protocol fail. FILE gets
a line for each piece that is heard: time (CLOCK_MONOTONIC) and stream_id.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

from worker_shim import Context, Stop, Stream, Worker, run_workers
from worker_shim.handlers import program

LEASE, STOP_TIMEOUT = 5.0, 0.5
ENDS_AFTER = 3.0  # seconds: later than a worker that leaves waits for, sooner than its lease is over
HEARS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
while True:
    os.write(file, f"{time.monotonic()} {sys.argv[2]}\\n".encode())
    time.sleep(0.02)
"""


def main(kind: str, dsn: str, schema: str, path: str, on_exit: Any, *instance_ids: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def hear(stream: Stream) -> None:
        os.write(file, f"{time.monotonic()} {stream.stream_id}\n".encode())

    def listen(stream: Stream, stop: Stop) -> None:
        until = float("inf")
        while time.monotonic() < until:
            hear(stream)
            if kind != "ignoring" and stop.wait(0.02):
                until = min(until, time.monotonic() + ENDS_AFTER)
            time.sleep(0.02)

    async def listen_in_the_loop(stream: Stream, context: Context) -> None:
        until = float("inf")
        while time.monotonic() < until:
            hear(stream)
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                until = time.monotonic() + ENDS_AFTER

    command = shlex.join([sys.executable, "-c", HEARS, path, "{stream_id}"])
    handlers: dict[str, Any] = {
        "thread": listen,
        "ignoring": listen,
        "coroutine": listen_in_the_loop,
        "program": program(command, STOP_TIMEOUT, killed_with_worker=True),
    }
    options: dict[str, Any] = {
        "schema": schema,
        "on_isolation": "stop",
        "on_exit": on_exit,
        "lease": LEASE,
        "stop_timeout": STOP_TIMEOUT,
        "drain_timeout": 0.5,
    }
    workers = [Worker(dsn, each, 10, handlers[kind], **options) for each in instance_ids]

    def stop(number: int, frame: FrameType | None) -> None:
        for worker in workers:
            worker.stop()

    def release(number: int, frame: FrameType | None) -> None:
        for worker in workers:
            worker.release([stream.stream_id for stream in worker.streams])

    def fail(number: int, frame: FrameType | None) -> None:
        for worker in workers:
            worker._protocol._step = None  # type: ignore[method-assign,assignment]

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGUSR1, release)
    signal.signal(signal.SIGUSR2, fail)
    threading.Thread(target=run_workers, args=[workers], daemon=True).start()
    while True:
        time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
