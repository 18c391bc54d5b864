"""When the fleet is levelled, how far, and what is written down about it."""

from itertools import pairwise
from typing import Any

import pytest

from tests.fleet import Fleet, Row, refused


def _uneven(fleet: Fleet, to_move: int, *, streams: int = 100) -> None:
    """Two instances of 100, the first with so many streams more, and the second with as many less, than half."""
    _, second = fleet.start(100, 100, streams=streams)
    for stream_id in sorted(second.running)[:to_move]:
        fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
    fleet.all_obey()
    fleet.clock.advance("299 seconds")
    fleet.all_obey()
    fleet.clock.advance("2 seconds")
    assert fleet.loads() == {"fv-1": streams // 2 + to_move, "fv-2": streams // 2 - to_move}


# -- the settle window -------------------------------------------------------------------------------------------------


def test_50_registrations_within_the_settle_window_make_one_rebalance(fleet: Fleet) -> None:
    """settle_window"""
    fleet.add_streams(200)
    before = len(fleet.decisions())
    for number in range(1, 51):
        fleet.register(f"fv-{number:02}", 10)
        fleet.clock.advance("30 milliseconds")
        assert fleet.run("settle") is None
    fleet.clock.advance("1.97 seconds")
    result = fleet.run("settle")
    assert (result["reasons"], result["moves"], result["least_moves"]) == (["new streams", "registered"], 200, 200)
    assert len(fleet.decisions()) == before + 1
    assert set(fleet.loads().values()) == {4}
    assert fleet.run("settle") is None


def test_events_that_never_stop_are_answered_after_five_windows(fleet: Fleet) -> None:
    fleet.add_streams(10)
    for number in range(10):
        fleet.register(f"fv-{number}")
        assert fleet.run("settle") is None
        fleet.clock.advance("1 second")
    assert fleet.run("settle")["moves"] == 10


def test_a_settlement_that_is_due_is_not_forestalled(fleet: Fleet) -> None:
    """One rebalance for everything that happens together, though the imbalance is seen before the window is over."""
    fleet.start(100, streams=20)
    fleet.clock.advance("299 seconds")
    fleet.all_obey()
    fleet.clock.advance("2 seconds")
    fleet.register("fv-2", 100)
    assert fleet.run("check_balance") is None
    assert fleet.settle()["moves"] == 10


def test_a_settlement_of_nothing_is_no_decision(fleet: Fleet) -> None:
    fleet.start(10, streams=2)
    before = fleet.decisions()
    fleet.query("insert into {p}.settle_request (requested_at, reason) values ({p}.now(), 'room')")
    assert fleet.settle() is None
    assert fleet.decisions() == before


# -- thresholds --------------------------------------------------------------------------------------------------------


def test_a_difference_of_exactly_20_points_is_left_alone_and_one_more_stream_is_not(fleet: Fleet) -> None:
    """R1.3: more than 20 percentage points of capacity."""
    fleet.set("max_stream_difference", "1000")
    _uneven(fleet, 10, streams=140)  # 0.8 - 0.6 is more than 0.2 for a floating point unit
    assert fleet.run("check_balance") is None
    fleet.admin("move_stream", stream_id=min(fleet.workers["fv-2"].running), instance_id="fv-1")
    fleet.all_obey()
    result = fleet.run("check_balance")
    assert (result["moves"], result["least_moves"]) == (11, 11)
    fleet.all_obey()
    assert fleet.loads() == {"fv-1": 70, "fv-2": 70}


def test_two_streams_from_the_fair_share_are_left_alone_and_three_are_not(fleet: Fleet) -> None:
    """R1.4: within 2 streams of the fair share."""
    _uneven(fleet, 2)
    assert fleet.run("check_balance") is None
    fleet.admin("move_stream", stream_id=min(fleet.workers["fv-2"].running), instance_id="fv-1")
    fleet.all_obey()
    assert fleet.run("check_balance")["moves"] == 3


def test_thresholds_are_settings(fleet: Fleet) -> None:
    fleet.set("max_stream_difference", "1000")
    fleet.set("imbalance_threshold", "0.05")
    _uneven(fleet, 3)
    assert fleet.run("check_balance")["moves"] == 3


def test_a_rebalance_by_itself_waits_for_the_cooldown(fleet: Fleet) -> None:
    """rebalance_cooldown: 300 s between two rebalances for imbalance."""
    _uneven(fleet, 10)
    assert fleet.run("check_balance")["moves"] == 10
    fleet.all_obey()
    for stream_id in sorted(fleet.workers["fv-2"].running)[:10]:
        fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
    fleet.clock.advance("150 seconds")
    fleet.all_obey()
    assert fleet.run("check_balance") is None
    fleet.clock.advance("149 seconds")
    assert fleet.run("check_balance") is None
    fleet.clock.advance("1 second")
    assert fleet.run("check_balance")["moves"] == 10


def test_the_driver_rebalances_by_itself(fleet: Fleet) -> None:
    """R1.3, through run_due_jobs()."""
    _uneven(fleet, 15)
    assert fleet.run_due_jobs()["check_balance"]["moves"] == 15


def test_an_imbalance_that_cannot_be_helped_is_no_decision(fleet: Fleet) -> None:
    [worker] = fleet.start(100, streams=20)
    for stream_id in worker.running:
        fleet.admin("pin_stream", stream_id=stream_id)
    fleet.register("fv-2", 100)
    fleet.settle()
    fleet.clock.advance("301 seconds")
    before = len(fleet.decisions())
    assert fleet.run("check_balance") is None
    assert len(fleet.decisions()) == before


# -- by hand -----------------------------------------------------------------------------------------------------------


def test_a_rebalance_by_hand_asks_no_threshold_and_no_cooldown(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=6)
    fleet.admin("move_stream", stream_id=min(fleet.workers["fv-2"].running), instance_id="fv-1")
    fleet.all_obey()
    row = fleet.one("rebalance", reason="tidy")
    assert (row["moves"], row["least_moves"], row["still_waiting"]) == (1, 1, 0)
    assert fleet.last_decision()["reason"] == "tidy"
    row = fleet.one("rebalance")
    assert (row["moves"], row["least_moves"]) == (0, 0)  # what is on its way counts as arrived


def test_a_rebalance_moves_no_more_than_it_may(fleet: Fleet) -> None:
    """max_moves_per_rebalance"""
    fleet.start(100, streams=40)
    fleet.set("max_moves_per_rebalance", "7")
    fleet.register("fv-2", 100)
    fleet.settle()
    assert fleet.loads() == {"fv-1": 33, "fv-2": 7}
    assert fleet.one("rebalance")["moves"] == 7
    fleet.all_obey()
    assert fleet.loads() == {"fv-1": 26, "fv-2": 14}


@pytest.mark.parametrize("second", [{"required_capabilities": ["mp3"]}, {}])
def test_a_rebalance_moves_no_more_than_it_may_of_all_that_it_levels(fleet: Fleet, second: dict[str, Any]) -> None:
    """max_moves_per_rebalance, over streams that only some can hear and such that others can, or all."""
    fleet.register("fv-1", 100, capabilities=["audio_fingerprinting", "aac", "mp3"])
    fleet.add_streams(10, required_capabilities=["aac"])
    fleet.add_streams(10, first=11, **second)
    fleet.settle()
    fleet.set("max_moves_per_rebalance", "3")
    fleet.admin("pause_balancing")
    fleet.register("fv-2", 100, capabilities=["audio_fingerprinting", "aac"])
    fleet.register("fv-3", 100, capabilities=["audio_fingerprinting", "mp3"])
    fleet.settle()
    fleet.admin("resume_balancing")

    assert fleet.one("rebalance")["moves"] == 3
    fleet.set("max_moves_per_rebalance", "0")  # no limit: the second kind has something to level as well
    fleet.all_obey()
    fleet.one("rebalance")
    fleet.all_obey()
    assert fleet.loads()["fv-3"] > 0


def test_a_settlement_leaves_two_streams_from_the_fair_share_alone_and_three_not(fleet: Fleet) -> None:
    """max_stream_difference"""
    for to_move, moved in ((2, 0), (3, 3)):
        first, second = fleet.start(100, 100, streams=10 if to_move == 2 else 0)
        fleet.query("delete from {p}.settle_request")
        wanted = 5 + to_move
        for stream_id in sorted(second.running)[: wanted - len(first.running)]:
            fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
        fleet.all_obey()
        fleet.query("select {p}.request_settle('room')")
        fleet.settle()
        assert fleet.loads()["fv-1"] == wanted - moved


def test_a_join_moves_only_to_the_new_instance(fleet: Fleet) -> None:
    """R1.1, provably few moves."""
    fleet.start(100, 100, streams=60)
    before = fleet.owners()
    fleet.register("fv-3", 100)
    fleet.settle()
    after = fleet.owners()
    moved = {stream_id for stream_id in before if before[stream_id] != after[stream_id]}
    assert {after[stream_id] for stream_id in moved} == {"fv-3"}
    assert fleet.loads() == {"fv-1": 20, "fv-2": 20, "fv-3": 20}
    decision = fleet.last_decision()
    assert (decision["moves"], decision["least_moves"]) == (20, 20)


# -- pause and resume --------------------------------------------------------------------------------------------------


def test_while_paused_nothing_is_levelled_but_everything_is_placed(fleet: Fleet) -> None:
    """R4.3: balancing frozen, failover never."""
    fleet.start(100, streams=10)
    row = fleet.one("pause_balancing", reason="incident")
    assert row["reason"] == "incident"
    assert row["paused_at"] == fleet.clock.now
    again = fleet.one("pause_balancing", reason="another")
    assert again == row  # the first pause stands
    with refused("OR401") as refusal:
        fleet.admin("rebalance")
    assert refusal.value.detail is not None
    assert refusal.value.detail["reason"] == "incident"
    fleet.register("fv-2", 100)
    fleet.settle()
    assert fleet.loads() == {"fv-1": 10, "fv-2": 0}
    fleet.clock.advance("301 seconds")
    fleet.all_obey()
    assert fleet.run("check_balance") is None
    fleet.add_streams(1, first=11)
    assert fleet.loads() == {"fv-1": 10, "fv-2": 1}
    fleet.admin("drain_instance", instance_id="fv-1")
    fleet.settle()
    assert fleet.loads() == {"fv-1": 0, "fv-2": 11}


def test_resuming_levels_what_has_become_unfair(fleet: Fleet) -> None:
    fleet.start(100, streams=10)
    paused = fleet.one("pause_balancing")
    fleet.register("fv-2", 100)
    fleet.settle()
    row = fleet.one("resume_balancing")
    assert row == {"was_paused_at": paused["paused_at"], "was_paused_by": paused["paused_by"]}
    fleet.settle()
    assert fleet.loads() == {"fv-1": 5, "fv-2": 5}
    assert fleet.one("resume_balancing") == {"was_paused_at": None, "was_paused_by": None}
    assert fleet.settle() is None


# -- plans -------------------------------------------------------------------------------------------------------------


def _to_plan(fleet: Fleet) -> list[Row]:
    """A plan that moves three streams and places one."""
    fleet.start(3, streams=4)
    fleet.admin("pause_balancing")
    fleet.register("fv-2", 10).beat()
    fleet.admin("resume_balancing")
    fleet.query("delete from {p}.settle_request")
    return fleet.admin("plan_rebalance")


def test_a_plan_changes_nothing_and_applied_does_what_it_said(fleet: Fleet) -> None:
    plan = _to_plan(fleet)
    assert fleet.loads() == {"fv-1": 3, "fv-2": 0}
    assert len(fleet.waiting()) == 1
    assert {row["to_instance_id"] for row in plan} == {"fv-2"}
    decisions = len(fleet.decisions())

    [plan_id] = {row["plan_id"] for row in plan}
    row = fleet.one("apply_plan", plan_id=plan_id)
    assert (row["moves"], row["still_waiting"]) == (len(plan), 0)
    assert len(fleet.decisions()) == decisions + 1
    fleet.all_obey()
    movements = fleet.view("movements", decision_id=row["decision_id"])
    assert {(m["stream_id"], m["from_instance_id"], m["to_instance_id"]) for m in movements} == {
        (p["stream_id"], p["from_instance_id"], p["to_instance_id"]) for p in plan
    }
    assert sum(fleet.loads().values()) == 4


def test_a_plan_is_what_a_rebalance_would_have_done(fleet: Fleet) -> None:
    plan = {(row["stream_id"], row["to_instance_id"]) for row in _to_plan(fleet)}
    fleet.admin("rebalance")
    fleet.all_obey()
    decision_id = fleet.last_decision()["decision_id"]
    assert {(m["stream_id"], m["to_instance_id"]) for m in fleet.view("movements", decision_id=decision_id)} == plan


def test_a_plan_is_refused_once_applied_or_overtaken(fleet: Fleet) -> None:
    """OR403: the state has moved on."""
    plan_id = _to_plan(fleet)[0]["plan_id"]
    another = fleet.admin("plan_rebalance")[0]["plan_id"]
    assert another != plan_id
    fleet.admin("apply_plan", plan_id=plan_id)
    for stale in (plan_id, another):
        with refused("OR403"):
            fleet.admin("apply_plan", plan_id=stale)


def test_every_kind_of_change_makes_a_plan_stale(fleet: Fleet) -> None:
    _to_plan(fleet)
    for change, parameters in (
        ("set_capacity", {"instance_id": "fv-1", "max_streams": 4}),
        ("set_setting", {"name": "max_moves_per_rebalance", "value": "1"}),
        ("add_stream", {"url": "http://radio.example/new"}),
        ("remove_stream", {"stream_id": 1}),
        ("pin_stream", {"stream_id": 2}),
        ("drain_instance", {"instance_id": "fv-1"}),
    ):
        plan_id = fleet.admin("plan_rebalance")[0]["plan_id"]
        fleet.admin(change, **parameters)
        with refused("OR403"):
            fleet.admin("apply_plan", plan_id=plan_id)


def test_a_plan_that_is_unknown_or_comes_while_paused_is_refused(fleet: Fleet) -> None:
    plan_id = _to_plan(fleet)[0]["plan_id"]
    for unknown in (999, None):
        with refused("OR107"):
            fleet.admin("apply_plan", plan_id=unknown)
    fleet.admin("pause_balancing")
    with refused("OR401"):
        fleet.admin("apply_plan", plan_id=plan_id)
    fleet.admin("resume_balancing")
    fleet.admin("apply_plan", plan_id=plan_id)


def test_a_plan_of_nothing_has_no_rows(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=4)
    assert fleet.admin("plan_rebalance") == []


def test_a_broken_invariant_is_not_swallowed_by_planning(fleet: Fleet) -> None:
    """OR9xx: never swallow."""
    fleet.start(10, 10, streams=4)
    body = "raise exception using errcode = 'OR901', message = 'broken', detail = '{{\"by\": 1}}', hint = 'none';"
    fleet.query(
        "create or replace function {p}.place_fleet(p_decision_id bigint) returns void language plpgsql "
        f"as $function$ begin {body} end $function$"
    )
    with refused("OR901"):
        fleet.admin("plan_rebalance")


# -- move_stream -------------------------------------------------------------------------------------------------------


def test_a_move_by_hand_is_a_hand_over(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=2)
    [(stream_id, epoch)] = first.running.items()
    row = fleet.one("move_stream", stream_id=stream_id, instance_id="fv-2", reason="closer")
    assert row["decision_id"] == fleet.last_decision()["decision_id"]
    assert (row["from_instance_id"], row["to_instance_id"], row["epoch"]) == ("fv-1", "fv-2", epoch)
    fleet.all_obey()
    assert second.running[stream_id] == epoch + 1
    assert fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2") == []  # it is there already


def test_a_waiting_stream_is_moved_at_once(fleet: Fleet) -> None:
    fleet.start(1, streams=2)
    fleet.register("fv-2")
    [stream_id] = fleet.waiting()
    row = fleet.one("move_stream", stream_id=stream_id, instance_id="fv-2")
    assert (row["from_instance_id"], row["to_instance_id"]) == (None, "fv-2")
    assert fleet.streams_of("fv-2") == [stream_id]


def test_a_move_on_its_way_can_be_sent_elsewhere(fleet: Fleet) -> None:
    first, *_ = fleet.start(10, 10, 10, streams=3)
    [stream_id] = first.running
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-3")
    assert [row["incoming"] for row in fleet.view("instances", instance_id="fv-2")] == [0]
    fleet.all_obey()
    assert stream_id in fleet.workers["fv-3"].running


def test_a_move_that_cannot_be_is_refused_with_its_reason(fleet: Fleet) -> None:
    fleet.start(10, 1, streams=11)
    fleet.register("fv-able", 10, capabilities=["audio_fingerprinting", "aac"])
    fleet.admin("pause_balancing")
    [aac] = fleet.add_streams(1, first=12, required_capabilities=["aac"])
    [idle] = fleet.add_streams(1, first=13)
    fleet.admin("set_stream_active", stream_id=idle, active=False)
    mine = min(fleet.workers["fv-1"].running)
    fleet.register("fv-drained")
    fleet.admin("drain_instance", instance_id="fv-drained")
    fleet.register("fv-gone")
    fleet.admin("remove_instance", instance_id="fv-gone")
    fleet.register("fv-away").call("suspend_instance", **{"for": "1 minute"})
    why = {
        (mine, "fv-2"): "the instance is full",
        (idle, "fv-able"): "the stream is not active",
        (aac, "fv-1"): "the instance lacks a capability that the stream requires",
        (mine, "fv-drained"): "the instance gets no streams now: it is draining",
        (mine, "fv-gone"): "the instance gets no streams now: it is removed",
        (mine, "fv-away"): "the instance gets no streams now: it is suspended",
    }
    for (stream_id, instance_id), reason in why.items():
        with refused("OR405") as refusal:
            fleet.admin("move_stream", stream_id=stream_id, instance_id=instance_id)
        assert refusal.value.detail == {"stream_id": stream_id, "instance_id": instance_id, "why": reason}
    with refused("OR102"):
        fleet.admin("move_stream", stream_id=999, instance_id="fv-1")
    with refused("OR103"):
        fleet.admin("move_stream", stream_id=mine, instance_id="fv-9")
    fleet.admin("pin_stream", stream_id=mine)
    with refused("OR402"):
        fleet.admin("move_stream", stream_id=mine, instance_id="fv-able")
    assert fleet.decisions("moved by hand") == []


# -- the record --------------------------------------------------------------------------------------------------------


def test_a_decision_records_rule_loads_and_thresholds_of_its_moment(fleet: Fleet) -> None:
    """Every move explained."""
    fleet.set("max_stream_difference", "3")
    fleet.start(100, streams=10)
    fleet.register("fv-2", 100)
    fleet.settle()
    decision = fleet.last_decision()
    assert (decision["rule"], decision["trigger"]) == ("settle", "registered")
    assert decision["decided_at"] == fleet.clock.now
    assert decision["actor"]
    assert decision["detail"]["loads"] == [
        {"instance_id": "fv-1", "max_streams": 100, "before": 10, "after": 5},
        {"instance_id": "fv-2", "max_streams": 100, "before": 0, "after": 5},
    ]
    assert decision["detail"]["thresholds"] == {
        "imbalance_threshold": "0.20",
        "max_stream_difference": "3",
        "strategy": "capacity",
        "max_moves_per_rebalance": "0",
    }
    assert decision["detail"]["subjects"] == ["fv-2"]
    assert decision["still_waiting"] == 0


def test_every_affected_instance_of_a_decision_is_notified(fleet: Fleet) -> None:
    fleet.start(10, 10, 10, 10, streams=12)
    with fleet.database.connect("worker") as listening:
        for name in fleet.workers:
            listening.execute(f'listen "{fleet.database.names.api}.{name}"')
        fleet.admin("remove_instance", instance_id="fv-1")
        listening.execute("select")
        told = [note.channel.partition(".")[2] for note in listening.notifies(timeout=0)]
    assert sorted(told) == ["fv-1", "fv-2", "fv-3", "fv-4"]
    assert fleet.last_decision()["detail"]["instances_notified"] == 4


def test_every_change_of_hands_is_a_movement(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=4)
    fleet.admin("remove_instance", instance_id="fv-1")
    fleet.all_obey()
    for stream_id, owner in fleet.owners().items():
        movements = sorted(fleet.view("movements", stream_id=stream_id), key=lambda row: row["epoch"])
        assert movements[0]["from_instance_id"] is None
        assert movements[-1]["to_instance_id"] == owner
        for earlier, later in pairwise(movements):
            assert earlier["to_instance_id"] == later["from_instance_id"]


def test_the_least_moves_are_less_than_the_moves_when_streams_are_swapped(fleet: Fleet) -> None:
    """The least number is counted from the loads, not copied from the moves."""
    first, second = fleet.start(10, 10, streams=4)
    decision_id = fleet.value("select {p}.open_decision('test', 'test')")
    fleet.query(
        "select {p}.give_streams(%s, %s::bigint[], %s::text[], %s::text[], 'swapped')",
        decision_id,
        [min(first.running), min(second.running)],
        ["fv-1", "fv-2"],
        ["fv-2", "fv-1"],
    )
    fleet.query("select {p}.close_decision(%s)", decision_id)
    decision = fleet.last_decision()
    assert (decision["moves"], decision["least_moves"]) == (2, 0)


def test_each_affected_instance_is_notified_once_per_decision(fleet: Fleet) -> None:
    """Design §2: each notification wakes every listener."""
    fleet.start(100, 100, streams=40)
    with fleet.database.connect("worker") as listening:
        for number in (1, 2, 3):
            listening.execute(f'listen "{fleet.database.names.api}.fv-{number}"')
        fleet.register("fv-3", 100)
        fleet.clock.advance("3 seconds")
        fleet.run("settle")
        listening.execute("select")
        told = [note.channel.partition(".")[2] for note in listening.notifies(timeout=0)]
        assert sorted(told) == ["fv-1", "fv-2", "fv-3"]
        fleet.all_obey()
        listening.execute("select")
        told = [note.channel.partition(".")[2] for note in listening.notifies(timeout=0)]
        assert set(told) == {"fv-3"}
