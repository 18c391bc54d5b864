"""The order of a run belongs to its seed, and its documentation is whole."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.faults import FAULTS
from tests.chaos.suite import HANDOFF_MODES, mode_of, order

USUAL = [fault for fault in FAULTS.values() if not fault.hidden]


def test_the_same_seed_gives_the_same_order_and_another_one_another() -> None:
    orders = [[fault.name for fault in order(USUAL, seed, quick=False)] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


def test_seeds_give_both_modes_of_hand_over() -> None:
    assert {mode_of(seed) for seed in range(10)} == set(HANDOFF_MODES)


def test_no_fault_has_to_wait_for_the_end_of_one_before_it() -> None:
    for seed in range(20):
        waits = [fault.trusting or fault.balancing for fault in order(USUAL, seed, quick=False)]
        assert waits == sorted(waits, reverse=True)


def test_every_fault_says_what_it_does_and_stands_in_the_manual() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "internals" / "chaos.md").read_text()
    for fault in FAULTS.values():
        assert fault.description.endswith("."), fault.name
        assert fault.hidden or f"| `{fault.name}` |" in manual, fault.name
