"""Others that divide streams among instances: kafka-python's assignors in memory, and rank modulo n in SQL.

Each starts from a balanced assignment of its own. None of them knows capacities: all instances are alike here.
"""

import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bench import cases
from bench.report import progress
from bench.server import MeasuredFleet, Size

STICKY, COOPERATIVE = "kafka sticky", "kafka cooperative-sticky"
RANK = "rank mod n"
NOTHING = cases.NOTHING.rstrip(": ")
MOST_ROWS_FOR_ALL_EVENTS = 100_000

Owners = Mapping[int, str]


@dataclass(frozen=True)
class Event:
    """Instances before and after, and how many streams came."""

    name: str
    before: int
    after: int
    added: int = 0


@dataclass(frozen=True)
class Outcome:
    """What one peer made of one event."""

    peer: str
    event: str
    streams: int
    instances: int
    milliseconds: float | None
    """None: not within the time given."""
    moves: int | None
    least_moves: int


def events(instances: int) -> list[Event]:
    tenth = instances // 10
    return [
        Event(cases.LOSE_ONE, instances, instances - 1),
        Event(cases.ONE_JOINS, instances - 1, instances),
        Event(cases.LOSE_TENTH, instances, instances - tenth),
        Event(cases.TENTH_JOINS, instances - tenth, instances),
        Event(cases.STREAMS_ADDED, instances, instances, added=cases.ADDED),
        Event(NOTHING, instances, instances),
    ]


def balanced(streams: int, instances: int) -> dict[int, str]:
    """As any of them would deal out streams at first: in turn."""
    return {stream: f"member-{stream % instances:05}" for stream in range(streams)}


def moves(before: Owners, after: Owners) -> int:
    """How many streams have another owner than before, or one at last."""
    return sum(before.get(stream) != owner for stream, owner in after.items())


def least_moves(kept: Sequence[int], streams: int) -> int:
    """The fewest streams that must be given away so that all have as many, where each of these has kept so many.

    The one that has most keeps the extra one.
    """
    share, extra = divmod(streams, len(kept))
    targets = [share + (place < extra) for place in range(len(kept))]
    return sum(max(target - has, 0) for target, has in zip(targets, sorted(kept, reverse=True), strict=True))


def least_moves_of(event: Event, streams: int) -> int:
    has = [streams // event.before + (place < streams % event.before) for place in range(event.before)]
    kept = [has[place] if place < event.before else 0 for place in range(event.after)]
    return least_moves(kept, streams + event.added)


def by_rank(fleet: MeasuredFleet) -> list[Outcome]:
    """One UPDATE with its journal for each event, on the raw tables. They are of no use for anything else afterwards.

    In the largest fleet only the first event: each writes every row.
    """
    size = fleet.size
    todo = events(size.instances)
    if size.streams > MOST_ROWS_FOR_ALL_EVENTS:
        todo = todo[:1]
    fleet.run("peers/rank.sql", {"instances": size.instances})
    outcomes = []
    for event in todo:
        if event.added:
            fleet.run("add_streams.sql", streams=event.added)
            fleet.run("raw/add_streams.sql")
        _, sample = fleet.timed("peers/rank.sql", {"instances": event.after})
        outcomes.append(_outcome(RANK, event, size, sample.milliseconds, sample.rows))
    return outcomes


def in_memory(sizes: Sequence[Size], seconds: float) -> list[Outcome]:
    """Every assignor at every size, as far as it comes in so many seconds; nothing larger where no event was finished.

    The cooperative one runs the sticky one's algorithm once or twice, so it is not tried where that was too slow.
    """
    outcomes: list[Outcome] = []
    for size in sizes:
        for peer in (STICKY, COOPERATIVE):
            progress(f"{peer}: {size}")
            found = list(_within(peer, size, seconds))
            outcomes += found or [_outcome(peer, events(size.instances)[0], size, None, None)]
            if not found:
                return outcomes
    return outcomes


def _within(peer: str, size: Size, seconds: float) -> Iterator[Outcome]:
    """In a process of its own, because it can only be stopped by ending that."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_assign_all, args=(peer, size, theirs), daemon=True)
    process.start()
    theirs.close()
    deadline = time.monotonic() + seconds
    try:
        while ours.poll(max(deadline - time.monotonic(), 0)):
            yield ours.recv()
    except EOFError:
        pass  # it has finished
    finally:
        process.kill()
        process.join()


def _assign_all(peer: str, size: Size, outcomes: Connection) -> None:
    from bench.kafka_assignors import ASSIGNORS, assign  # of the extra `bench`, and counting needs none of it

    for event in events(size.instances):
        before = balanced(size.streams, event.before)
        members = [f"member-{place:05}" for place in range(event.after)]
        after, spent = assign(ASSIGNORS[peer], members, before, size.streams + event.added)
        outcomes.send(_outcome(peer, event, size, 1000 * spent, moves(before, after)))


def _outcome(peer: str, event: Event, size: Size, milliseconds: float | None, moved: int | None) -> Outcome:
    return Outcome(
        peer=peer,
        event=event.name,
        streams=size.streams,
        instances=size.instances,
        milliseconds=milliseconds,
        moves=moved,
        least_moves=least_moves_of(event, size.streams),
    )
