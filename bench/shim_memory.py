"""What a worker with many streams costs beside its handlers: memory and CPU of one worker process, as JSON.

    python -m bench.shim_memory [STREAMS]

A worker process of its own holds the streams with handlers that do nothing: coroutines, threads, and programs (whose
own memory is not counted).
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from bench.server import MeasuredFleet, Size, server

MIB = 1024 * 1024
GOAL_MIB = 60
KINDS = ("coroutines", "threads", "programs")
INSTANCE = "bench"


def measure(streams: int = 200, *, kinds: Sequence[str] = KINDS, seconds: float = 0) -> dict[str, Any]:
    """Memory in MiB of a worker without and with so many streams, and what it is on a CPU for while nothing happens.

    rss counts pages shared with other processes, too (the interpreter, libpq); uss only what this worker adds.
    """
    result: dict[str, Any] = {"streams": streams, "goal_mib": GOAL_MIB, "seconds": seconds}
    with server() as measured, ExitStack() as stack:
        empty = Size(0, 0)
        template = measured.prepare(empty)
        workers = {}
        for kind in ("idle", *kinds):
            fleet = stack.enter_context(measured.clone(template, empty))
            held = 0 if kind == "idle" else streams
            fleet.run("growth/add_streams.sql", streams=held)
            handler = "coroutines" if kind == "idle" else kind
            [workers[kind]] = stack.enter_context(working(fleet, handler, max(streams, 1), {INSTANCE: held}))
        time.sleep(3)  # past the beat that checks the registration
        before = {kind: _busy(worker) for kind, worker in workers.items()}
        time.sleep(seconds)
        for kind, worker in workers.items():
            memory = worker.memory_full_info()
            result[kind] = {"rss_mib": round(memory.rss / MIB, 1), "uss_mib": round(memory.uss / MIB, 1)}
            if seconds:
                result[kind]["cpu_percent"] = round(100 * (_busy(worker) - before[kind]) / seconds, 2)
    result["within_goal"] = max(result[kind]["rss_mib"] for kind in kinds) < GOAL_MIB
    return result


def _busy(process: psutil.Process) -> float:
    """Seconds on a CPU so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def working(fleet: MeasuredFleet, kind: str, max_streams: int, held: dict[str, int]) -> Iterator[list[psutil.Process]]:
    """A worker process for each of these instances, as soon as each has confirmed so many streams."""
    command = [sys.executable, "-m", "bench.shim_memory", "--worker", fleet.dsn, kind, str(max_streams)]
    root = Path(__file__).parent.parent
    # what a worker logs is no figure
    workers = [subprocess.Popen([*command, name], cwd=root, stdout=subprocess.DEVNULL) for name in held]
    try:
        deadline = time.monotonic() + 120
        while {row["instance_id"]: row["streams"] for row in fleet.run("growth/confirmed.sql")} != held:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{held} streams were not confirmed")
            fleet.run("growth/due_jobs.sql")
            time.sleep(0.1)
        yield [psutil.Process(worker.pid) for worker in workers]
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()


def _work(dsn: str, kind: str, max_streams: int, instance_id: str) -> None:
    from worker_shim import Context, Stop, Stream, Worker
    from worker_shim.handlers import program

    async def wait(stream: Stream, context: Context) -> None:
        await asyncio.Event().wait()

    def wait_in_thread(stream: Stream, stop: Stop) -> None:
        stop.wait()

    handlers: dict[str, Any] = {"coroutines": wait, "threads": wait_in_thread, "programs": program("sleep 3600", 5)}
    Worker(dsn, instance_id, max_streams, handlers[kind], on_exit="leave").run()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _work(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
    else:
        print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 200), indent=2))
