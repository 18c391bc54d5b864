"""What hears in the benchmark of listening: a process that prints a line with the time (system-wide) for each sound.

python -m bench.notification_listener bare DSN CHANNEL            a client that LISTENs, and nothing else
python -m bench.notification_listener worker DSN INSTANCE_ID      a worker; its handler's start is the sound
python -m bench.notification_listener workers DSN INSTANCE_ID     so many workers as one host has, over one connection
python -m bench.notification_listener polling DSN INSTANCE_ID     a worker that asks and does not LISTEN
"""

import asyncio
import sys
import time

import psycopg

from bench.server import statement
from worker_shim import Context, Stream, Worker, run_workers

PER_HOST = 30


def hear(dsn: str, channel: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(statement("listen.sql", instance_id=channel))
        _say("ready")
        for _ in conn.notifies():
            _say(time.monotonic())


async def handle(stream: Stream, context: Context) -> None:
    _say(time.monotonic())
    await asyncio.Event().wait()


def _say(what: object) -> None:
    print(what, flush=True)


if __name__ == "__main__":
    kind, dsn, name = sys.argv[1:]
    if kind == "bare":
        hear(dsn, name)
    else:
        _say("ready")
        others = [f"{name}-{number}" for number in range(2, PER_HOST + 1)] if kind == "workers" else []
        run_workers(
            [Worker(dsn, each, 10, handle, on_exit="leave", listen=kind != "polling") for each in (name, *others)]
        )
