"""What is broken, one function for each fault. The docstring says what is done and what must hold.

A function breaks something, puts it right where the fleet cannot do that by itself, and waits until every station is
heard again. The suite sees to the rest: that the fleet is quiet before, and that the laws and the bounds hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

from tests.chaos.fleet import Fleet

Inject = Callable[[Fleet, Random], None]


@dataclass(frozen=True)
class Fault:
    """One fault and what it may cost.

    `moves`: none, or the least that reach the balance again. `loses`: whether audio may be lost at all; what is lost by
    a station that moved always may. `stops_handlers`: whether a handler may end that keeps its stream. `heard_within`:
    the figure to reach, in seconds, until every station is heard again. `times`: how often a whole run injects it.
    """

    name: str
    inject: Inject
    moves: Literal["none", "least"]
    loses: bool = False
    stops_handlers: bool = True
    heard_within: float | None = None
    trusting: bool = False
    balancing: bool = False
    repairs: bool = False
    times: int = 1
    quick: bool = False
    hidden: bool = False

    @property
    def description(self) -> str:
        """The first sentence of what the function says of itself."""
        return " ".join((self.inject.__doc__ or "").split()).partition(". ")[0].rstrip(".")


FAULTS: dict[str, Fault] = {}


def fault(
    name: str,
    *,
    moves: Literal["none", "least"],
    loses: bool = False,
    stops_handlers: bool = True,
    heard_within: float | None = None,
    trusting: bool = False,
    balancing: bool = False,
    repairs: bool = False,
    times: int = 1,
    quick: bool = False,
    hidden: bool = False,
) -> Callable[[Inject], Inject]:
    """Register a function as a fault."""

    def register(inject: Inject) -> Inject:
        FAULTS[name] = Fault(
            *(name, inject, moves, loses, stops_handlers, heard_within, trusting, balancing, repairs, times, quick),
            hidden=hidden,
        )
        return inject

    return register


@fault("worker-kill", moves="least", loses=True, heard_within=20, trusting=True, times=2, quick=True)
def kill_worker(fleet: Fleet, random: Random) -> None:
    """kill -9 of a worker. Its streams are heard elsewhere within 20 s; nobody else's move."""
    victim = random.choice(fleet.workers)
    victim.kill()
    fleet.lose(victim)
    fleet.wait_until_healed()


@fault("worker-join", moves="least", balancing=True, hidden=True)
def join_worker(fleet: Fleet, random: Random) -> None:
    """A new worker under a new id joins, wherever one is missing. It gets its share, and no more moves than that."""
    fleet.stage.wait_until_share_of(fleet.start_worker())


@fault("crash", moves="none", stops_handlers=False, times=2, quick=True)
def crash_database(fleet: Fleet, random: Random) -> None:
    """PostgreSQL is stopped in immediate mode, as by a crash, and started again. Nothing moves, no handler stops."""
    fleet.server.restart(immediate=True)
    fleet.wait_until_healed()


@fault("crash-20s", moves="none", stops_handlers=False)
def crash_database_for_longer(fleet: Fleet, random: Random) -> None:
    """PostgreSQL crashes and stays away for 20 s. Nothing moves, no handler stops."""
    fleet.server.stop(immediate=True)
    time.sleep(20)
    fleet.server.start()
    fleet.wait_until_healed()


@fault("sabotage", moves="none", hidden=True)
def write_a_second_twice(fleet: Fleet, random: Random) -> None:
    """A second is written twice, on purpose. The suite must find it and fail."""
    fleet.stage.ledger().execute(
        "insert into music_log.heard select * from music_log.heard order by second desc limit 1"
    )
    fleet.wait_until_healed()
