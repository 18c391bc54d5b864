"""An hour of churn in a few minutes: what it does to the memory of a driver and of two workers.

The jobs are due and the workers beat many times as often as in life, and streams move from one worker to the other and
back all the time. Both are processes as they run in life; their memory is read from outside.
"""

import statistics
import threading
import time
from itertools import cycle
from typing import Any

import psutil

from bench.history import driver
from bench.server import MeasuredFleet, Size, server
from bench.shim_memory import MIB, working
from orchestrator.database import db

KINDS = ("driver", "worker")
_STARTING = 2


def measure(seconds: float, streams: int = 200, times: int = 40, moves_a_second: float = 50) -> dict[str, Any]:
    """Resident memory of each process over the time, and how it grew over the second half."""
    with server() as measured, measured.clone(measured.prepare(Size(0, 0)), Size(0, 0)) as fleet:
        runs_an_hour = fleet.run("growth/runs_an_hour.sql")[0]["runs"]
        fleet.run("growth/hurry.sql", times=times)
        fleet.run("growth/add_streams.sql", streams=streams)
        held = {"bench-a": streams // 2, "bench-b": streams - streams // 2}
        with working(fleet, "coroutines", streams, held) as [worker, _], driver(fleet) as process:
            watched = {"driver": psutil.Process(process.pid), "worker": worker}
            time.sleep(_STARTING)
            before = fleet.run("growth/job_runs.sql")[0]
            samples = _sample(fleet, watched, seconds, moves_a_second)
            after = fleet.run("growth/job_runs.sql")[0]
    done = {name: int(after[name]) - int(before[name]) for name in ("runs", "moves", "decisions")}
    return {
        "seconds": seconds,
        "streams": streams,
        "times": times,
        "hours": round(done["runs"] / runs_an_hour, 2),
        **done,
        **{name: _growth([sample[0] for sample in samples], [sample[1][name] for sample in samples]) for name in KINDS},
        "samples": [[round(at, 1), memory] for at, memory in samples],
    }


def _sample(
    fleet: MeasuredFleet, watched: dict[str, psutil.Process], seconds: float, moves_a_second: float
) -> list[tuple[float, dict[str, float]]]:
    stop = threading.Event()
    moving = threading.Thread(target=_move, args=(fleet, moves_a_second, stop), daemon=True)
    moving.start()
    samples = []
    started = time.monotonic()
    try:
        while (at := time.monotonic() - started) < seconds:
            samples.append((at, {name: round(process.memory_info().rss / MIB, 3) for name, process in watched.items()}))
            time.sleep(0.5)
    finally:
        stop.set()
        moving.join()
    return samples


def _move(fleet: MeasuredFleet, a_second: float, stop: threading.Event) -> None:
    """One stream after the other goes to the worker that does not have it."""
    conn = fleet.connect()
    other = {"bench-a": "bench-b", "bench-b": "bench-a"}
    streams = db.view(conn, "streams", order_by=["stream_id"])
    for stream in cycle(streams):
        if stop.wait(1 / a_second):
            return
        [now] = db.view(conn, "streams", where={"stream_id": stream["stream_id"]})
        if now["state"] == "running":
            db.call(conn, "move_stream", stream_id=now["stream_id"], instance_id=other[now["instance_id"]])


def _growth(at: list[float], mib: list[float]) -> dict[str, float]:
    """The line of least squares through the second half, and the ends of it all."""
    half = len(at) // 2
    slope = statistics.linear_regression(at[half:], mib[half:]).slope
    return {
        "first_mib": mib[0],
        "half_mib": mib[half],
        "last_mib": mib[-1],
        "kib_a_minute": round(slope * 60 * 1024, 1),
        "grown_mib": round(slope * (at[-1] - at[half]), 3),
    }
