"""What holds after each step, beside the laws of the record (tests/properties/laws.py), and what holds at rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from traceback import extract_tb

from tests.explorer.worker import Process, holders
from tests.properties.laws import Snapshot, check_now, check_step


class Violation(Exception):
    """A law is broken. Its kind stays the same while the path to it is made shorter."""

    def __init__(self, kind: str, detail: object) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind


@dataclass
class Epochs:
    """Which families of processes ever held a stream under an epoch."""

    given: defaultdict[tuple[int, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    begun: set[tuple[str, int, int]] = field(default_factory=set)
    """What each instance ever heard, also what it only prepared."""

    def check(self, processes: Mapping[str, Process]) -> None:
        """No two hold the same stream under the same epoch, not even one after the other."""
        for process in processes.values():
            prepared = ((s, epoch) for s, epoch in process.prepared.items() if s in process.heard)
            self.begun.update((process.name, s, epoch) for s, epoch in (*prepared, *process.held.items()))
            for held in process.held.items():
                self.given[held].add(process.family)
                if len(self.given[held]) > 1:
                    raise Violation("one epoch for two processes", (held, sorted(self.given[held])))


def check_record(before: Snapshot | None, after: Snapshot) -> None:
    """The laws of the record at one moment, and between two."""
    with _as_violations():
        check_now(after)
        if before is not None:
            check_step(before, after)


def check_writers(now: Snapshot, processes: Mapping[str, Process]) -> None:
    """Of all processes that hear a stream one at most may write, and that is its owner."""
    for stream_id, a in now.assignments.items():
        current = {p.family: p for p in holders(processes, stream_id) if p.held[stream_id] == a["epoch"]}
        if a["instance_id"] is None:
            continue  # the fence lets no one through
        if len(current) > 1:
            raise Violation("two may write", (stream_id, sorted(current)))
        for process in current.values():
            if process.name != a["instance_id"]:
                raise Violation("another than the owner may write", (stream_id, process.label, a["instance_id"]))


def check_promises(now: Snapshot, processes: Mapping[str, Process]) -> None:
    """What a worker that stops by itself may still hear is not given to another, by whichever rule or order."""
    for process in processes.values():
        if process.stop_within is None or process.is_doubtful:
            continue
        for stream_id in process.held:
            a = now.assignments.get(stream_id)
            if a is not None and a["instance_id"] not in (None, process.name):
                raise Violation("given before its lease was over", (stream_id, process.label, a["instance_id"]))


def check_in_step(process: Process, now: Snapshot) -> None:
    """A process that has said all that it hears, and has done what it was answered, hears what it should."""
    wanted = {
        stream_id: a["epoch"]
        for stream_id, a in now.assignments.items()
        if a["instance_id"] == process.name and (a["state"] != "releasing" or a["make_before_break"])
    }
    if process.held != wanted and not process.is_doubtful:
        raise Violation("out of step after a full report", (process.label, process.held, wanted))


def check_lease(name: str, processes: Mapping[str, Process]) -> None:
    """A process has been given a name: no other that stops by itself may still hear under it."""
    for process in processes.values():
        is_another = process.name == name and not process.is_doubtful
        if is_another and process.stop_within is not None and process.held:
            raise Violation("a name was given before its lease was over", process.label)


def check_started(before: Snapshot, after: Snapshot, epochs: Epochs) -> None:
    """What is confirmed has been started, under that very epoch."""
    for stream_id, a in after.assignments.items():
        was = before.assignments.get(stream_id)
        if was is None or (was["state"], a["state"]) != ("assigned", "running"):
            continue
        # a hand-over that was begun and called off in one step leaves it as running; when it is not, the digest tells
        is_same_life = a["decision_id"] == was["decision_id"]
        if is_same_life and (a["instance_id"], stream_id, a["epoch"]) not in epochs.begun:
            raise Violation("confirmed although no process has started it", (was, a))


def check_handovers(
    before: Snapshot, after: Snapshot, processes: Mapping[str, Process], epochs: Epochs, overdue: Collection[int]
) -> None:
    """A hand-over ends when the owner has stopped, when the next one hears the stream, or when it took too long."""
    for stream_id, was in before.assignments.items():
        a = after.assignments.get(stream_id)
        if a is None or was["state"] != "releasing" or a["instance_id"] != was["next_instance_id"]:
            continue
        old = after.instances[was["instance_id"]]
        has_ended = old["status"] in ("inactive", "removed")
        has_ended |= old["incarnation"] != before.instances[was["instance_id"]]["incarnation"]
        hears = (a["instance_id"], stream_id, was["next_epoch"]) in epochs.begun
        owners = [
            p
            for p in holders(processes, stream_id)
            if (p.name, p.held[stream_id]) == (was["instance_id"], was["epoch"])
        ]
        if owners and not has_ended and not (was["make_before_break"] and hears) and stream_id not in overdue:
            raise Violation("handed over although its owner goes on", (was, a))


def check_repairs(now: Snapshot, unsure: Collection[str]) -> None:
    """While nothing is lost, nothing is to be repaired, but for who was told to stop what it may never have begun."""
    if repairs := [repair for repair in now.repairs if repair["instance_id"] not in unsure]:
        raise Violation("something to repair although nothing was lost", repairs)


def unrest(now: Snapshot, processes: Mapping[str, Process]) -> list[Violation]:
    """What is not as it is to be when the fleet was left alone for long enough."""
    room = sum(row["max_streams"] for row in now.placeable.values())
    active = now.assignments.keys() - now.inactive
    found = []
    for stream_id, a in now.assignments.items():
        hearing = {process.label: process.held[stream_id] for process in holders(processes, stream_id)}
        what = f"stream {stream_id} of {a['instance_id']} is {a['state']}, epoch {a['epoch']}, heard by {hearing}"
        if stream_id in now.inactive:
            if hearing:
                found.append(Violation("heard although it is inactive", what))
            continue
        if len(hearing) > 1:
            found.append(Violation("heard twice at rest", what))
        owners = [
            p for p in holders(processes, stream_id) if (p.name, p.held[stream_id]) == (a["instance_id"], a["epoch"])
        ]
        if room < len(active):
            continue
        if not owners:
            found.append(Violation("not heard by its owner at rest", what))
        if a["state"] != "running":
            found.append(Violation("not confirmed at rest", what))
    return found


@contextmanager
def _as_violations() -> Iterator[None]:
    """A law is the line of its assertion."""
    try:
        yield
    except AssertionError as error:
        frame = extract_tb(error.__traceback__)[-1]
        raise Violation(f"{frame.name}: {frame.line}", str(error)[:1000]) from error
