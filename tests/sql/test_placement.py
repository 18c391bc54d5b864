"""Who gets which stream: by capacity, by ability, by performance, by region, by pin."""

import pytest

from tests.fleet import Fleet, refused

# -- by capacity -------------------------------------------------------------------------------------------------------


def test_300_streams_over_100_150_and_50_are_100_150_and_50(fleet: Fleet) -> None:
    """The mission's example, exactly: streams first, and one by one."""
    fleet.start(100, 150, 50, streams=300)
    assert fleet.loads() == {"fv-1": 100, "fv-2": 150, "fv-3": 50}


def test_300_streams_are_placed_by_one_settlement_of_three_registrations(fleet: Fleet) -> None:
    """The same the other way round: 300 streams wait, then the instances come."""
    fleet.add_streams(300)
    assert len(fleet.waiting()) == 300
    fleet.start(100, 150, 50)
    assert fleet.loads() == {"fv-1": 100, "fv-2": 150, "fv-3": 50}
    decision = fleet.last_decision()
    assert (decision["rule"], decision["moves"], decision["least_moves"]) == ("settle", 300, 300)


def test_a_rebalance_of_300_streams_makes_the_least_moves(fleet: Fleet) -> None:
    fleet.register("fv-2", 300)
    fleet.add_streams(300)
    fleet.start(100, 150, 50)
    assert fleet.loads() == {"fv-1": 100, "fv-2": 150, "fv-3": 50}
    assert fleet.last_decision()["moves"] == 150


@pytest.mark.parametrize(
    ("capacities", "streams", "expected"),
    [
        ((10, 10, 10), 10, [3, 3, 4]),
        ((7, 2, 1), 9, [1, 2, 6]),  # shares 6.3, 1.8, 0.9: the remainders .8 and .9 win
        ((50, 30, 20), 7, [1, 2, 4]),  # shares 3.5, 2.1, 1.4: whole 3, 2, 1, and .5 wins
        ((1, 1, 1, 1000), 1003, [1, 1, 1, 1000]),
    ],
)
def test_shares_are_rounded_by_largest_remainders(
    fleet: Fleet, capacities: tuple[int, ...], streams: int, expected: list[int]
) -> None:
    """R1.4: every instance is within one stream of the exact share."""
    fleet.add_streams(streams)
    fleet.start(*capacities)
    assert sorted(fleet.loads().values()) == expected
    assert all(abs(row["assigned_streams"] - row["fair_share"]) < 1 for row in fleet.view("instances"))


def test_no_instance_is_above_its_capacity_and_what_is_beyond_waits_in_sight(fleet: Fleet) -> None:
    fleet.start(3, 5, streams=10)
    assert fleet.loads() == {"fv-1": 3, "fv-2": 5}
    assert len(fleet.waiting()) == 2
    assert {row["waiting_since"] is not None for row in fleet.view("streams", state="waiting")} == {True}
    assert fleet.admin("rebalance")[0]["still_waiting"] == 2


def test_waiting_streams_are_placed_as_soon_as_room_appears(fleet: Fleet) -> None:
    """By a removed stream, a deactivated one, and a new instance."""
    fleet.start(3, streams=6)
    fifth_and_sixth = fleet.waiting()[1:]
    fleet.admin("remove_stream", stream_id=min(fleet.workers["fv-1"].running))
    fleet.settle()
    assert fleet.waiting() == fifth_and_sixth  # the one that waited longest was placed
    fleet.admin("set_stream_active", stream_id=min(fleet.workers["fv-1"].running), active=False)
    fleet.settle()
    assert fleet.waiting() == fifth_and_sixth[1:]
    fleet.register("fv-2", 1)
    fleet.settle()
    assert fleet.waiting() == []


def test_room_that_was_not_announced_is_found_within_seconds(fleet: Fleet) -> None:
    """check_balance finds what was missed elsewhere."""
    fleet.start(10, streams=2)
    fleet.query(
        "update {p}.assignment set instance_id = null, state = 'waiting', epoch = epoch + 1, "
        "waiting_since = {p}.now(), assigned_at = null"
    )
    fleet.run("check_balance")
    fleet.settle()
    assert fleet.waiting() == []


