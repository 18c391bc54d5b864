"""R1.3, R6.1: what a rebalance would do, and what would become of another fleet."""

import pytest
from psycopg.types.json import Jsonb

from tests.fleet import Fleet, Row, refused


def _state(fleet: Fleet) -> list[Row]:
    tables = (
        "instance",
        "instance_load",
        "assignment",
        "movement",
        "decision",
        "requirement_load",
        "heartbeat",
        "settle_request",
    )
    return [
        row
        for table in tables
        for row in fleet.query(f"select '{table}' as t, r.* from {{p}}.{table} as r order by r::text")
    ]


def _by_instance(rows: list[Row]) -> dict[str | None, tuple[int, int]]:
    return {row["instance_id"]: (row["streams_before"], row["streams_after"]) for row in rows}


# -- plans -------------------------------------------------------------------------------------------------------------


def test_a_plan_says_what_it_does_to_each_instance_and_does_it(fleet: Fleet) -> None:
    """R1.3: with the least number of moves beside its own."""
    fleet.start(20, streams=12)
    fleet.register("fv-2", 20).beat()
    [*moves] = fleet.admin("plan_rebalance")
    effect = fleet.admin("plan_effect", plan_id=moves[0]["plan_id"])
    assert _by_instance(effect) == {"fv-1": (12, 6), "fv-2": (0, 6)}
    assert {(row["moves"], row["least_moves"]) for row in effect} == {(6, 6)}
    fleet.admin("apply_plan", plan_id=moves[0]["plan_id"])
    fleet.all_obey()
    assert fleet.loads() == {row["instance_id"]: row["streams_after"] for row in effect}


def test_a_plan_that_the_fleet_has_left_behind_has_no_effect_to_show(fleet: Fleet) -> None:
    """R1.3"""
    fleet.start(20, streams=12)
    fleet.register("fv-2", 20).beat()
    plan_id = fleet.admin("plan_rebalance")[0]["plan_id"]
    fleet.add_streams(1, first=13)
    with refused("OR403"):
        fleet.admin("plan_effect", plan_id=plan_id)
    with refused("OR107"):
        fleet.admin("plan_effect", plan_id=4711)


# -- what if -----------------------------------------------------------------------------------------------------------


def test_what_if_tells_exactly_what_happens_then(fleet: Fleet) -> None:
    """R1.2: without an instance; what is foretold of a removal is what it does."""
    fleet.start(10, 10, 10, streams=24)
    before = _state(fleet)
    rows = fleet.admin("what_if", without=["fv-3"])
    assert _state(fleet) == before
    assert _by_instance(rows) == {"fv-1": (8, 10), "fv-2": (8, 10), "fv-3": (8, 0), None: (0, 4)}
    assert {row["instance_id"]: row["change"] for row in rows}["fv-3"] == "without"
    fleet.admin("remove_instance", instance_id="fv-3")
    fleet.settle()
    assert fleet.loads() == {"fv-1": 10, "fv-2": 10, "fv-3": 0}
    assert len(fleet.waiting()) == 4


def test_what_if_another_instance_came(fleet: Fleet) -> None:
    """R1.1: what is foretold of a join is what it does."""
    fleet.start(10, 10, streams=15)
    rows = fleet.admin("what_if", **{"with": Jsonb({"new": 10})})
    new = next(row for row in rows if row["instance_id"] == "new")
    assert (new["change"], new["capacity_before"], new["capacity_after"]) == ("new", None, 10)
    assert (new["streams_after"], new["gained"], new["moves"], new["least_moves"]) == (5, 5, 5, 5)
    fleet.register("new", 10)
    fleet.settle()
    assert fleet.loads() == {row["instance_id"]: row["streams_after"] for row in rows if row["instance_id"]}


def test_what_if_a_capacity_were_another(fleet: Fleet) -> None:
    """R1.3"""
    fleet.start(10, 10, streams=12)
    rows = fleet.admin("what_if", capacity=Jsonb({"fv-1": 20}))
    assert {row["instance_id"]: row["change"] for row in rows} == {"fv-1": "capacity", "fv-2": None, None: None}
    fleet.admin("set_capacity", instance_id="fv-1", max_streams=20)
    fleet.settle()
    assert fleet.loads() == {row["instance_id"]: row["streams_after"] for row in rows if row["instance_id"]}


def test_what_if_everything_at_once(fleet: Fleet) -> None:
    """R1.2: one goes, an able one comes in its place, another grows; a removed name may come back."""
    fleet.start(10, 10, streams=10)
    fleet.register("fv-3", 4, capabilities=["audio_fingerprinting", "aac"])
    fleet.add_streams(3, first=11, required_capabilities=["aac"])
    fleet.settle()
    fleet.register("old", 4).call("deregister_instance")
    before = _state(fleet)
    able = {"max_streams": 5, "capabilities": ["aac"], "location": "south"}
    rows = fleet.admin(
        "what_if", without=["fv-3"], **{"with": Jsonb({"new": able, "old": 7}), "capacity": Jsonb({"fv-1": 30})}
    )
    after = {row["instance_id"]: row["streams_after"] for row in rows}
    assert after[None] == 0
    assert after["fv-3"] == 0
    assert after["new"] >= 3
    assert sum(after.values()) == 13
    assert _state(fleet) == before


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"without": ["unknown"]}, "OR103"),
        ({"capacity": Jsonb({"unknown": 10})}, "OR103"),
        ({"capacity": Jsonb({"fv-1": 0})}, "OR101"),
        ({"capacity": Jsonb({"fv-1": 10.5})}, "OR101"),
        ({"capacity": Jsonb({"fv-1": "many"})}, "OR101"),
        ({"capacity": Jsonb([1])}, "OR101"),
        ({"with": Jsonb({"fv-1": 10})}, "OR101"),
        ({"with": Jsonb({"no name!": 10})}, "OR101"),
        ({"with": Jsonb({"new": 1001})}, "OR101"),
        ({"with": Jsonb({"new": {"location": "south"}})}, "OR101"),
        ({"with": Jsonb("new")}, "OR101"),
    ],
)
def test_what_cannot_be_supposed_is_refused(fleet: Fleet, given: dict[str, object], code: str) -> None:
    """R6.1"""
    fleet.start(10)
    with refused(code):
        fleet.admin("what_if", **given)


def test_what_if_nothing_changed(fleet: Fleet) -> None:
    """R1.3: nulls are nothing."""
    fleet.start(10, 10, streams=4)
    for given in ({}, {"without": None, "with": None, "capacity": None}):
        rows = fleet.admin("what_if", **given)
        assert _by_instance(rows) == {"fv-1": (2, 2), "fv-2": (2, 2), None: (0, 0)}
        assert {(row["moves"], row["least_moves"], row["change"]) for row in rows} == {(0, 0, None)}
