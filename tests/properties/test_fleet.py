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
from tests.properties.lives import CutOffLife, MixedLife, PlainLife
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
    """A life whose acts are chosen by Hypothesis."""

    kind: ClassVar[type[PlainLife]]
    database: ClassVar[Database]
    conn: ClassVar[db.Connection]

    @initialize(dice=_DICE)
    def begin(self, dice: Random) -> None:
        self.life = self.kind(self.database, self.conn)
        self.life.begin(dice)

    def teardown(self) -> None:
        if hasattr(self, "life"):
            self.life.end()
            self.life.fleet.close()


def _rule(name: str) -> Any:
    def act(self: Story, dice: Random) -> None:
        getattr(self.life, name)(dice)

    act.__name__ = name
    return rule(dice=_DICE)(act)


def _stories(kind: type[PlainLife]) -> type[Story]:
    return type(f"{kind.__name__}Story", (Story,), {"kind": kind, **{name: _rule(name) for name in kind.acts()}})


@pytest.mark.parametrize("kind", [PlainLife, MixedLife])
def test_the_laws_hold_in_every_story(shared_database: Database, conn: db.Connection, kind: type[PlainLife]) -> None:
    """R1.1, R1.2, R1.4, R3.3: one owner, within capacity, fair when settled, least moves, everything recorded."""
    story = _stories(kind)
    story.database, story.conn = shared_database, conn
    run_state_machine_as_test(story, settings=settings(stateful_step_count=_STEPS))


@pytest.mark.parametrize("kind", [PlainLife, MixedLife, CutOffLife])
def test_the_laws_hold_in_long_lives(shared_database: Database, conn: db.Connection, kind: type[PlainLife]) -> None:
    """R1.1, R1.2, R1.4, R3.3, R5.2: the same, in lives of fifty acts."""
    for seed in range(_FIRST, _FIRST + _LIVES):
        dice = Random(seed)
        life = kind(shared_database, conn)
        try:
            life.begin(dice)
            life.live(dice, 2 * _STEPS)
            life.end()
        except Exception:
            print(f"ORCHESTRATOR_SEED={seed}", *life.fleet.story, sep="\n")
            raise
        life.fleet.close()
