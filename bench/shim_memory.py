"""What a worker with many streams costs beside its handlers: memory of one worker process, as JSON.

    python bench/shim_memory.py [STREAMS]

A worker process of its own holds the streams with handlers that do nothing: coroutines, threads, and programs (whose
own memory is not counted).
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg

MIB = 1024 * 1024
GOAL_MIB = 60
KINDS = ("coroutines", "threads", "programs")


def measure(streams: int = 200) -> dict[str, Any]:
    """Memory in MiB of a worker without and with so many streams.

    rss counts pages shared with other processes, too (the interpreter, libpq); uss only what this worker adds.
    """
    from orchestrator.embedded import Embedded
    from orchestrator.migrate import migrate

    with tempfile.TemporaryDirectory(prefix="shim-memory-", dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        with Embedded(Path(directory) / "pg", settings={"fsync": "off"}) as server:
            migrate(server.dsn())
            with psycopg.connect(server.dsn(), autocommit=True) as admin:
                admin.execute("select * from orchestrator.set_setting('settle_window', '0 seconds')")
                result: dict[str, Any] = {"streams": streams, "goal_mib": GOAL_MIB}
                result["idle"] = _memory_of(server.dsn(), "coroutines", 0, admin)
                admin.execute(
                    "select from generate_series(1, %s) as n, orchestrator.add_stream('http://station.example/' || n)",
                    [streams],
                )
                for kind in KINDS:
                    result[kind] = _memory_of(server.dsn(), kind, streams, admin)
    result["within_goal"] = max(result[kind]["rss_mib"] for kind in KINDS) < GOAL_MIB
    return result


def _memory_of(dsn: str, kind: str, streams: int, admin: psycopg.Connection[Any]) -> dict[str, float]:
    worker = subprocess.Popen([sys.executable, __file__, "--worker", dsn, kind, str(max(streams, 1))])
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            admin.execute("select * from orchestrator.run_due_jobs()")
            row = admin.execute(
                "select count(*) filter (where state = 'running') from orchestrator_private.assignment"
            ).fetchone()
            beat = admin.execute("select 1 from orchestrator_private.heartbeat where status = 'active'").fetchone()
            if row is not None and row[0] == streams and beat:
                break
            time.sleep(0.1)
        else:
            raise TimeoutError(f"{streams} streams were not confirmed")
        time.sleep(3)  # past the beat that checks the registration
        memory = psutil.Process(worker.pid).memory_full_info()
        return {"rss_mib": round(memory.rss / MIB, 1), "uss_mib": round(memory.uss / MIB, 1)}
    finally:
        worker.terminate()
        worker.wait()


def _work(dsn: str, kind: str, streams: int) -> None:
    from worker_shim import Context, Stop, Stream, Worker
    from worker_shim.handlers import program

    async def wait(stream: Stream, context: Context) -> None:
        await asyncio.Event().wait()

    def wait_in_thread(stream: Stream, stop: Stop) -> None:
        stop.wait()

    handlers: dict[str, Any] = {"coroutines": wait, "threads": wait_in_thread, "programs": program("sleep 3600", 5)}
    Worker(dsn, "bench", streams, handlers[kind], on_exit="leave").run()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _work(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 200), indent=2))
