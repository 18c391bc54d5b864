"""A year of a busy fleet: how large it is, what it costs to look at it, and to be rid of it."""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from psycopg import Rollback, sql

from bench.measure import percentile
from bench.server import MeasuredFleet, statement
from orchestrator.database import db
from orchestrator.errors import NotEligible
from orchestrator.lab.waiting import wait_until

INDEXES_BY_TIME = ("decision_by_time", "movement_by_time")


@dataclass(frozen=True)
class Amount:
    """How much history: so many days, decisions a day, and movements of each."""

    days: int
    decisions: int
    moves: int


def build(fleet: MeasuredFleet, amount: Amount) -> dict[str, Any]:
    """Let the fleet settle, then write the history behind it. Returns its size."""
    fleet.run("job.sql", job="settle")
    fleet.run("confirm_all.sql")
    started = time.perf_counter()
    with fleet.conn.transaction():
        fleet.run(
            "growth/history.sql",
            days=amount.days,
            decisions=amount.decisions,
            moves=amount.moves,
            streams=fleet.size.streams,
            instances=fleet.size.instances,
        )
    fleet.vacuum()
    fleet.run("beats_are_now.sql")
    return {
        "days": amount.days,
        "decisions_a_day": amount.decisions,
        "moves_of_a_decision": amount.moves,
        "seconds_to_load": round(time.perf_counter() - started, 1),
        "tables": fleet.run("growth/sizes.sql"),
        "is_sound": _is_sound(fleet),
    }


def _is_sound(fleet: MeasuredFleet) -> bool:
    """Whether health() and diagnose() find the record itself in order; that no driver runs they find, too."""
    wrong = {row["code"] for row in db.call(fleet.conn, "diagnose")}
    integrity = [row["status"] for row in db.call(fleet.conn, "health") if row["component"] == "integrity"]
    return integrity == ["healthy"] and not wrong & {"counts_wrong", "row_missing", "row_impossible", "check_failed"}


# -- reading -----------------------------------------------------------------------------------------------------------


