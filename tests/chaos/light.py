"""Workers without audio, several in one process: real sessions and real beats, and handlers that only wait.

python -m tests.chaos.light --dsn DSN --first 1 --workers 8 --max-streams 150 --start-at 1767225600
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time

import click

from worker_shim import Context, Stream, Worker


async def hold(stream: Stream, context: Context) -> None:
    """Have a stream until cancelled."""
    context.ready()
    await asyncio.Event().wait()


async def work(dsn: str, first: int, workers: int, max_streams: int, start_at: float) -> None:
    """Run light-FIRST and so on until SIGTERM; all of them will be back under their ids."""
    fleet = [
        Worker(dsn, f"light-{number}", max_streams, hold, on_exit="suspend", make_before_break=True)
        for number in range(first, first + workers)
    ]

    def leave() -> None:
        for worker in fleet:
            worker.stop()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave)
    await asyncio.sleep(max(0.0, start_at - time.time()))
    await asyncio.gather(*(worker.run_async() for worker in fleet))


@click.command()
@click.option("--dsn", required=True)
@click.option("--first", type=int, required=True, help="Number of the first worker.")
@click.option("--workers", type=int, default=1, help="How many there are in this process.")
@click.option("--max-streams", type=int, required=True)
@click.option("--start-at", type=float, default=0, help="Seconds since 1970.")
def main(dsn: str, first: int, workers: int, max_streams: int, start_at: float) -> None:
    """Take part in a fleet without hearing anything."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(work(dsn, first, workers, max_streams, start_at))


if __name__ == "__main__":
    main()
