"""What counts over several: two requirements, two groups, two hand-overs confirmed at once, half of the sessions."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.database import db
from tests.fleet import Fleet, Worker

AAC: dict[str, Any] = {"capabilities": ["audio_fingerprinting", "aac"]}
OPUS: dict[str, Any] = {"capabilities": ["audio_fingerprinting", "opus"]}


def _told(listening: db.Connection) -> set[str]:
    """Who was notified since the last look."""
    listening.execute("select 1")  # all that was sent before is here with the answer
    return {notification.channel.partition(".")[2] for notification in listening.notifies(timeout=0)}


# -- evacuation --------------------------------------------------------------------------------------------------------


def _of_two_kinds(fleet: Fleet, *others: int) -> Worker:
    """fv-1 has three streams that anybody may have and three that need aac; balancing is paused, then others come."""
    first = fleet.register("fv-1", 10, **AAC)
    fleet.add_streams(3)
    fleet.add_streams(3, first=4, required_capabilities=["aac"])
    fleet.settle()
    fleet.admin("pause_balancing")
    for number, capacity in enumerate(others, start=2):
        fleet.register(f"fv-{number}", capacity, **AAC)
    fleet.settle()
    assert fleet.loads()["fv-1"] == 6
    return first


@pytest.mark.parametrize(("capacity", "leaving"), [(5, 1), (4, 2), (3, 3), (2, 4), (1, 5)])
def test_an_overfull_instance_gives_up_what_is_too_much_and_no_more(fleet: Fleet, capacity: int, leaving: int) -> None:
    """Over all that its streams require together."""
    _of_two_kinds(fleet, 10)
    fleet.admin("set_capacity", instance_id="fv-1", max_streams=capacity)
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    assert fleet.instance("fv-1")["outgoing"] == leaving
    fleet.all_obey()
    assert fleet.loads() == {"fv-1": capacity, "fv-2": leaving}


def test_two_overfull_instances_give_up_each_what_is_too_much(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=12)
    fleet.admin("pause_balancing")
    fleet.register("fv-3", 10)
    fleet.settle()
    for name in ("fv-1", "fv-2"):
        fleet.admin("set_capacity", instance_id=name, max_streams=4)
    fleet.settle()
    assert fleet.loads() == {"fv-1": 4, "fv-2": 4, "fv-3": 4}


# -- hand-overs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("room", "arrive"), [(1, 1), (2, 2)])
def test_hand_overs_that_are_confirmed_together_take_no_more_places_than_there_are(
    fleet: Fleet, room: int, arrive: int
) -> None:
    """Three were on their way when the next owner had room for all."""
    first, _, _ = fleet.start(10, 10, 10, streams=0)
    fleet.admin("drain_instance", instance_id="fv-2")
    fleet.admin("drain_instance", instance_id="fv-3")
    fleet.add_streams(3)
    fleet.all_obey()
    assert len(first.running) == 3
    for name in ("fv-2", "fv-3"):
        fleet.admin("undrain_instance", instance_id=name)
    for stream_id in first.running:
        fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    fleet.admin("set_capacity", instance_id="fv-2", max_streams=room)
    first.acknowledge(stopped=list(first.running))
    assert fleet.loads()["fv-2"] == arrive
    assert sum(fleet.loads().values()) == 3


def test_hand_overs_to_two_that_are_confirmed_together_are_counted_for_each(fleet: Fleet) -> None:
    """Each of the next owners has room for one, and gets one."""
    first, _, _ = fleet.start(10, 10, 10, streams=6)
    for name, stream_id in zip(("fv-2", "fv-3"), first.running, strict=True):
        fleet.admin("move_stream", stream_id=stream_id, instance_id=name)
        fleet.admin("set_capacity", instance_id=name, max_streams=3)
    first.acknowledge(stopped=list(first.running))
    assert fleet.loads() == {"fv-1": 0, "fv-2": 3, "fv-3": 3}


def test_hand_overs_of_two_owners_share_the_places_of_their_next_owner(fleet: Fleet) -> None:
    """Each confirms its own; the second finds what the first has left."""
    first, second, _ = fleet.start(10, 10, 10, streams=6)
    one, two = min(first.running), min(second.running)
    for stream_id in (one, two):
        fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-3")
    fleet.admin("set_capacity", instance_id="fv-3", max_streams=3)
    first.acknowledge(stopped=[one])
    assert fleet.owners()[one] == "fv-3"
    second.acknowledge(stopped=[two])
    assert fleet.owners()[two] != "fv-3"
    assert fleet.loads()["fv-3"] == 3


def _drain(fleet: Fleet) -> None:
    fleet.admin("drain_instance", instance_id="fv-2")


def _suspend(fleet: Fleet) -> None:
    fleet.workers["fv-2"].call("suspend_instance", **{"for": "1 minute"})


def _remove(fleet: Fleet) -> None:
    fleet.admin("remove_instance", instance_id="fv-2")


def _goodbye(fleet: Fleet) -> None:
    fleet.workers["fv-2"].call("deregister_instance")


@pytest.mark.parametrize("event", [_drain, _suspend, _remove, _goodbye])
def test_owners_are_told_at_once_that_their_hand_overs_are_called_off(
    fleet: Fleet, event: Callable[[Fleet], None]
) -> None:
    """Both of them were asked to stop, and go on. Without a word they would stop, and hear of it with the next beat."""
    fleet.start(10, 10, 10, 10, streams=8)
    owners = {name: min(fleet.workers[name].running) for name in ("fv-1", "fv-3")}
    for stream_id in owners.values():
        fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    with fleet.database.connect("worker") as listening:
        for name in fleet.workers:
            listening.execute(f'listen "{fleet.database.names.api}.{name}"'.encode())
        event(fleet)
        assert _told(listening) >= {"fv-1", "fv-3"}
    assert {name: fleet.owners()[stream_id] for name, stream_id in owners.items()} == {"fv-1": "fv-1", "fv-3": "fv-3"}


# -- moves -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [OPUS, {}], ids=["two abilities", "one, and what all can hear"])
@pytest.mark.parametrize(("most", "moves"), [(1, 1), (3, 3), (4, 4), (6, 6), (7, 6)])
def test_the_limit_of_moves_is_one_for_all_groups(fleet: Fleet, other: dict[str, Any], most: int, moves: int) -> None:
    """Three moves would level the one group, three the other."""
    required = [name for name in other.get("capabilities", ()) if name != "audio_fingerprinting"]
    fleet.register("aac-1", 20, **AAC)
    fleet.register("other-1", 20, **other)
    fleet.add_streams(6, required_capabilities=["aac"])
    fleet.add_streams(6, first=7, required_capabilities=required)
    fleet.settle()
    fleet.set("max_moves_per_rebalance", str(most))
    fleet.admin("pause_balancing")
    fleet.register("aac-2", 20, **AAC)
    fleet.register("other-2", 20, **other)
    fleet.settle()
    assert fleet.loads() == {"aac-1": 6, "aac-2": 0, "other-1": 6, "other-2": 0}
    fleet.admin("resume_balancing")
    assert fleet.one("rebalance")["moves"] == moves


# -- promises ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lease", [60, 90])
def test_what_an_owner_that_beats_on_has_not_stopped_waits_for_two_leases(fleet: Fleet, lease: int) -> None:
    """Within one it stops or hears that it must, within another it has obeyed: to the second, whatever the lease."""
    owner = fleet.register("fv-1", lease=f"{lease} seconds", stop_within="30 seconds")
    fleet.add_streams(2)
    fleet.settle()
    other = fleet.register("fv-2")
    fleet.settle()
    [stream_id] = owner.running
    url = fleet.stream(stream_id)["url"]
    fleet.admin("remove_stream", stream_id=stream_id)
    stream_id = fleet.one("add_stream", url=url)["stream_id"]
    for seconds in (*[10] * (2 * lease // 10 - 1), 9):
        fleet.clock.advance(f"{seconds} seconds")
        for worker in (owner, other):
            worker.beat()  # it is told to stop, each time, and does not confirm
        fleet.admin("rebalance")
        assert fleet.waiting() == [stream_id]
    fleet.clock.advance("1 second")
    fleet.admin("rebalance")
    assert fleet.waiting() == []


def test_an_address_that_two_may_still_be_hearing_waits_for_the_later(fleet: Fleet) -> None:
    """Two stations had it, at two instances with other leases; both were removed."""
    url = "http://radio.example/shared"
    twins = [fleet.one("add_stream", url=url, external_id=name)["stream_id"] for name in ("one", "two")]
    owners = []
    for name, lease, stream_id in zip(("fv-1", "fv-2"), (60, 90), twins, strict=True):
        fleet.admin("set_stream_active", stream_id=twins[1], active=stream_id == twins[1])
        owners.append(fleet.register(name, 1, lease=f"{lease} seconds", stop_within="30 seconds"))
        fleet.settle()
        assert fleet.owners()[stream_id] == name
    for stream_id in twins:
        fleet.admin("remove_stream", stream_id=stream_id)
    fleet.register("fv-3")
    third = fleet.one("add_stream", url=url)["stream_id"]
    for seconds in (*[10] * 17, 9):
        fleet.clock.advance(f"{seconds} seconds")
        for worker in (*owners, fleet.workers["fv-3"]):
            worker.beat()
        fleet.admin("rebalance")
        assert fleet.waiting() == [third]
    fleet.clock.advance("1 second")
    fleet.admin("rebalance")
    assert fleet.waiting() == []


# -- sessions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attached", "lost", "believed"),
    [(4, 2, True), (4, 3, False), (5, 2, True), (5, 3, False), (2, 1, True), (6, 3, True)],
)
def test_sessions_are_not_believed_when_more_than_half_vanish_together(
    fleet: Fleet, attached: int, lost: int, believed: bool
) -> None:
    """Half of them is not most of them."""
    fleet.start(*[10] * attached, streams=attached)
    sessions = {name: worker.attach() for name, worker in fleet.workers.items()}
    gone = list(sessions)[:lost]
    for name in gone:
        fleet.query("select pg_terminate_backend(%s, 5000)", sessions[name].info.backend_pid)
    fleet.run("watch_instances")
    fleet.clock.advance("10 seconds")
    for name, worker in fleet.workers.items():
        if name not in gone:
            worker.beat()
    fleet.run("watch_instances")
    inactive = [row["instance_id"] for row in fleet.view("instances", status="inactive")]
    assert sorted(inactive) == (gone if believed else [])
    for session in sessions.values():
        session.close()
