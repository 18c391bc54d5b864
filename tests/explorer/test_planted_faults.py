"""The explorer finds what is wrong: some faults that it finds soon. `python -m tests.explorer --planted` has all."""

from __future__ import annotations

import pytest

from tests.explorer.faults import FAULTS, planted
from tests.explorer.ground import Ground
from tests.explorer.walk import Explorer

SOON = (
    "a stream that is to be stopped counts in the digest",
    "a hand-over that is called off keeps its next owner",
    "a new process keeps the epochs of the old one",
)
MOST_STEPS = 1000


@pytest.mark.parametrize("name", SOON)
def test_a_planted_fault_is_found(ground: Ground, name: str) -> None:
    with planted(ground, FAULTS[name]):
        explorer = Explorer(ground, 1)
        explorer.explore(lambda: bool(explorer.found) or explorer.steps > MOST_STEPS)
    assert explorer.found


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_planted_where_its_rule_stands_and_taken_out_again(ground: Ground, name: str) -> None:
    texts = "select md5(string_agg(p.prosrc, ',' order by p.oid)) as texts from pg_proc as p where p.prosrc <> ''"
    [before] = ground.query(texts)
    with planted(ground, FAULTS[name]):
        assert ground.query(texts) != [before]
    assert ground.query(texts) == [before]
