"""The search: walks by the dice that fork where they have been, and what they find made as short as it can be."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from tests.explorer.actions import BEGINNINGS, KINDS, choose, weights
from tests.explorer.ground import Ground
from tests.explorer.laws import Violation
from tests.explorer.world import MODES, Impossible, Step, World, loses

DEPTH = 30
"""Steps of the longest path from the beginning, …"""
TWIG = 16
"""… and of the longest from where a path forks."""
LEAVES = 5
"""Ends of paths in one walk."""
GENTLE = 0.3
"""This part of all walks loses nothing, so that nothing may have to be repaired."""
SWEEP_EVERY = 20


@dataclass
class Found:
    """A path that breaks a law."""

    mode: str
    path: list[Step]
    violation: Violation
    steps: int
    """Steps that were taken until it was found."""

    def as_test(self) -> str:
        """A test for tests/explorer/test_found.py."""
        name = re.sub(r"\W+", "_", self.violation.kind).strip("_").lower()[:60]
        steps = "\n".join(f"        {_literal(step)}," for step in self.path)
        quoted = str(self.violation).replace("\\", "\\\\").replace('"""', "'''")
        return (
            f"def test_{name}(replay: Replay) -> None:\n"
            + "".join(f"    # {line}\n" for line in _wrapped(quoted))
            + f'    replay(\n        "{self.mode}",\n{steps}\n    )\n'
        )


@dataclass
class Explorer:
    """Walks from one ground, by dice that a seed makes."""

    ground: Ground
    seed: int
    modes: Sequence[str] = MODES
    kinds: Collection[str] = frozenset(KINDS)
    steps: int = 0
    walks: int = 0
    leaves: int = 0
    found: dict[str, Found] = field(default_factory=dict)
    """The shortest of each kind of violation."""
    taken: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._dice = Random(self.seed)

    def explore(self, until: Callable[[], bool], *, report: Callable[[Found], None] = lambda found: None) -> None:
        """Walk until it is enough."""
        while not until():
            if found := self.walk(until):
                kind = found.violation.kind
                if kind not in self.found or len(found.path) < len(self.found[kind].path):
                    self.found[kind] = found
                    report(found)
            if self.walks % SWEEP_EVERY == 0:
                self.ground.sweep()

    def walk(self, until: Callable[[], bool] = lambda: False) -> Found | None:
        """One walk, up to the first violation."""
        self.walks += 1
        mode = self._dice.choice(list(self.modes))
        gently = self._dice.random() < GENTLE
        tried = weights(self.kinds, self._dice)
        path: list[Step] = []
        try:
            with self.ground.walk():
                world = World.begin(self.ground, mode)
                for step in self._dice.choice(BEGINNINGS):
                    self._take(world, path, step)
                if "back_up" in self.kinds and self._dice.random() < 0.5:
                    self._take(world, path, ("back_up",))
                marks = [(len(path), world.copy())]
                self.ground.order("savepoint mark_0")
                for leaf in range(LEAVES):
                    if leaf:  # back to where the path has been
                        del marks[1 + self._dice.randrange(len(marks)) :]
                        length, world = marks[-1][0], marks[-1][1].copy()
                        self.ground.order(f"rollback to savepoint mark_{len(marks) - 1}")
                        del path[length:]
                    for _ in range(self._dice.randint(1, TWIG if leaf else DEPTH)):
                        self._step(world, path, tried, gently=gently)
                        if self._dice.random() < 0.2:
                            self.ground.order(f"savepoint mark_{len(marks)}")
                            marks.append((len(path), world.copy()))
                    self._rest(world)
                    if until():
                        break
        except Violation as violation:
            return Found(mode, path, violation, self.steps)
        return None

    def _step(self, world: World, path: list[Step], tried: Mapping[str, float], *, gently: bool) -> None:
        """A step that is possible; gently: one in which nothing is lost."""
        while True:
            step = choose(world, tried, self._dice, path[-1] if path else None)
            if not (gently and loses(step)) and self._take(world, path, step):
                return

    def _take(self, world: World, path: list[Step], step: Step) -> bool:
        path.append(step)
        if not attempt(world, step):
            path.pop()
            return False
        self.steps += 1
        self.taken[str(step[0])] += 1
        return True

    def _rest(self, world: World) -> None:
        self.leaves += 1
        with self.ground.aside("leaf"):
            world.copy().rest()

    # -- made short --------------------------------------------------------------------------------------------------

    def shrink(self, found: Found) -> Found:
        """The shortest path to the same kind of violation that leaving out steps leads to."""
        found = Found(found.mode, list(found.path), found.violation, found.steps)
        size = max(1, len(found.path) // 2)
        while True:
            was = len(found.path)
            start = 0
            while start < len(found.path):
                shorter = found.path[:start] + found.path[start + size :]
                violation = replay(self.ground, found.mode, shorter)
                if violation is not None and violation.kind == found.violation.kind:
                    found.path, found.violation = shorter, violation
                else:
                    start += size
            if size > 1:
                size = max(1, size // 2)
            elif len(found.path) == was:
                return found


def attempt(world: World, step: Step) -> bool:
    """Take a step; False when it is impossible, and nothing has happened."""
    before = world.copy()
    world.ground.order("savepoint step")
    try:
        world.take(step)
    except Impossible:
        world.ground.order("rollback to savepoint step")
        vars(world).update(vars(before))
        return False
    world.ground.order("release savepoint step")
    return True


def replay(ground: Ground, mode: str, path: Iterable[Step]) -> Violation | None:
    """What a path leads to, with the rest at its end. Steps that are impossible are left out."""
    try:
        with ground.walk():
            world = World.begin(ground, mode)
            for step in path:
                attempt(world, step)
            world.rest()
    except Violation as violation:
        return violation
    return None


def enough(explorer: Explorer, *, steps: int | None = None, seconds: float | None = None) -> Callable[[], bool]:
    """Whether so many more steps were taken, or so much time has passed."""
    most = explorer.steps + steps if steps is not None else None
    end = time.monotonic() + seconds if seconds is not None else None
    return lambda: (most is not None and explorer.steps >= most) or (end is not None and time.monotonic() >= end)


def _literal(step: Step) -> str:
    return (
        "("
        + ", ".join(f'"{part}"' if isinstance(part, str) else str(part) for part in step)
        + ("," * (len(step) == 1))
        + ")"
    )


def _wrapped(text: str) -> list[str]:
    words, lines = text.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 100:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines[:12]
