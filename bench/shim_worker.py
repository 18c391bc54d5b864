"""A worker of ours that hears nothing and logs what it runs: SIGTERM drains it, SIGUSR1 ends it to be back at once.

python -m bench.shim_worker DSN ID MAX_STREAMS LOG
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from bench.run_log import Writer
from worker_shim import Context, Stream, Worker


async def main(dsn: str, name: str, max_streams: str, log: str) -> None:
    """Take part until a signal."""
    writer = Writer(Path(log), name)

    async def run(stream: Stream, context: Context) -> None:
        writer.note("+", stream.stream_id)
        context.ready()  # of what is not its own yet: who hears nothing need not wait for sound
        try:
            await asyncio.Event().wait()
        finally:
            writer.note("-", stream.stream_id)

    worker = Worker(dsn, name, int(max_streams), run, make_before_break=True)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, worker.stop)
    loop.add_signal_handler(signal.SIGUSR1, worker.stop, "suspend")
    await worker.run_async()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
