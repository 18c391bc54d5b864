"""What is measured. Every case does the same work twice: by the orchestrator, then by raw SQL that is told the answer.

The raw side decides nothing. It gets the streams and their new owners from what the orchestrator has just decided, and
writes the same rows in one statement of one transaction.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import Any

from bench.fleet import Fleet, statement
from bench.measure import Comparison, Result, Sample, result
from orchestrator import db

Row = dict[str, Any]

FIRST_ASSIGNMENT = "first assignment (settle)"
SILENT = "lose one instance (watch_instances)"
SILENT_COLD = "lose one instance, first time in a session"
SILENT_LISTENED = "lose one instance, all workers listening"
GOODBYE = "lose one instance (deregister_instance)"
JOIN = "join: ask the owners (settle)"
HAND_OVER = "join: one owner lets go (acknowledge)"
NOTHING_DUE = "no-op: run_due_jobs, nothing due"
NOTHING_TO_DO = "no-op: run_due_jobs, all due, nothing to do"
CHECKS = ("watch_instances", "settle", "check_balance")


def first_assignment(fleet: Fleet, comparison: Comparison) -> None:
    """Every stream waits, every instance is there: one settlement. Leaves a fleet that runs."""
    _, ours = fleet.timed("job.sql", job="settle")
    comparison.add(*_repeat_raw(fleet, ours))
    _confirm_all(fleet)
    fleet.vacuum()


class Losses:
    """Instances are lost one after the other, and each comes back and gets its share again before the next."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.comparisons = {
            case: Comparison(case) for case in (SILENT, SILENT_COLD, SILENT_LISTENED, GOODBYE, JOIN, HAND_OVER)
        }
        self._sessions = fleet.connect()  # it stands in for the sessions of all workers
        self._sessions.execute(statement("attach_all.sql"))
        self._victims = self._next_victim()

    def measure(self, rounds: int, warm_up: int) -> list[Result]:
        for cases in ((SILENT, GOODBYE), (SILENT_COLD,)):
            self.fleet.vacuum()
            for number in range(warm_up + rounds):
                for case in cases:
                    self._lose_and_join(case, keep=number >= warm_up)
        return self._results()

    def measure_listened(self, rounds: int, warm_up: int) -> list[Result]:
        """A connection for each instance listens as a worker does: each commit that notifies wakes them all."""
        self.comparisons = {SILENT_LISTENED: Comparison(SILENT_LISTENED)}
        for row in self.fleet.run("instances.sql"):
            self.fleet.connect().execute(statement("listen.sql", instance_id=row["instance_id"]))
        for number in range(warm_up + rounds):
            self._lose_and_join(SILENT_LISTENED, keep=number >= warm_up)
        return self._results()

    def _lose_and_join(self, case: str, *, keep: bool) -> None:
        victim = next(self._victims)
        pair = _repeat_raw(self.fleet, self._lose(case, victim), lost=[victim["instance_id"]])
        if keep:
            self.comparisons[case].add(*pair)
        self._join(victim, keep=keep)

    def _lose(self, case: str, victim: Row) -> Sample:
        if case == GOODBYE:
            _, sample = self.fleet.timed_call(
                "deregister_instance", instance_id=victim["instance_id"], incarnation=victim["incarnation"]
            )
            return sample
        conn = self.fleet.conn
        if case == SILENT_COLD:
            # a driver that has found nothing to do so far: its session has planned nothing but the look
            conn = self.fleet.connect()
            self.fleet.timed("job.sql", conn=conn, job="watch_instances")
        # as in life it is late before it is lost
        self.fleet.run("late.sql", {"instance_id": victim["instance_id"]})
        for _ in range(2):
            self.fleet.run("job.sql", job="watch_instances")
        self.fleet.run("silent.sql", {"instance_id": victim["instance_id"]})
        rows, sample = self.fleet.timed("job.sql", conn=conn, job="watch_instances")
        if rows[0]["result"]["lost"] != [victim["instance_id"]]:
            raise RuntimeError(f"not what was to be measured: {rows}")
        if case == SILENT_COLD:
            conn.close()
        return sample

    def _join(self, victim: Row, *, keep: bool) -> None:
        fleet = self.fleet
        registered = db.call(
            fleet.conn, "register_instance", instance_id=victim["instance_id"], max_streams=victim["max_streams"]
        )[0]
        who = {"instance_id": registered["instance_id"], "incarnation": registered["incarnation"]}
        db.call(self._sessions, "attach_session", **who)
        db.call(fleet.conn, "heartbeat", **who, digest=0)
        fleet.run("revive.sql", {"instance_id": victim["instance_id"]})

        _, ours = fleet.timed("job.sql", job="settle")
        owners = fleet.run("handovers.sql")
        asked = {name: [value for owner in owners for value in owner[name]] for name in ("stream_ids", "to_ids")}
        _, raw = fleet.timed("raw/ask_owners.sql", asked)
        if keep and JOIN in self.comparisons:
            self.comparisons[JOIN].add(replace(ours, rows=len(asked["stream_ids"])), raw)
        for owner in owners:
            self._hand_over(owner, keep=keep)
        _confirm_all(fleet)

    def _hand_over(self, owner: Row, *, keep: bool) -> None:
        _, ours = self.fleet.timed_call(
            "acknowledge",
            instance_id=owner["instance_id"],
            incarnation=owner["incarnation"],
            stopped=owner["stream_ids"],
        )
        _, raw = self.fleet.timed(
            "raw/hand_over.sql", {"stream_ids": owner["stream_ids"], "from_id": owner["instance_id"]}
        )
        if keep and HAND_OVER in self.comparisons:
            self.comparisons[HAND_OVER].add(replace(ours, rows=len(owner["stream_ids"])), raw)

    def _next_victim(self) -> Any:
        while True:
            for known in self.fleet.run("instances.sql"):
                present = self.fleet.run("instances.sql")
                yield next(row for row in present if row["instance_id"] == known["instance_id"])

    def _results(self) -> list[Result]:
        size = self.fleet.size
        return [
            result(comparison, size.streams, size.instances)
            for comparison in self.comparisons.values()
            if comparison.ours
        ]


