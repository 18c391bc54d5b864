"""A host that changed one import: it speaks to its older module's face on a worker, and the judge reads its notes.

python -m tests.field.face_host KIND DSN SCHEMA NAME MAX_STREAMS NOTES

KIND is `stops` (it stops the streams that it is told of) or `keeps` (it stops none before it ends).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

from tests.field.hearing import Hearing
from tests.field.wire import Notes
from worker_shim.resilient_worker_client import create_resilient_worker_client

ASK_EVERY = 0.15  # 3 s of the field, twenty times as fast


async def main(kind: str, dsn: str, schema: str, name: str, max_streams: str, notes: str) -> None:
    noted, leaves = Notes(Path(notes)), asyncio.Event()
    hearing = Hearing(noted)
    noted.heard("begin")
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, leaves.set)
    # its half hour is over: it replaces itself and says nothing
    again = [sys.executable, "-m", "tests.field.face_host", *sys.argv[1:]]
    loop.add_signal_handler(signal.SIGUSR1, os.execv, sys.executable, again)

    async def stop(numbers: list[int]) -> None:
        for number in numbers:
            hearing.stop(number)

    client = create_resilient_worker_client(
        dsn, name, int(max_streams), schema=schema, on_streams_taken=stop if kind == "stops" else None
    )
    await client.register()
    await client.register()
    while not leaves.is_set():
        for number in await client.request_streams():
            hearing.start(number)
        await client.send_heartbeat()
        await asyncio.sleep(ASK_EVERY)
    if kind == "keeps":  # a host stops its own tasks before it gives back
        await stop(client.get_all_assigned_streams())
    # as at a restart of the real one: in another loop, and this one stands still
    thread = threading.Thread(target=lambda: asyncio.run(client.release_streams(client.get_all_assigned_streams())))
    thread.start()
    await asyncio.to_thread(thread.join)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
