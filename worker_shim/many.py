"""Several workers in one process, over one connection: the way out for very large fleets.

Until PostgreSQL 19 each notification wakes every session that LISTENs. Each worker stays an instance of its own, with
its beats, its channel and its session lock; when the connection is lost, each comes back as it would alone.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Sequence
from types import FrameType

from orchestrator.redact import redact_error
from worker_shim.arguments import require
from worker_shim.loop import run_loop
from worker_shim.worker import Worker

logger = logging.getLogger("worker_shim")


def run_workers(workers: Sequence[Worker]) -> None:
    """Work until all are stopped; SIGTERM and SIGINT stop them when this is the main thread.

    They need the same DSN, schema and network_timeout. One that ends with an error (Refused) leaves the others alone;
    the first such error is raised at the end.
    """
    run_loop(run_workers_async(workers, signals=threading.current_thread() is threading.main_thread()))


async def run_workers_async(workers: Sequence[Worker], *, signals: bool = False) -> None:
    """`run_workers` for asyncio. Cancelling it stops the handlers and says nothing to the database."""
    check_workers(workers)
    first, *others = workers
    for worker in others:
        worker.share_connection(first)
    if signals:

        def stop() -> None:
            for worker in workers:
                worker.stop()

        def look_at_the_clock(number: int, frame: FrameType | None) -> None:
            for worker in workers:
                worker.look_at_the_clock(number, frame)

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        signal.signal(signal.SIGCONT, look_at_the_clock)
    errors = [error for error in await asyncio.gather(*map(_run, workers), return_exceptions=True) if error is not None]
    if errors:
        raise errors[0]


def check_workers(workers: Sequence[Worker]) -> None:
    """At least one, each of them another."""
    is_good = bool(workers) and all(isinstance(each, Worker) for each in workers) and len(set(workers)) == len(workers)
    require(is_good, "workers", "a sequence of one Worker or more, each of them another", workers)


async def _run(worker: Worker) -> None:
    try:
        await worker.run_async()
    except Exception as error:
        logger.critical("worker ended instance_id=%s error=%r", worker.instance_id, redact_error(error))
        raise