def test_a_lost_settlement_is_no_lost_request(fleet: Fleet) -> None:
    """A settlement that fails leaves its requests for the next one."""
    fleet.start(10, streams=4)
    fleet.register("fv-2")
    fleet.clock.advance("3 seconds")
    deciding = fleet.database.connect(autocommit=False)
    deciding.execute(f"select {fleet.database.names.private}.settle()")
    deciding.rollback()
    fleet.settle()
    assert fleet.loads() == {"fv-1": 2, "fv-2": 2}


# -- active or not -----------------------------------------------------------------------------------------------------


def test_an_inactive_stream_is_taken_from_its_owner(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=2)
    stream_id = min(worker.running)
    row = fleet.one("set_stream_active", stream_id=stream_id, active=False)
    event_id = fleet.last_decision()["event_id"]
    assert row == {"stream_id": stream_id, "state": "idle", "instance_id": None, "event_id": event_id}
    assert [command["action"] for command in worker.obey()] == ["remove"]
    assert fleet.stream(stream_id)["active"] is False
    [decision] = fleet.decisions("stream deactivated")
    assert (decision["moves"], decision["least_moves"]) == (1, 1)
    fleet.settle()
    assert fleet.stream(stream_id)["state"] == "idle"


def test_a_stream_that_is_active_again_is_placed_at_once_under_a_new_epoch(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    [(stream_id, epoch)] = worker.running.items()
    fleet.admin("set_stream_active", stream_id=stream_id, active=False)
    fleet.admin("set_stream_active", stream_id=stream_id, active=False)  # twice is once
    row = fleet.one("set_stream_active", stream_id=stream_id, active=True)
    assert (row["state"], row["instance_id"]) == ("assigned", "fv-1")
    assert fleet.stream(stream_id)["epoch"] > epoch
    worker.obey()
    assert worker.beat() == []


def test_an_inactive_stream_neither_waits_nor_counts(fleet: Fleet) -> None:
    [stream_id] = fleet.add_streams(1)
    fleet.admin("set_stream_active", stream_id=stream_id, active=False)
    fleet.start(10)
    assert fleet.waiting() == []
    assert fleet.loads() == {"fv-1": 0}


# -- adding and removing -----------------------------------------------------------------------------------------------


def test_a_stream_is_given_to_the_least_loaded_at_once(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=3)
    least_loaded = min(fleet.loads().items(), key=lambda item: item[1])[0]
    row = fleet.one("add_stream", url="https://radio.example/new", name=" Radio New ", external_id="42", region="south")
    assert (row["state"], row["instance_id"], row["epoch"]) == ("assigned", least_loaded, 1)
    stream = fleet.stream(row["stream_id"])
    assert (stream["external_id"], stream["region"], stream["source"], stream["url"]) == (
        "42",
        "south",
        "manual",
        "https://radio.example/new",
    )
    assert stream["name"] == "Radio New"


def test_a_stream_that_cannot_be_is_refused(fleet: Fleet) -> None:
    fleet.one("add_stream", url="http://radio.example/1", external_id="1")
    fleet.one("add_stream", url="http://radio.example/2")
    for bad in (
        {"url": None},
        {"url": ""},
        {"url": "radio.example"},
        {"url": "ftp://radio.example/1"},
        {"url": "http://radio example"},
        {"url": "http://radio.example/1\nx"},
        {"url": "http://radio.example/1", "external_id": "1"},
        {"url": "http://radio.example/2"},
        {"url": "http://radio.example/" + "x" * 3000},  # more than an index can hold
        {"url": "http://radio.example/3", "external_id": "x" * 3000},
        {"url": "http://radio.example/3", "external_id": ""},
    ):
        with refused("OR101"):
            fleet.admin("add_stream", **bad)
    assert len(fleet.view("streams")) == 2


def test_administrators_are_told_of_unknown_streams(fleet: Fleet) -> None:
    for stream_id in (999, None):
        for function, parameters in {
            "remove_stream": {},
            "set_stream_active": {"active": True},
            "pin_stream": {},
            "unpin_stream": {},
            "explain_stream": {},
        }.items():
            with refused("OR102"):
                fleet.admin(function, stream_id=stream_id, **parameters)
    [stream_id] = fleet.add_streams(1)
    with refused("OR101"):
        fleet.admin("set_stream_active", stream_id=stream_id, active=None)


# -- required capabilities ---------------------------------------------------------------------------------------------


def test_a_required_capability_is_respected(fleet: Fleet) -> None:
    fleet.register("fv-1", 100)
    fleet.register("fv-2", 5, capabilities=["audio_fingerprinting", "aac"])
    aac = fleet.add_streams(4, required_capabilities=["aac", "audio_fingerprinting", "aac"])
    fleet.add_streams(10, first=5)
    fleet.settle()
    fleet.admin("rebalance")
    fleet.all_obey()
    assert set(aac) <= set(fleet.streams_of("fv-2"))
    assert fleet.view("streams", stream_id=aac[0])[0]["required_capabilities"] == ["aac"]


def test_a_stream_waits_for_an_instance_that_is_able(fleet: Fleet) -> None:
    fleet.register("fv-1", 100)
    [stream_id] = fleet.add_streams(1, required_capabilities=["aac"])
    fleet.settle()
    assert fleet.waiting() == [stream_id]
    fleet.register("fv-2", 5, capabilities=["audio_fingerprinting", "aac", "hls"])
    fleet.settle()
    assert fleet.owners() == {stream_id: "fv-2"}


def test_a_stream_that_no_instance_left_is_able_to_hear_waits(fleet: Fleet) -> None:
    fleet.register("fv-1", 100)
    fleet.register("fv-2", 5, capabilities=["audio_fingerprinting", "aac"])
    [stream_id] = fleet.add_streams(1, required_capabilities=["aac"])
    fleet.admin("remove_instance", instance_id="fv-2")
    assert fleet.waiting() == [stream_id]


def test_room_is_made_where_the_only_able_instance_is_full_of_what_anybody_could_take(fleet: Fleet) -> None:
    fleet.register("fv-able", 3, capabilities=["audio_fingerprinting", "aac"])
    fleet.add_streams(3)
    fleet.register("fv-plain", 3)
    fleet.admin("pause_balancing")  # so that nothing but the need for room moves anything
    fleet.settle()
    assert fleet.loads() == {"fv-able": 3, "fv-plain": 0}
    aac = fleet.add_streams(2, first=4, required_capabilities=["aac"])
    for _ in range(3):
        fleet.settle()
    assert fleet.waiting() == []
    assert set(aac) < set(fleet.streams_of("fv-able"))
    assert fleet.loads() == {"fv-able": 3, "fv-plain": 2}


def test_no_more_room_is_made_than_is_needed_while_it_is_being_made(fleet: Fleet) -> None:
    fleet.register("fv-able", 6, capabilities=["audio_fingerprinting", "aac"])
    fleet.add_streams(6)
    fleet.register("fv-plain", 6)
    fleet.admin("pause_balancing")
    fleet.settle()
    fleet.add_streams(2, first=7, required_capabilities=["aac"])
    for _ in range(5):
        fleet.query("select {p}.request_settle('room')")
        fleet.clock.advance("3 seconds")
        fleet.run("settle")
        assert fleet.instance("fv-able")["outgoing"] == 2
    fleet.all_obey()
    fleet.settle()
    assert (fleet.loads(), fleet.waiting()) == ({"fv-able": 6, "fv-plain": 2}, [])


def test_the_hardest_to_place_go_first(fleet: Fleet) -> None:
    """Otherwise what anybody could take would fill the only one that is able."""
    fleet.add_streams(4)
    aac = fleet.add_streams(2, first=5, required_capabilities=["aac"])
    fleet.register("fv-1", 2, capabilities=["audio_fingerprinting", "aac"])
    fleet.register("fv-2", 4)
    fleet.settle()
    assert fleet.waiting() == []
    assert fleet.streams_of("fv-1") == aac


def test_a_rebalance_levels_what_only_some_can_hear_among_those(fleet: Fleet) -> None:
    fleet.register("fv-1", 10, capabilities=["audio_fingerprinting", "aac"])
    fleet.add_streams(6, required_capabilities=["aac"])
    fleet.register("fv-2", 10, capabilities=["audio_fingerprinting", "aac"])
    fleet.register("fv-3", 10)
    fleet.settle()
    assert fleet.loads() == {"fv-1": 3, "fv-2": 3, "fv-3": 0}


# -- pins --------------------------------------------------------------------------------------------------------------


def test_a_pinned_stream_stays(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=6)
    pinned = sorted(worker.running)[:5]
    for stream_id in pinned:
        answered = {"stream_id": stream_id, "pinned_to": "fv-1", "event_id": None}
        assert fleet.one("pin_stream", stream_id=stream_id) == answered
    fleet.register("fv-2")
    fleet.settle()
    fleet.admin("rebalance")
    fleet.all_obey()
    assert fleet.streams_of("fv-1") == pinned


def test_a_pinned_stream_fails_over_and_goes_home(fleet: Fleet) -> None:
    """Design §5."""
    first, second = fleet.start(10, 10, streams=4)
    stream_id = min(first.running)
    fleet.admin("pin_stream", stream_id=stream_id)
    fleet.clock.advance("299 seconds")
    second.beat()
    fleet.clock.advance("1 second")
    fleet.run("watch_instances")
    fleet.all_obey()
    assert fleet.owners()[stream_id] == "fv-2"
    fleet.register("fv-1", process="2")
    fleet.settle()
    assert fleet.owners()[stream_id] == "fv-1"
    assert fleet.stream(stream_id)["pinned_to"] == "fv-1"


def test_a_pinned_stream_that_waited_goes_home_although_others_have_room(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    [stream_id] = worker.running
    fleet.admin("pin_stream", stream_id=stream_id)
    worker.call("deregister_instance")
    assert fleet.waiting() == [stream_id]
    fleet.register("fv-0")
    fleet.register("fv-1", process="2")
    fleet.settle()
    assert fleet.owners() == {stream_id: "fv-1"}


def test_no_more_pinned_streams_go_home_than_have_room_there(fleet: Fleet) -> None:
    first, _ = fleet.start(10, 10, streams=8)
    pinned = sorted(first.running)[:3]
    for stream_id in pinned:
        fleet.admin("pin_stream", stream_id=stream_id)
    first.call("deregister_instance")
    fleet.all_obey()
    fleet.register("fv-1", 2, process="2")
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    assert (fleet.instance("fv-1")["incoming"], fleet.stream(pinned[2])["state"]) == (2, "running")
    fleet.all_obey()
    assert fleet.streams_of("fv-1") == pinned[:2]
    assert fleet.loads() == {"fv-1": 2, "fv-2": 6}


def test_a_pin_to_another_instance_moves_the_stream_there(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=2)
    [stream_id] = first.running
    fleet.admin("pin_stream", stream_id=stream_id, instance_id="fv-2")
    fleet.all_obey()
    assert sorted(second.running) == fleet.streams_of("fv-2")
    assert len(second.running) == 2
    [decision] = fleet.decisions("pinned")
    assert decision["moves"] == 1


def test_an_unpinned_stream_is_balanced_again(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=4)
    for stream_id in worker.running:
        fleet.admin("pin_stream", stream_id=stream_id)
    fleet.register("fv-2")
    fleet.settle()
    assert fleet.loads()["fv-1"] == 4
    for stream_id in worker.running:
        assert fleet.one("unpin_stream", stream_id=stream_id)["was_pinned_to"] == "fv-1"
    fleet.admin("rebalance")
    fleet.all_obey()
    assert fleet.loads() == {"fv-1": 2, "fv-2": 2}


def test_a_pin_that_cannot_be_is_refused(fleet: Fleet) -> None:
    fleet.start(1, 10, streams=11)
    [stream_id] = fleet.add_streams(1, first=12)
    assert fleet.waiting() == [stream_id]
    with refused("OR101"):
        fleet.admin("pin_stream", stream_id=stream_id)  # to whom?
    with refused("OR103"):
        fleet.admin("pin_stream", stream_id=stream_id, instance_id="fv-9")
    with refused("OR405"):
        fleet.admin("pin_stream", stream_id=stream_id, instance_id="fv-1")
    fleet.admin("set_stream_active", stream_id=stream_id, active=False)
    with refused("OR405"):
        fleet.admin("pin_stream", stream_id=stream_id, instance_id="fv-1")
    assert fleet.stream(stream_id)["pinned_to"] is None


# -- strategies --------------------------------------------------------------------------------------------------------


def test_by_performance_an_instance_that_fails_at_half_of_its_work_has_half_the_weight(fleet: Fleet) -> None:
    first, second = fleet.start(100, 100, streams=30)
    first.beat(processed_count=1000, error_count=0)
    second.beat(processed_count=500, error_count=500)
    fleet.set("strategy", "performance")
    fleet.settle()
    assert fleet.loads() == {"fv-1": 20, "fv-2": 10}


def test_by_performance_an_instance_that_only_fails_keeps_a_tenth_of_its_weight(fleet: Fleet) -> None:
    first, second = fleet.start(100, 100, streams=22)
    first.beat(processed_count=1000, error_count=0)
    second.beat(processed_count=0, error_count=1000)
    fleet.set("strategy", "performance")
    fleet.settle()
    assert fleet.loads() == {"fv-1": 20, "fv-2": 2}


def test_by_location_a_region_is_served_by_its_own_instances_while_they_have_room(fleet: Fleet) -> None:
    fleet.set("strategy", "location")
    fleet.register("fv-south", 3, location="south")
    fleet.register("fv-north", 10, location="north")
    south = fleet.add_streams(5, region="south")
    fleet.settle()
    assert fleet.loads() == {"fv-north": 2, "fv-south": 3}
    assert fleet.waiting() == []
    fleet.add_streams(2, first=6, region="north")
    fleet.add_streams(2, first=8)
    fleet.settle()
    assert fleet.loads() == {"fv-north": 6, "fv-south": 3}
    assert len(set(south) & set(fleet.streams_of("fv-south"))) == 3


def test_by_location_streams_come_home_to_their_region_when_it_has_an_instance(fleet: Fleet) -> None:
    fleet.set("strategy", "location")
    fleet.register("fv-north", 10, location="north")
    south = fleet.add_streams(4, region="south")
    fleet.settle()
    assert fleet.streams_of("fv-north") == south
    fleet.register("fv-south", 10, location="south")
    fleet.settle()
    assert fleet.streams_of("fv-south") == south


def test_by_location_no_more_streams_come_home_to_several_regions_than_may_move(fleet: Fleet) -> None:
    """max_moves_per_rebalance"""
    fleet.set("strategy", "location")
    fleet.register("fv-west", 20, location="west")
    south, north = fleet.add_streams(2, region="south"), fleet.add_streams(4, first=3, region="north")
    fleet.settle()
    fleet.set("max_moves_per_rebalance", "3")
    fleet.admin("pause_balancing")
    for region in ("south", "north"):
        fleet.register(f"fv-{region}", 10, location=region)
    fleet.settle()
    fleet.admin("resume_balancing")

    assert fleet.one("rebalance")["moves"] == 3
    fleet.all_obey()
    assert (fleet.streams_of("fv-south"), fleet.streams_of("fv-north")) == (south, north[:1])


def test_a_changed_strategy_is_followed_by_a_rebalance(fleet: Fleet) -> None:
    fleet.register("fv-south", 10, location="south")
    fleet.register("fv-north", 10, location="north")
    south = fleet.add_streams(4, region="south")
    fleet.settle()
    assert fleet.loads() == {"fv-north": 2, "fv-south": 2}
    fleet.set("strategy", "location")
    fleet.settle()
    assert fleet.streams_of("fv-south") == south
    fleet.set("strategy", "capacity")
    fleet.settle()
    assert fleet.loads() == {"fv-north": 2, "fv-south": 2}


def test_a_required_capability_has_a_name(fleet: Fleet) -> None:
    with refused("OR101") as refusal:
        fleet.admin("add_stream", url="http://radio.example.org/1", required_capabilities=["aac", None])
    assert refusal.value.detail == {"argument": "p_required_capabilities", "given": ["aac", None]}
    assert fleet.view("streams") == []
