"""Random joins, losses, returns, drains, pauses, streams and hand-overs, each step followed by the laws.

Two ways to roll the dice: Hypothesis searches for short stories and can shorten them; long lives are seeded, dense and
repeatable.
"""

import os
from collections.abc import Iterator
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from orchestrator.database import db
from tests.properties.simulation import CutOffSimulation, MixedSimulation, PlainSimulation
from tests.support import Clock, Database

_DICE = st.randoms(use_true_random=True)
_STEPS = int(os.environ.get("ORCHESTRATOR_STEPS") or 25)
_LIVES = int(os.environ.get("ORCHESTRATOR_EXAMPLES") or 12)
_FIRST = int(os.environ.get("ORCHESTRATOR_SEED") or 0)


@pytest.fixture(scope="module")
def conn(shared_database: Database) -> Iterator[db.Connection]:
    conn = shared_database.connect()
    Clock(conn).install()
    yield conn


class Story(RuleBasedStateMachine):
    """A simulation whose events are chosen by Hypothesis."""

    kind: ClassVar[type[PlainSimulation]]
    database: ClassVar[Database]
    conn: ClassVar[db.Connection]

    @initialize(dice=_DICE)
    def begin(self, dice: Random) -> None:
        self.simulation = self.kind(self.database, self.conn)
        self.simulation.begin(dice)

    def teardown(self) -> None:
        if hasattr(self, "simulation"):
            self.simulation.end()
            self.simulation.fleet.close()


def _rule(name: str) -> Any:
    def event(self: Story, dice: Random) -> None:
        getattr(self.simulation, name)(dice)

    event.__name__ = name
    return rule(dice=_DICE)(event)


def _stories(kind: type[PlainSimulation]) -> type[Story]:
    return type(f"{kind.__name__}Story", (Story,), {"kind": kind, **{name: _rule(name) for name in kind.events()}})


@pytest.mark.parametrize("kind", [PlainSimulation, MixedSimulation])
def test_the_laws_hold_in_every_story(
    shared_database: Database, conn: db.Connection, kind: type[PlainSimulation]
) -> None:
    """R1.1, R1.2, R1.4, R3.3: one owner, within capacity, fair when settled, least moves, everything recorded."""
    story = _stories(kind)
    story.database, story.conn = shared_database, conn
    run_state_machine_as_test(story, settings=settings(stateful_step_count=_STEPS))


@pytest.mark.parametrize("kind", [PlainSimulation, MixedSimulation, CutOffSimulation])
def test_the_laws_hold_in_long_lives(
    shared_database: Database, conn: db.Connection, kind: type[PlainSimulation]
) -> None:
    """R1.1, R1.2, R1.4, R3.3, R5.2: the same, in lives of fifty events."""
    for seed in range(_FIRST, _FIRST + _LIVES):
        dice = Random(seed)
        simulation = kind(shared_database, conn)
        try:
            simulation.begin(dice)
            simulation.run(dice, 2 * _STEPS)
            simulation.end()
        except Exception:
            print(f"ORCHESTRATOR_SEED={seed}", *simulation.fleet.story, sep="\n")
            raise
        simulation.fleet.close()
