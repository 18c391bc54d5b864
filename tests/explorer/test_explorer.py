"""Walks by the dice break no law, and what is found is shrunk to a test that can be run."""

from __future__ import annotations

from random import SystemRandom

import pytest

from tests.explorer.conftest import Replay
from tests.explorer.faults import FAULTS, planted
from tests.explorer.ground import Ground
from tests.explorer.walk import Explorer, enough, replay
from tests.explorer.world import MODES, Step

STEPS = 250
"""As many as take a few seconds; `make explore` takes more."""


def _explore(ground: Ground, seed: int, mode: str) -> Explorer:
    explorer = Explorer(ground, seed, (mode,))
    until = enough(explorer, steps=STEPS)
    explorer.explore(lambda: until() or bool(explorer.found))
    for found in explorer.found.values():
        raise AssertionError(f"seed {seed}\n\n{explorer.shrink(found).as_test()}") from found.violation
    return explorer


@pytest.mark.parametrize("mode", MODES)
def test_walks_of_a_fixed_seed_break_no_law(ground: Ground, mode: str) -> None:
    assert _explore(ground, 1, mode).steps >= STEPS


@pytest.mark.parametrize("mode", MODES)
def test_walks_of_a_fresh_seed_break_no_law(ground: Ground, mode: str) -> None:
    _explore(ground, SystemRandom().randrange(100_000), mode)


def test_the_same_seed_takes_the_same_steps_and_another_one_others(ground: Ground) -> None:
    taken = []
    for seed in (1, 1, 2):
        explorer = Explorer(ground, seed)
        explorer.explore(enough(explorer, steps=40))
        taken.append(explorer.taken)
    assert taken[0] == taken[1] != taken[2]


def test_what_is_found_is_shrunk_to_a_test_that_runs(ground: Ground) -> None:
    with planted(ground, FAULTS["a hand-over is forced at once"]):
        explorer = Explorer(ground, 1)
        explorer.explore(lambda: bool(explorer.found) or explorer.steps > 2000)
        [found] = explorer.found.values()
        shortest = explorer.shrink(found)
        assert 0 < len(shortest.path) < len(found.path)
        assert shortest.violation.kind == found.violation.kind
    assert replay(ground, shortest.mode, shortest.path) is None

    told: list[tuple[str | Step, ...]] = []
    space: dict[str, object] = {"Replay": Replay}
    exec(shortest.as_test(), space)
    [test] = [value for name, value in space.items() if name.startswith("test_")]
    assert callable(test)
    test(lambda mode, *steps: told.append((mode, *steps)))
    assert told == [(shortest.mode, *shortest.path)]


def test_a_walk_leaves_nothing_behind(ground: Ground) -> None:
    before = ground.back_up()
    explorer = Explorer(ground, 3)
    explorer.explore(enough(explorer, steps=20))
    assert ground.back_up() == before


def test_a_backup_that_is_put_back_is_the_same_but_on_another_server(ground: Ground) -> None:
    with ground.walk():
        backup, [server] = ground.back_up(), ground.query("select * from {private}.test_server")
        ground.call("drain_instance", instance_id=_registered(ground))
        assert ground.back_up() != backup
        ground.advance(1)
        ground.restore(backup)
        assert ground.back_up() == backup
        assert ground.query("select * from {private}.test_server") != [server]


def _registered(ground: Ground) -> str:
    ground.call("register_instance", instance_id="a", max_streams=1)
    return "a"