def no_op(fleet: Fleet, rounds: int, warm_up: int) -> list[Result]:
    """Nothing has happened: what it costs to find that out. The raw side asks one question with one answer."""
    comparisons = []
    for check in CHECKS:
        comparison = Comparison(f"no-op: {check}")
        for number in range(warm_up + rounds):
            rows, ours = fleet.timed("job.sql", job=check)
            if rows[0]["result"] is not None:
                raise RuntimeError(f"there was something to do: {rows}")
            _, raw = fleet.timed(f"raw/{check}.sql")
            if number >= warm_up:
                comparison.add(ours, raw)
        comparisons.append(comparison)
    for case, raw_path in ((NOTHING_DUE, "nothing.sql"), (NOTHING_TO_DO, "record_jobs.sql")):
        comparison = Comparison(case)
        for number in range(warm_up + rounds):
            if case == NOTHING_TO_DO:
                fleet.run("all_due.sql")
            rows, ours = fleet.timed_call("run_due_jobs")
            if any(row["outcome"] != "nothing" for row in rows):
                raise RuntimeError(f"there was something to do: {rows}")
            _, raw = fleet.timed(f"raw/{raw_path}")
            if number >= warm_up:
                comparison.add(ours, raw)
        comparisons.append(comparison)
    return [result(comparison, fleet.size.streams, fleet.size.instances) for comparison in comparisons]


@dataclass(frozen=True)
class Beats:
    """Heartbeats in step, one after the other on one connection, beside an update of one row of the same shape."""

    comparison: Result
    per_second: float
    raw_per_second: float
    round_trips: int
    hot_part: float
    """How many of the updates of the table `heartbeat` were HOT, 0 to 1."""


