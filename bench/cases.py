"""What happens to a fleet. Every case does the same work twice: by the orchestrator, then by raw SQL, the limit.

The raw side decides nothing. It gets the streams and their new owners from what the orchestrator has just decided, and
writes the same rows in one statement of one transaction.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bench.measure import Comparison, Moves, Result, Sample, result
from bench.server import MeasuredFleet, statement
from orchestrator.database import db

Row = dict[str, Any]

FIRST_ASSIGNMENT = "first assignment"
LOSE_ONE = "lose one"
LOSE_ONE_GOODBYE = "lose one, by its goodbye"
LOSE_ONE_COLD = "lose one, first time in a session"
LOSE_ONE_LISTENED = "lose one, all workers listening"
LOSE_TENTH = "lose 10 %"
ONE_JOINS = "one joins"
HAND_OVER = "one joins: one owner lets go"
TENTH_JOINS = "10 % join"
CAPACITY_HALVES = "capacity of one halves"
STREAMS_ADDED = "100 streams added"
NOTHING = "nothing to do: "
NOTHING_DUE = NOTHING + "run_due_jobs, nothing due"
ALL_DUE = "run_due_jobs, all due and nothing to do"
CHECKS = ("watch_instances", "settle", "check_balance", "finish_handoffs")

ADDED = 100


def first_assignment(fleet: MeasuredFleet, comparison: Comparison) -> None:
    """Every stream waits, every instance is there: one settlement. Leaves a fleet that runs."""
    _, ours = fleet.timed("job.sql", job="settle")
    comparison.add(*_give_raw(fleet, ours), moves=_moves(fleet))
    _confirm_all(fleet)
    check(fleet)
    fleet.vacuum()


class Events:
    """One after the other, and after each the fleet is as it was before."""

    def __init__(self, fleet: MeasuredFleet) -> None:
        self.fleet = fleet
        self._comparisons: dict[str, Comparison] = {}
        self._keep = False
        self._sessions = fleet.connect()  # it stands in for the sessions of all workers
        self._sessions.execute(statement("attach_all.sql"))
        self._victims = self._next_victim()

    def repeat(self, case: str, rounds: int, warm_up: int) -> None:
        """Measure a case so often, after rounds that do not count; what follows from it is measured with it."""
        happen = {
            LOSE_TENTH: self._lose_tenth,
            CAPACITY_HALVES: self._halve_capacity,
            STREAMS_ADDED: self._add_streams,
        }.get(case, lambda: self._lose_one(case))
        if not rounds:
            return
        self.fleet.vacuum()
        for number in range(warm_up + rounds):
            self._keep = number >= warm_up
            happen()
        check(self.fleet)

    def listen(self) -> None:
        """A connection for each instance listens as a worker does: each commit that notifies wakes them all."""
        for row in self.fleet.run("instances.sql"):
            self.fleet.connect().execute(statement("listen.sql", instance_id=row["instance_id"]))

    def results(self) -> list[Result]:
        size = self.fleet.size
        return [result(comparison, size.streams, size.instances) for comparison in self._comparisons.values()]

    def _lose_one(self, case: str) -> None:
        victim = next(self._victims)
        with self._session(case) as conn:
            ours = self._say_goodbye(victim) if case == LOSE_ONE_GOODBYE else self._fall_silent([victim], conn)
        self._add(case, *_give_raw(self.fleet, ours, [victim]), moves=_moves(self.fleet))
        # only after the plain case: the others would not add to what is known of joins
        self._return([victim], ONE_JOINS if case == LOSE_ONE else None)

    def _lose_tenth(self) -> None:
        victims = [next(self._victims) for _ in range(self.fleet.size.instances // 10)]
        ours = self._fall_silent(victims, self.fleet.conn)
        self._add(LOSE_TENTH, *_give_raw(self.fleet, ours, victims), moves=_moves(self.fleet))
        self._return(victims, TENTH_JOINS)

    def _halve_capacity(self) -> None:
        instance = next(self._victims)
        for max_streams, case in ((instance["max_streams"] // 2, CAPACITY_HALVES), (instance["max_streams"], None)):
            db.call(self.fleet.conn, "set_capacity", instance_id=instance["instance_id"], max_streams=max_streams)
            self._settle(case)

    def _add_streams(self) -> None:
        self.fleet.run("add_streams.sql", streams=ADDED)
        self.fleet.run("raw/add_streams.sql")
        _, ours = self.fleet.timed("job.sql", job="settle")
        self._add(STREAMS_ADDED, *_give_raw(self.fleet, ours), moves=_moves(self.fleet))
        self.fleet.run("remove_added.sql")

    @contextmanager
    def _session(self, case: str) -> Iterator[db.Connection]:
        """The driver's: the one that has done it before, or one that has planned nothing but the look so far."""
        if case != LOSE_ONE_COLD:
            yield self.fleet.conn
            return
        conn = self.fleet.connect()
        self.fleet.timed("job.sql", conn=conn, job="watch_instances")
        yield conn
        conn.close()

    def _say_goodbye(self, victim: Row) -> Sample:
        who = {"instance_id": victim["instance_id"], "incarnation": victim["incarnation"]}
        return self.fleet.timed_call("deregister_instance", **who)[1]

    def _fall_silent(self, victims: Sequence[Row], conn: db.Connection) -> Sample:
        who = {"instance_ids": _ids(victims)}
        # as in life they are late before they are lost, and nothing happens in between
        self.fleet.run("late.sql", who)
        for _ in range(2):
            self.fleet.run("job.sql", job="watch_instances")
        self.fleet.run("silent.sql", who)
        rows, sample = self.fleet.timed("job.sql", conn=conn, job="watch_instances")
        if rows[0]["result"]["lost"] != sorted(who["instance_ids"]):
            raise RuntimeError(f"not what was to be measured: {rows}")
        return sample

    def _return(self, victims: Sequence[Row], case: str | None) -> None:
        for victim in victims:
            registered = db.call(
                self.fleet.conn,
                "register_instance",
                instance_id=victim["instance_id"],
                max_streams=victim["max_streams"],
            )[0]
            who = {"instance_id": registered["instance_id"], "incarnation": registered["incarnation"]}
            db.call(self._sessions, "attach_session", **who)
            db.call(self.fleet.conn, "heartbeat", **who, digest=0)
        self.fleet.run("revive.sql", {"instance_ids": _ids(victims)})
        self._settle(case)

    def _settle(self, case: str | None) -> None:
        """One settlement, and every hand-over that it asked for. What counts is the settlement; the whole is noted."""
        _, ours = self.fleet.timed("job.sql", job="settle")
        moves = _moves(self.fleet)
        owners = self.fleet.run("handovers.sql")
        asked = {name: [value for owner in owners for value in owner[name]] for name in ("stream_ids", "to_ids")}
        _, raw = self.fleet.timed("raw/ask_owners.sql", asked)
        hand_overs = [self._hand_over(owner) for owner in owners]
        _confirm_all(self.fleet)
        if case is None:
            return
        self._add(case, replace(ours, rows=len(asked["stream_ids"])), raw, moves=moves)
        if self._keep:
            self._comparisons[case].whole.append(
                (
                    ours.milliseconds + sum(pair[0].milliseconds for pair in hand_overs),
                    raw.milliseconds + sum(pair[1].milliseconds for pair in hand_overs),
                )
            )
        if case == ONE_JOINS:
            for pair in hand_overs:
                self._add(HAND_OVER, *pair)

    def _hand_over(self, owner: Row) -> tuple[Sample, Sample]:
        _, ours = self.fleet.timed_call(
            "acknowledge",
            instance_id=owner["instance_id"],
            incarnation=owner["incarnation"],
            stopped=owner["stream_ids"],
        )
        _, raw = self.fleet.timed(
            "raw/hand_over.sql", {"stream_ids": owner["stream_ids"], "from_id": owner["instance_id"]}
        )
        return replace(ours, rows=len(owner["stream_ids"])), raw

    def _add(self, case: str, ours: Sample, raw: Sample, moves: Moves | None = None) -> None:
        if self._keep:
            self._comparisons.setdefault(case, Comparison(case)).add(ours, raw, moves)

    def _next_victim(self) -> Iterator[Row]:
        """Each in its turn, as it is: since the list was made it has not been one."""
        while True:
            yield from self.fleet.run("instances.sql")


