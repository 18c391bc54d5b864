"""How the benchmark counts the moves of others."""

from itertools import combinations, product

import pytest

from bench import peers


def test_the_least_moves_are_those_to_the_nearest_even_division() -> None:
    for kept in product(range(4), repeat=3):
        for streams in range(sum(kept), 12):
            share, extra = divmod(streams, 3)
            divisions = [[share + (place in more) for place in range(3)] for more in combinations(range(3), extra)]
            nearest = min(
                sum(max(wanted - has, 0) for wanted, has in zip(division, kept, strict=True)) for division in divisions
            )
            assert peers.least_moves(kept, streams) == nearest


@pytest.mark.parametrize(
    ("event", "least"),
    [
        (peers.Event("lose one", 50, 49), 20),
        (peers.Event("one joins", 49, 50), 20),
        (peers.Event("lose 10 %", 50, 45), 100),
        (peers.Event("streams added", 50, 50, added=100), 100),
        (peers.Event("nothing", 50, 50), 0),
    ],
    ids=lambda value: value.name if isinstance(value, peers.Event) else str(value),
)
def test_an_event_has_its_least_moves(event: peers.Event, least: int) -> None:
    assert peers.least_moves_of(event, 1_000) == least


def test_a_stream_has_moved_when_its_owner_is_another_or_the_first() -> None:
    assert peers.moves({1: "a", 2: "a"}, {1: "a", 2: "b", 3: "b"}) == 2
