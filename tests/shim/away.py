"""Workers in a program of their own, which SIGTERM finds while their database is away.

python -m tests.shim.away HANDLER DSN SCHEMA ON_EXIT SCALE INSTANCE_ID [INSTANCE_ID]

SCALE shortens all that takes its time in a departure.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from typing import Any

from worker_shim import Context, Stop, Stream, Worker, departure, run_workers
from worker_shim.handlers import program

STOP_TIMEOUT = 10.0


def main(kind: str, dsn: str, schema: str, on_exit: Any, scale: str, *instance_ids: str) -> None:
    for name in ("ENDS_WITHIN", "LAST_WORD", "CLOSING"):
        setattr(departure, name, getattr(departure, name) * float(scale))
    stop_timeout = max(0.0, (STOP_TIMEOUT + 1) * float(scale) - 1)
    if kind == "looking up":
        socket.getaddrinfo = lambda *_, **__: time.sleep(600)  # type: ignore[assignment]  # it never answers

    async def good(stream: Stream, context: Context) -> None:
        await asyncio.Event().wait()

    def deaf(stream: Stream, stop: Stop) -> None:
        while True:
            time.sleep(1)

    async def swallowing(stream: Stream, context: Context) -> None:
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                continue

    handlers: dict[str, Any] = {
        "thread": deaf,
        "coroutine": swallowing,
        "program": program("sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'", stop_timeout),
    }
    options: dict[str, Any] = {"on_isolation": "stop", "lease": 90} if kind == "promise" else {}
    options |= {"schema": schema, "on_exit": on_exit, "stop_timeout": stop_timeout}
    run_workers([Worker(dsn, each, 1, handlers.get(kind, good), **options) for each in instance_ids])


if __name__ == "__main__":
    main(*sys.argv[1:])