def beats(fleet: Fleet, blocks: int, warm_up: int = 1) -> Beats:
    """Blocks of one beat from each of at most 50 instances, ours and raw in turns."""
    workers = fleet.run("instances.sql")[:50]
    comparison = Comparison("beat in step (heartbeat)")
    before = _beats_so_far(fleet)
    for block in range(warm_up + blocks):
        now = datetime.now(UTC)
        ours = _block_of_beats(fleet, workers, now, block)
        raw = _block_of_raw_beats(fleet, workers, now, block)
        if block >= warm_up:
            for pair in zip(ours, raw, strict=True):
                comparison.add(*pair)
    after = _beats_so_far(fleet)
    return Beats(
        comparison=result(comparison, fleet.size.streams, fleet.size.instances),
        per_second=_per_second(comparison.ours),
        raw_per_second=_per_second(comparison.raw),
        round_trips=_round_trips(fleet, _beat(workers[0], datetime.now(UTC), 0)),
        hot_part=(after["hot_updates"] - before["hot_updates"]) / (after["updates"] - before["updates"]),
    )


def _beat(worker: Row, now: datetime, number: int) -> Row:
    report = {
        "status": "active",
        "current_streams": worker["owned"],
        "processed_count": number,
        "error_count": 0,
        "cpu_usage": 12.5,
        "memory_usage": 40.0,
        "timestamp": now.isoformat(),
        "last_activity": now.isoformat(),
    }
    return {
        "instance_id": worker["instance_id"],
        "incarnation": worker["incarnation"],
        "digest": worker["digest"],
        "report": report,
    }


def _block_of_beats(fleet: Fleet, workers: Sequence[Row], now: datetime, number: int) -> list[Sample]:
    milliseconds = []
    with fleet.stopwatch(fleet.conn) as stopwatch:
        for worker in workers:
            started = time.perf_counter()
            commands = db.call(fleet.conn, "heartbeat", **_beat(worker, now, number))
            milliseconds.append(1000 * (time.perf_counter() - started))
            if commands:
                raise RuntimeError(f"{worker['instance_id']} is not in step: {commands}")
    block = stopwatch.sample(rows=1, runs=len(workers))
    return [replace(block, milliseconds=each) for each in milliseconds]


def _block_of_raw_beats(fleet: Fleet, workers: Sequence[Row], now: datetime, number: int) -> list[Sample]:
    query = statement("raw/beat.sql")
    milliseconds = []
    with fleet.stopwatch(fleet.conn) as stopwatch:
        for worker in workers:
            parameters = {
                "instance_id": worker["instance_id"],
                "sent_at": now,
                "digest": worker["digest"],
                "current_streams": worker["owned"],
                "processed_count": number,
            }
            started = time.perf_counter()
            fleet.conn.execute(query, parameters)
            milliseconds.append(1000 * (time.perf_counter() - started))
    block = stopwatch.sample(rows=1, runs=len(workers))
    return [replace(block, milliseconds=each) for each in milliseconds]


def _beats_so_far(fleet: Fleet) -> Row:
    fleet.run("flush_statistics.sql")
    return fleet.run("beats_so_far.sql")[0]


def _per_second(samples: Sequence[Sample]) -> float:
    return 1000 * len(samples) / sum(sample.milliseconds for sample in samples)


def _round_trips(fleet: Fleet, parameters: Row) -> int:
    """How often the server became ready again during one beat, read off the wire by libpq's own trace."""
    with TemporaryFile("w+b") as trace:
        fleet.conn.pgconn.trace(trace.fileno())
        db.call(fleet.conn, "heartbeat", **parameters)
        fleet.conn.pgconn.untrace()
        trace.seek(0)
        return trace.read().count(b"ReadyForQuery")


def _confirm_all(fleet: Fleet) -> None:
    fleet.run("confirm_all.sql")
    fleet.run("raw/confirm_all.sql")
    if not fleet.run("recount.sql")[0]["is_right"]:
        raise RuntimeError("the counters differ from a recount")


def _repeat_raw(fleet: Fleet, ours: Sample, lost: Sequence[str] = ()) -> tuple[Sample, Sample]:
    """Do by raw SQL what the orchestrator has just decided. Returns both samples with the rows that were moved."""
    moved = fleet.run("movements.sql")[0]
    _, raw = fleet.timed("raw/give.sql", {**moved, "lost": list(lost)})
    return replace(ours, rows=raw.rows), raw
