"""From the commit of a decision to the handler of the new owner, by listeners: `python -m bench.listening`.

All are measured from the moment in which COMMIT was sent, in turns, on one server:

- **bare**: pg_notify, and the notification has arrived in a client of another process. Nothing was written, so that the
  server waits for no disk;
- **durable**: the same of a transaction that has written something, as all that is worth a notification has;
- **ours**: the old owner confirms that it stopped (`acknowledge`), and the handler has started in the new owner, a
  worker in another process.

Until PostgreSQL 19 a commit that notifies anything wakes every session of the database that LISTENs to anything.
"""

import select
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import psutil
import psycopg

from bench.measure import percentile
from bench.notification_listener import PER_HOST
from bench.part import Figures, Goal, run_alone
from bench.plots import Plot, new_plot
from bench.server import SERVER_SETTINGS, MeasuredFleet, Size, server, session_cpu_milliseconds, statement
from orchestrator.database import db
from orchestrator.lab.waiting import wait_until

TITLE = "From decision to sound"
LISTENERS = (1, 50, 500, 1_500)
GOAL = 2.0  # times the bare round trip, at the median
STREAM = 1
MEASURED, ELSEWHERE = "measured", "worker-00001"
WHERE_THE_REST_GOES = (
    "with few listeners most of it is the decision's own COMMIT, which waits for the disk as a bare notification does "
    "not, then one read by the worker and the start of its handler: the columns *its COMMIT* and *after it* below."
)
PATIENCE = 60.0
POLL_INTERVAL = 2.0  # seconds; the default of a worker that polls


@dataclass(frozen=True)
class Effort:
    rounds: int
    commits: int
    polls: int
    warm_up: int


WHOLE = Effort(rounds=40, commits=15, polls=12, warm_up=6)
QUICK = Effort(rounds=6, commits=5, polls=2, warm_up=6)


def measure(quick: bool) -> dict[str, Any]:
    """Milliseconds throughout."""
    effort = QUICK if quick else WHOLE
    size = Size(2_000, 50 if quick else max(LISTENERS))
    with server({**SERVER_SETTINGS, "max_connections": str(max(LISTENERS) + 100)}) as measured:
        template = measured.prepare(size)
        with measured.clone(template, size) as fleet:
            rows, count = [], 0
            costs = [cost_of_a_commit(fleet, 0, effort)]
            with ExitStack() as idle:
                for listeners in LISTENERS[: 2 if quick else None]:
                    for number in range(count, listeners - 1):
                        idle.enter_context(_idle_listener(fleet, [f"idle-{number}"]))
                    count = listeners - 1
                    rows.append(from_decision_to_sound(fleet, "worker", listeners, effort))
                    if count > 0:
                        costs.append(cost_of_a_commit(fleet, count, effort))
            return {
                "server": measured.describe(),
                "stream": rows,
                "commits": costs,
                "ways": ways_out(fleet, size.instances, effort),
            }


