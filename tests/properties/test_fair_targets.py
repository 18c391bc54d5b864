"""fair_targets against an exact reference: what proportional, bounded, whole and least moves mean."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from psycopg import sql

from orchestrator.database import db
from tests.properties.reference import NOISE, Place, fair_shares, least_distance
from tests.support import Database


@pytest.fixture(scope="module")
def conn(shared_database: Database) -> db.Connection:
    return shared_database.connect()


def targets(conn: db.Connection, total: int, places: Sequence[Place]) -> list[int]:
    """What the database says, in the order of the places."""
    query = sql.SQL(
        "select instance_id, target from {}.fair_targets(%s, %s, %s::float8[], %s::int[], %s::int[], %s::int[])"
    ).format(sql.Identifier(conn.names.private))
    ids = [f"i{number:05}" for number in range(len(places))]
    columns = [[getattr(p, name) for p in places] for name in ("weight", "lower", "upper", "held")]
    rows = conn.execute(query, [total, ids, *columns]).fetchall()
    found = {row["instance_id"]: row["target"] for row in rows}
    return [found[instance_id] for instance_id in ids]


def check(total: int, places: Sequence[Place], found: Sequence[int]) -> None:
    shares = fair_shares(total, places)
    assert sum(found) == sum(shares)
    for target, share, place in zip(found, shares, places, strict=True):
        assert place.lower <= target <= place.upper
        assert abs(target - share) < 1
        if abs(share - round(share)) <= NOISE:
            assert target == round(share)
    distance = sum(abs(target - place.held) for target, place in zip(found, places, strict=True))
    assert distance == least_distance(shares, places)


@st.composite
def fleets(draw: st.DrawFn, weights: st.SearchStrategy[float]) -> list[Place]:
    places = []
    for weight in draw(st.lists(weights, min_size=1, max_size=12)):
        upper = draw(st.integers(0, 1000))
        lower = draw(st.integers(0, upper))
        places.append(Place(weight, lower, upper, draw(st.integers(lower, 1000))))
    return places


capacities = st.integers(1, 1000).map(float)
performances = st.builds(lambda capacity, part: capacity * part, st.integers(1, 1000), st.floats(0.1, 1))
anything = st.floats(0.1, 1000)


@given(places=fleets(capacities | performances | anything), part=st.floats(-0.1, 1.1))
def test_targets_are_bounded_proportional_and_least_moves(
    conn: db.Connection, places: list[Place], part: float
) -> None:
    total = max(0, round(part * sum(p.upper for p in places)))
    # on the edge between whole and broken, floats may say either
    assume(not any(NOISE / 10 < abs(s - round(s)) < NOISE * 10 for s in fair_shares(total, places)))
    check(total, places, targets(conn, total, places))


@given(
    capacities=st.lists(st.integers(1, 200), min_size=1, max_size=8),
    level=st.integers(0, 5),
    scale=st.sampled_from([0.1, 1 / 3, 0.7, 1.1]),
)
@example(capacities=[100, 150, 50], level=1, scale=0.1)
def test_shares_that_are_whole_numbers_stay_so_under_any_weights_as_floats(
    conn: db.Connection, capacities: list[int], level: int, scale: float
) -> None:
    places = [Place(c * scale, 0, 5 * c, 0) for c in capacities]
    assert targets(conn, level * sum(capacities), places) == [level * c for c in capacities]


def test_three_hundred_streams_over_100_150_50(conn: db.Connection) -> None:
    """Placement by capacity (mission: 300 streams give exactly 100, 150 and 50)."""
    places = [Place(float(c), 0, c, 0) for c in (100, 150, 50)]
    assert targets(conn, 300, places) == [100, 150, 50]
    assert targets(conn, 3000, places) == [100, 150, 50]
    assert targets(conn, 0, places) == [0, 0, 0]


def test_no_instance_to_share_among(conn: db.Connection) -> None:
    assert targets(conn, 7, []) == []


@pytest.mark.parametrize(("filled", "performance"), [(0.003, False), (0.6, True), (1.0, True)])
def test_five_thousand_instances(conn: db.Connection, filled: float, performance: bool) -> None:
    dice = random.Random(filled)
    places = []
    for _ in range(5000):
        capacity = dice.randint(1, 1000)
        held = dice.randint(0, capacity)
        lower = dice.choice([0, 0, held, dice.randint(0, held)])
        weight = capacity * (dice.uniform(0.1, 1) if performance else 1.0)
        places.append(Place(weight, lower, dice.choice([capacity, dice.randint(held, capacity)]), held))
    total = round(filled * sum(p.upper for p in places))
    check(total, places, targets(conn, total, places))


@pytest.mark.parametrize("groups", range(4))
def test_a_level_where_nothing_grows_is_found_all_the_same(conn: db.Connection, groups: int) -> None:
    """All of one kind full, all of the other kind still at the least: the sum of shares is flat there."""
    dice = random.Random(groups)
    full = [Place(dice.uniform(100, 1000), 0, dice.randint(1, 5), 0) for _ in range(2000)]
    heavy = [Place(dice.uniform(0.1, 1), dice.randint(200, 500), 1000, 500) for _ in range(2000)]
    places = dice.sample([*full, *heavy], 4000)
    total = sum(p.upper for p in full) + sum(p.lower for p in heavy)
    found = targets(conn, total, places)
    assert found == [p.upper if p.upper <= 5 else p.lower for p in places]
    check(total + 1, places, targets(conn, total + 1, places))
