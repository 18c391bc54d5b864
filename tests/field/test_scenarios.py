"""Every station is heard exactly once, whoever of the deployed clients there is."""

import pytest

from tests.field.conftest import MakeWorld
from tests.field.world import World


@pytest.mark.parametrize("kind", ["P", "R", "O", "S"])
def test_01_one_that_starts_hears_all(world: World, kind: str) -> None:
    client = world.field.start(kind, "a")
    client.wait_until_begun()
    world.judge.wait_for_exactly_one(within=5)
    assert len(client.asks()[0].ids) == 60