def questions(fleet: MeasuredFleet) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Every view and function of the readers as people and the command line ask them: kind, what, how."""
    conn = fleet.conn
    [about] = fleet.run("growth/subjects.sql")
    stream, instance, event = about["stream_id"], about["instance_id"], str(about["event_id"])

    def view(name: str, **more: Any) -> Callable[[], Any]:
        return partial(db.view, conn, name, **more)

    def latest(name: str, column: str, limit: int = 50, **where: Any) -> Callable[[], Any]:
        return view(name, where=where, order_by=[f"-{column}"], limit=limit)

    def since(name: str, column: str, how_long: str) -> Callable[[], Any]:
        return partial(fleet.run, "growth/since.sql", view=name, column=column, since=how_long)

    def call(function: str, **parameters: Any) -> Callable[[], Any]:
        return partial(db.call, conn, function, **parameters)

    yield from (
        ("view", what, ask)
        for what, ask in (
            ("instances: all", view("instances", order_by=["instance_id"])),
            ("instances: one", view("instances", where={"instance_id": instance})),
            ("streams: a page", view("streams", order_by=["stream_id"], limit=50)),
            ("streams: one", view("streams", where={"stream_id": stream})),
            ("streams: that wait", view("streams", where={"state": "waiting"}, order_by=["stream_id"], limit=50)),
            ("assignments: of an instance", view("assignments", where={"instance_id": instance})),
            ("decisions: the latest", latest("decisions", "decided_at")),
            ("decisions: one", view("decisions", where={"decision_id": about["decision_id"]})),
            ("decisions: of a rule", latest("decisions", "decision_id", rule="imbalance")),
            ("decisions: of an hour", since("decisions", "decided_at", "1 hour")),
            ("decisions: of a day", since("decisions", "decided_at", "1 day")),
            ("movements: the latest", latest("movements", "moved_at")),
            ("movements: of a stream", latest("movements", "epoch", stream_id=stream)),
            ("movements: to an instance", latest("movements", "moved_at", to_instance_id=instance)),
            (
                "movements: from or to an instance",
                partial(fleet.run, "growth/moves_of_instance.sql", {"instance_id": instance}),
            ),
            ("movements: of a decision", view("movements", where={"decision_id": about["decision_id"]})),
            ("movements: of an hour", since("movements", "moved_at", "1 hour")),
            ("alerts: open", view("alerts", where={"resolved_at": None}, order_by=["-opened_at"])),
            ("alerts: the latest", latest("alerts", "opened_at")),
            ("alerts: of an instance", latest("alerts", "opened_at", subject=instance)),
            ("alert_deliveries: the latest", latest("alert_deliveries", "happened_at")),
            ("jobs: all", view("jobs", order_by=["job"])),
            ("job_runs: the latest", latest("job_runs", "job_run_id")),
            ("job_runs: of a job that seldom does anything", latest("job_runs", "job_run_id", job="settle")),
            ("job_runs: that failed", latest("job_runs", "job_run_id", 10, outcome="failed")),
            ("events: the latest", latest("events", "at")),
            ("events: of one id", view("events", where={"event_id": about["event_id"]})),
            ("events: of an hour", since("events", "at", "1 hour")),
            ("repairs: under way", latest("repairs", "repair_id", 20, repaired_at=None)),
            ("repairs: the latest", latest("repairs", "repair_id")),
            ("repairs: of an instance", latest("repairs", "repair_id", instance_id=instance)),
            ("fleet", view("fleet")),
            ("fleet_samples: of six hours", since("fleet_samples", "sampled_at", "6 hours")),
            ("incident_patterns: the latest", latest("incident_patterns", "last_seen_at", 10)),
            ("failure_streaks: present", latest("failure_streaks", "consecutive", 20, ended_at=None)),
            ("sources: all", view("sources")),
            ("stalled_streams", view("stalled_streams", order_by=["silent_since"], limit=50)),
            ("failing_stations", view("failing_stations", order_by=["-last_failed_at"], limit=50)),
        )
    )
    yield from (
        ("explain", what, ask)
        for what, ask in (
            ("explain_stream", call("explain_stream", stream_id=stream)),
            ("explain_instance", call("explain_instance", instance_id=instance)),
            ("explain_event", call("explain_event", event_id=event)),
            ("explain_event, by its beginning", call("explain_event", event_id=event[:8])),
            ("find_streams", call("find_streams", text="station 77")),
        )
    )
    yield from (
        ("whole", what, ask)
        for what, ask in (
            ("health", call("health")),
            ("diagnose", call("diagnose")),
            ("metrics", call("metrics")),
            ("http_metrics", call("http_metrics")),
            ("http_streams_status", call("http_streams_status")),
            ("http_dashboard", call("http_dashboard")),
        )
    )


def look(fleet: MeasuredFleet, rounds: int) -> list[dict[str, Any]]:
    """Milliseconds of each question as a client sees them. The first round warms up and does not count."""
    found = []
    for kind, what, ask in questions(fleet):
        took = []
        for _ in range(1 + (rounds if kind != "whole" else rounds // 3)):
            started = time.perf_counter()
            rows = len(ask())
            took.append(1000 * (time.perf_counter() - started))
        counted = took[1:]
        found.append(
            {
                "kind": kind,
                "question": what,
                "rows": rows,
                "first_ms": round(took[0], 2),
                "median_ms": round(statistics.median(counted), 2),
                "p95_ms": round(percentile(counted, 0.95), 2),
                "raw_ms": [round(each, 3) for each in counted],
            }
        )
    return found


# -- what the indexes by time cost -------------------------------------------------------------------------------------


def index_costs(fleet: MeasuredFleet, rounds: int, moves: int = 20) -> dict[str, Any]:
    """Writing one decision with its movements, with and without the indexes by time; nothing of it stays."""
    figures: dict[str, Any] = {"moves": moves, "rounds": rounds}
    for name, dropped in (("with", ()), ("without", INDEXES_BY_TIME)):
        samples = []
        with fleet.conn.transaction():
            for index in dropped:
                private = fleet.conn.names.private
                fleet.conn.execute(sql.SQL("drop index {}").format(sql.Identifier(private, index)))
            for _ in range(rounds):
                with fleet.conn.transaction():
                    samples.append(fleet.timed("growth/more_moves.sql", moves=moves)[1])
                    raise Rollback
            raise Rollback
        figures[name] = {
            "cpu_ms": round(statistics.median(each.cpu_milliseconds for each in samples), 3),
            "wal_bytes": round(statistics.median(each.wal_bytes for each in samples)),
        }
    return figures


# -- partitions --------------------------------------------------------------------------------------------------------


def partitions(fleet: MeasuredFleet, rounds: int) -> dict[str, Any]:
    """The movements once more, in partitions of a month: what a look costs, and to be rid of the oldest month."""
    started = time.perf_counter()
    fleet.run("growth/partitioned.sql")
    built = time.perf_counter() - started
    [about] = fleet.run("growth/subjects.sql")
    figures: dict[str, Any] = {"seconds_to_build": round(built, 1)}
    for name, schema in (("whole", fleet.conn.names.private), ("partitioned", "bench_growth")):
        took = []
        for _ in range(rounds):
            _, sample = fleet.timed("growth/of_stream.sql", {"stream_id": about["stream_id"]}, schema=schema)
            took.append(sample.milliseconds)
        figures[f"of_stream_{name}_ms"] = round(statistics.median(took), 2)
    _, sample = fleet.timed("growth/drop_month.sql")
    figures["drop_month_ms"] = round(sample.milliseconds, 1)
    figures["decisions_to_keep"] = fleet.run("growth/kept.sql")[0]["decisions"]
    fleet.run("growth/drop_partitioned.sql")
    return figures


# -- purging -----------------------------------------------------------------------------------------------------------


@dataclass
class Latencies:
    """When each call began, in seconds of the clock, and how many milliseconds it took."""

    at: list[float]
    milliseconds: list[float]

    def during(self, begin: float, end: float) -> list[float]:
        return [took for at, took in zip(self.at, self.milliseconds, strict=True) if begin <= at < end]


class Work:
    """The fleet works on: beats without end, and decisions that move one stream each, on a connection each."""

    def __init__(self, fleet: MeasuredFleet) -> None:
        self._fleet = fleet
        self._stop = threading.Event()
        self._instances = [row["instance_id"] for row in fleet.run("instances.sql")]
        self._running = fleet.run("growth/running.sql")
        self.beats, self.decisions = Latencies([], []), Latencies([], [])
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._beat, self._decide)]

    def __enter__(self) -> "Work":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _beat(self) -> None:
        conn = self._fleet.connect()
        while True:
            for instance in self._instances:
                if self._stop.wait(0.01):
                    return
                with _timed(self.beats):
                    conn.execute(statement("growth/beat.sql"), {"instance_id": instance})

    def _decide(self) -> None:
        conn = self._fleet.connect()
        for stream, heir in zip(self._running, reversed(self._running), strict=True):
            if self._stop.wait(0.1):
                return
            if stream["instance_id"] == heir["instance_id"]:
                continue
            owner = {"instance_id": stream["instance_id"], "incarnation": stream["incarnation"]}
            try:
                with _timed(self.decisions):
                    db.call(conn, "move_stream", stream_id=stream["stream_id"], instance_id=heir["instance_id"])
                    db.call(conn, "acknowledge", **owner, stopped=[stream["stream_id"]])
            except NotEligible:
                continue  # it is full by now


@contextmanager
def _timed(latencies: Latencies) -> Iterator[None]:
    at = time.time()
    yield
    latencies.at.append(at)
    latencies.milliseconds.append(1000 * (time.time() - at))


def purge(fleet: MeasuredFleet, amount: Amount, *, quiet_seconds: float) -> dict[str, Any]:
    """A driver purges while the fleet works on; beside it the same work while nothing is purged."""
    locks = _locks_of_a_run(fleet)
    fleet.run("growth/autovacuum.sql")
    fleet.run("growth/reload.sql")
    # one connection beats for all: on a slow machine it takes its time, and no instance is to be late for that
    for setting, value in (("heartbeat_timeout", "10 hours"), ("heartbeat_warning", "5 hours")):
        db.call(fleet.conn, "set_setting", name=setting, value=value)
    fleet.run("growth/purge_later.sql")
    rows = fleet.run("growth/history_rows.sql")[0]["rows"]
    fleet.run("beats_are_now.sql")
    with driver(fleet), Work(fleet) as work:
        time.sleep(1)
        begun = time.time()
        time.sleep(quiet_seconds)
        db.call(fleet.conn, "request_job", job="purge_history")
        purging = time.time()
        runs = _until_purged(fleet)
        ended = runs[-1]["at"] + runs[-1]["milliseconds"] / 1000
    left = fleet.run("growth/history_rows.sql")[0]["rows"]
    took = [run["milliseconds"] for run in runs]
    deleted = sum(run["rows"] for run in runs)
    seconds = ended - purging
    per_second = deleted / seconds
    rows_a_day = deleted / max(amount.days - 30, 1)
    return {
        "locks": locks,
        "rows_before": rows,
        "rows_left": left,
        "rows_deleted": deleted,
        "runs": len(runs),
        "most_rows_of_a_run": max(run["rows"] for run in runs),
        "seconds": round(seconds, 1),
        "run_median_ms": round(statistics.median(took), 1),
        "run_p95_ms": round(percentile(took, 0.95), 1),
        "run_max_ms": round(max(took), 1),
        "rows_per_second": round(per_second),
        "rows_a_day": round(rows_a_day),
        "seconds_a_day": round(rows_a_day / per_second, 2),
        "beats": _beside(work.beats, begun, purging, ended),
        "decisions": _beside(work.decisions, begun, purging, ended),
        "progress": [[round(run["at"] - purging, 2), run["rows"], round(run["milliseconds"], 1)] for run in runs],
        "beats_raw": [
            [round(at - purging, 2), round(took, 2)]
            for at, took in zip(work.beats.at, work.beats.milliseconds, strict=True)
        ],
    }


def _locks_of_a_run(fleet: MeasuredFleet) -> list[str]:
    """What one run of the purge holds until it ends; it is taken back."""
    with fleet.conn.transaction():
        fleet.run("job.sql", job="purge_history")
        locks = fleet.run("growth/purge_locks.sql")
        raise Rollback
    return [f"{row['locktype']} {row['mode']}" for row in locks]


def _until_purged(fleet: MeasuredFleet) -> list[db.Row]:
    def runs() -> list[db.Row]:
        found = fleet.run("growth/purge_runs.sql")
        return [] if fleet.run("growth/purge_is_due.sql")[0]["is_due"] else found

    return wait_until(runs, seconds=300, what="the purge has ended", every=0.5)


def _beside(latencies: Latencies, begun: float, purging: float, ended: float) -> dict[str, dict[str, float]]:
    return {
        name: {
            "calls": len(took),
            "median_ms": round(statistics.median(took), 2),
            "p95_ms": round(percentile(took, 0.95), 2),
            "max_ms": round(max(took), 2),
        }
        for name, took in (
            ("quiet", latencies.during(begun, purging)),
            ("purging", latencies.during(purging, ended)),
        )
    }


@contextmanager
def driver(fleet: MeasuredFleet) -> Iterator[subprocess.Popen[bytes]]:
    """A driver of this fleet, as a process."""
    program = str(Path(sys.executable).with_name("orchestrator"))
    command = [program, "run", "--dsn", fleet.dsn, "--name", "bench"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "ORCHESTRATOR_"))}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
        if process.poll() is not None:
            raise RuntimeError(f"the driver has ended ({process.returncode})")
    finally:
        process.terminate()
        process.wait(30)