def nothing_to_do(fleet: MeasuredFleet, rounds: int, warm_up: int) -> list[Result]:
    """Nothing has happened: what it costs to find that out. The raw side asks one question with one answer."""
    comparisons = [_check(fleet, job, rounds, warm_up) for job in CHECKS]
    # what has become due while the fleet was built is not what is measured
    for _ in range(warm_up):
        fleet.run("all_due.sql")
        fleet.timed_call("run_due_jobs")
    comparisons += [_all_jobs(fleet, case, rounds) for case in (NOTHING_DUE, ALL_DUE)]
    return [result(comparison, fleet.size.streams, fleet.size.instances) for comparison in comparisons]


def _check(fleet: MeasuredFleet, job: str, rounds: int, warm_up: int) -> Comparison:
    comparison = Comparison(NOTHING + job)
    for number in range(warm_up + rounds):
        rows, ours = fleet.timed("job.sql", job=job)
        if rows[0]["result"] is not None:
            raise RuntimeError(f"there was something to do: {rows}")
        _, raw = fleet.timed(f"raw/{job}.sql")
        if number >= warm_up:
            comparison.add(ours, raw)
    return comparison


def _all_jobs(fleet: MeasuredFleet, case: str, rounds: int) -> Comparison:
    comparison = Comparison(case)
    while len(comparison.ours) < rounds:
        if case == ALL_DUE:
            fleet.run("all_due.sql")
        rows, ours = fleet.timed_call("run_due_jobs")
        if any(row["outcome"] != "nothing" for row in rows):
            raise RuntimeError(f"there was something to do: {rows}")
        _, raw = fleet.timed("raw/record_jobs.sql" if case == ALL_DUE else "raw/nothing.sql")
        # some become due every second
        if bool(rows) == (case == ALL_DUE):
            comparison.add(ours, raw)
    return comparison


def check(fleet: MeasuredFleet) -> None:
    if not fleet.run("recount.sql")[0]["is_right"]:
        raise RuntimeError("the counters differ from a recount")


def _confirm_all(fleet: MeasuredFleet) -> None:
    fleet.run("confirm_all.sql")
    fleet.run("raw/confirm_all.sql")


def _give_raw(fleet: MeasuredFleet, ours: Sample, lost: Sequence[Row] = ()) -> tuple[Sample, Sample]:
    """Do by raw SQL what the orchestrator has just decided. Returns both samples with the rows that were moved."""
    moved = fleet.run("movements.sql")[0]
    _, raw = fleet.timed("raw/give.sql", {**moved, "lost": _ids(lost)})
    return replace(ours, rows=raw.rows), raw


def _moves(fleet: MeasuredFleet) -> Moves:
    row = fleet.run("last_decision.sql")[0]
    return Moves(made=row["moves"], least=row["least_moves"])


def _ids(instances: Sequence[Row]) -> list[str]:
    return [instance["instance_id"] for instance in instances]
