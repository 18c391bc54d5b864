"""What hears in the benchmark of listening, in a process of its own; a line with the time (system-wide, seconds) for each sound.

python -m bench.ear bare DSN CHANNEL            a client that LISTENs, and nothing else
python -m bench.ear workers DSN INSTANCE_ID     a worker; its handler's start is the sound
"""

import asyncio
import sys
import time

import psycopg

from bench.fleet import statement
from worker_shim import Context, Stream, Worker


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
        Worker(dsn, name, 10, handle, on_exit="leave").run()