def ways_out(fleet: MeasuredFleet, instances: int, effort: Effort) -> dict[str, Any]:
    """The same fleet over one connection per host, and without listening at all."""
    with ExitStack() as idle:
        hosts = -(-instances // PER_HOST)
        for host in range(hosts - 1):
            idle.enter_context(_idle_listener(fleet, [f"idle-{host}-{number}" for number in range(PER_HOST)]))
        cost = cost_of_a_commit(fleet, hosts - 1, effort)
        shared = from_decision_to_sound(fleet, "workers", hosts, effort)
    polling = from_decision_to_sound(fleet, "polling", 0, replace(effort, rounds=effort.polls, warm_up=1))
    return {
        "instances": instances,
        "hosts": hosts,
        "shared": {**shared, "commit": cost},
        "polling": {**polling, "poll_interval": POLL_INTERVAL, "beat_cpu_ms": cost_of_a_beat(fleet)},
    }


# -- From decision to sound ---------------------------------------------------


def from_decision_to_sound(fleet: MeasuredFleet, kind: str, listeners: int, effort: Effort) -> dict[str, Any]:
    """So many rounds of each, in turns; the samples are from COMMIT sent, beside how long the commit took."""
    samples: dict[str, list[float]] = {
        f"{kind}{what}": [] for kind in ("bare", "durable", "ours") for what in ("", "_commit")
    }
    with (
        fleet.connect() as conn,
        _listener("bare", fleet, "bare") as listener,
        _listener(kind, fleet, MEASURED) as worker,
    ):
        _wait_for(fleet, "instance.sql", lambda row: row["status"] == "active", instance_id=MEASURED)
        db.call(fleet.conn, "move_stream", stream_id=STREAM, instance_id=ELSEWHERE)
        conn.autocommit = False
        for number in range(effort.warm_up + effort.rounds):
            taken = {}
            conn.execute(statement("notify.sql"), {"channels": ["bare"]})
            taken["bare_commit"], taken["bare"] = _commit(conn, listener)
            _rest(listeners)
            conn.execute(statement("write.sql"))
            conn.execute(statement("notify.sql"), {"channels": ["bare"]})
            taken["durable_commit"], taken["durable"] = _commit(conn, listener)
            _rest(listeners)
            _let_go(fleet, conn)
            taken["ours_commit"], taken["ours"] = _commit(conn, worker)
            _take_back(fleet)
            _rest(listeners)
            if number >= effort.warm_up:
                for name, value in taken.items():
                    samples[name].append(value)
    return {"listeners": listeners, **samples, **summary(samples)}


def summary(samples: dict[str, list[float]]) -> dict[str, Any]:
    """The median and the 99th percentile of each, and of what came after the commit of the decision."""
    after = [ours - commit for ours, commit in zip(samples["ours"], samples["ours_commit"], strict=True)]
    every = {**samples, "after": after}
    return {
        f"p{100 * part:.0f}": {name: percentile(each, part) for name, each in every.items()} for part in (0.5, 0.99)
    }


def _commit(conn: db.Connection, listener: "Listener") -> tuple[float, float]:
    sent = time.monotonic()
    conn.commit()
    returned = time.monotonic()
    return 1000 * (returned - sent), 1000 * (listener.next() - sent)


def _let_go(fleet: MeasuredFleet, conn: db.Connection) -> None:
    """Say for the owner of the stream that it has stopped, without a commit; it goes to the worker."""
    db.call(fleet.conn, "move_stream", stream_id=STREAM, instance_id=MEASURED)
    incarnation = fleet.run("instance.sql", {"instance_id": ELSEWHERE})[0]["incarnation"]
    db.call(conn, "acknowledge", instance_id=ELSEWHERE, incarnation=incarnation, stopped=[STREAM])


def _take_back(fleet: MeasuredFleet) -> None:
    """Another instance has the stream again, and the worker has confirmed everything."""
    _wait_for(fleet, "stream.sql", lambda row: row["state"] == "running", stream_id=STREAM)
    db.call(fleet.conn, "move_stream", stream_id=STREAM, instance_id=ELSEWHERE)
    _wait_for(fleet, "stream.sql", lambda row: row["instance_id"] == ELSEWHERE, stream_id=STREAM)


def _wait_for(fleet: MeasuredFleet, path: str, condition: Any, **parameters: Any) -> None:
    wait_until(
        lambda: any(condition(row) for row in fleet.run(path, parameters)), seconds=PATIENCE, what=path, every=0.01
    )


def _rest(listeners: int) -> None:
    """What was woken sleeps again, and a worker has said what it had to say."""
    time.sleep(0.05 + 0.0001 * listeners)


class Listener:
    """A process of bench.notification_listener."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def next(self) -> float:
        """When it heard the next sound."""
        assert self._process.stdout is not None
        waiting = select.poll()  # not select(), which knows no descriptor above 1,023
        waiting.register(self._process.stdout, select.POLLIN)
        if not waiting.poll(1000 * PATIENCE):
            raise TimeoutError("nothing was heard")
        return float(self._process.stdout.readline())


@contextmanager
def _listener(kind: str, fleet: MeasuredFleet, *arguments: str) -> Iterator[Listener]:
    command = [sys.executable, "-m", "bench.notification_listener", kind, fleet.dsn, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield Listener(process)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _idle_listener(fleet: MeasuredFleet, channels: Sequence[str]) -> Iterator[None]:
    """A session that LISTENs to a silent channel."""
    with psycopg.connect(fleet.dsn, autocommit=True) as conn:
        for channel in channels:
            conn.execute(statement("listen.sql", instance_id=channel))
        yield


# -- What a commit costs ------------------------------------------------------


def cost_of_a_commit(fleet: MeasuredFleet, listeners: int, effort: Effort) -> dict[str, Any]:
    """The median time of a commit, and what all processes of the server were on a CPU for during one."""
    kinds: dict[str, list[str]] = {"none": [], "one": ["unused"], "two": ["unused", "changes"]}
    found: dict[str, Any] = {"listeners": listeners}
    with fleet.connect() as conn:
        conn.autocommit = False
        postmaster = psutil.Process(conn.info.backend_pid).parent()
        assert postmaster is not None
        for kind, channels in kinds.items():
            _rest(listeners)
            taken = []
            before = _cpu_milliseconds(postmaster)
            for _ in range(effort.commits):
                conn.execute(statement("write.sql"))
                conn.execute(statement("notify.sql"), {"channels": channels})
                sent = time.monotonic()
                conn.commit()
                taken.append(1000 * (time.monotonic() - sent))
                _rest(listeners)
            cpu = (_cpu_milliseconds(postmaster) - before) / effort.commits
            found[kind] = {"commit_ms": statistics.median(taken), "samples": taken, "cpu_ms": cpu}
    return found


def cost_of_a_beat(fleet: MeasuredFleet) -> float:
    """What the server is on a CPU for during one beat that finds nothing new."""
    workers = [row for row in fleet.run("instances.sql") if row["instance_id"].startswith("worker-")][:50]
    report = {"status": "active", "heartbeat_interval": 30}
    for number in range(6):  # the first of a session are planned
        if number == 1:
            before = session_cpu_milliseconds(fleet.conn)
        for each in workers:
            who = {"instance_id": each["instance_id"], "incarnation": each["incarnation"], "digest": each["digest"]}
            db.call(fleet.conn, "heartbeat", **who, report=report)
    return (session_cpu_milliseconds(fleet.conn) - before) / (5 * len(workers))


def _cpu_milliseconds(postmaster: psutil.Process) -> float:
    """What the server's processes have been on a CPU for, from Linux's scheduler (man 5 proc)."""
    pids = [postmaster.pid, *(child.pid for child in postmaster.children())]
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e6


# -- What is said of it -------------------------------------------------------


def goals(figures: Figures) -> list[Goal]:
    return [
        Goal(
            what=f"decision to handler, {row['listeners']:,} listeners, p50",
            wanted=f"at most {GOAL:g} × {against}",
            found=f"{ours:.2f} ms, {ours / bare:.2f} × {bare:.2f} ms",
            is_reached=ours <= GOAL * bare,
            reason=WHERE_THE_REST_GOES,
        )
        for against, side in (("a bare pg_notify", "bare"), ("a pg_notify that commits a write", "durable"))
        for row in figures["stream"]
        for ours, bare in [(statistics.median(row["ours"]), statistics.median(row[side]))]
    ]


def plots(figures: Figures) -> dict[str, Plot]:
    figure = new_plot(7, 4, layout="constrained")
    axes = figure.subplots()
    rows = figures["stream"]
    for name in ("bare", "durable", "ours"):
        for part, style in ((0.5, "-"), (0.99, ":")):
            values = [percentile(row[name], part) for row in rows]
            axes.plot([row["listeners"] for row in rows], values, style, marker="o", label=f"{name}, p{100 * part:.0f}")
    shared = figures["ways"]["shared"]
    for part, marker in ((0.5, "*"), (0.99, "x")):
        label = f"{figures['ways']['instances']:,} workers on {figures['ways']['hosts']} connections, p{100 * part:.0f}"
        axes.plot(shared["listeners"], percentile(shared["ours"], part), marker, markersize=10, label=label)
    axes.set(xscale="log", yscale="log", xlabel="listeners in the database", ylabel="ms from COMMIT sent")
    axes.legend()
    return {"listening": figure}


if __name__ == "__main__":
    run_alone(cast(Any, sys.modules[__name__]))
