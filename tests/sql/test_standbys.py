"""Standbys: a second instance hears a stream beside its owner, and owns it in the moment in which that one is lost."""

from typing import Any

import pytest

from orchestrator.database import db
from tests.fleet import Fleet, refused
from tests.twins import Twin, register_twin, rest


def _twins(fleet: Fleet, hosts: str, streams: int, capacity: int = 20, **said: Any) -> list[Twin]:
    """Instances fv-1, fv-2, … on these hosts, with streams that all have standbys which hear them."""
    twins = [register_twin(fleet, f"fv-{n}", host, capacity, **said) for n, host in enumerate(hosts.split(), 1)]
    fleet.add_streams(streams)
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    fleet.set("standbys", "1")
    rest(fleet, twins)
    return twins


def _standbys(fleet: Fleet) -> dict[int, str]:
    return {row["stream_id"]: row["instance_id"] for row in fleet.view("standbys")}


def _states(fleet: Fleet) -> set[str]:
    return {row["state"] for row in fleet.view("standbys")}


def _lose(fleet: Fleet, twin: Twin, others: list[Twin]) -> None:
    """Its session ends and it beats no more; the others live on."""
    twin.worker.vanish()
    fleet.run("watch_instances")
    fleet.clock.advance("11 seconds")
    for other in others:
        other.beat()
    fleet.run("watch_instances")
    assert twin.worker.status == "inactive"


def _current(fleet: Fleet, stream_id: int, epoch: int) -> bool:
    [row] = db.call(fleet.worker_conn, "is_current", stream_id=stream_id, epoch=epoch)
    return bool(row["is_current"])


# -- off ---------------------------------------------------------------------------------------------------------------


def test_by_default_there_are_none_and_no_beat_speaks_of_them(fleet: Fleet) -> None:
    first, second = register_twin(fleet, "fv-1", "a"), register_twin(fleet, "fv-2", "b")
    fleet.add_streams(4)
    fleet.settle()
    assert fleet.run("place_standbys") is None
    assert (first.beat(), second.beat()) == ([], [])
    assert fleet.view("standbys") == []
    assert {row["standby_streams"] for row in fleet.view("instances")} == {0}


@pytest.mark.parametrize(
    ("name", "value"), [("standby_window", "104 seconds"), ("standby_takeover", "106 seconds"), ("standbys", "2")]
)
def test_a_window_that_is_shorter_than_a_loss_takes_to_be_noticed_is_refused(
    fleet: Fleet, name: str, value: str
) -> None:
    with refused("OR108"):
        fleet.set(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("stall_timeout", "76 seconds"), ("restart_grace", "106 seconds"), ("heartbeat_interval", "46 s")],
)
def test_while_there_are_standbys_no_other_setting_outgrows_their_window(fleet: Fleet, name: str, value: str) -> None:
    fleet.set("heartbeat_warning", "4 minutes")
    fleet.set("standbys", "1")
    with refused("OR108") as caught:
        fleet.set(name, value)
    assert "standby_window" in caught.value.message
    fleet.set("standbys", "0")
    fleet.set(name, value)
    stream_id = fleet.add_streams(1)[0]
    with refused("OR108"):
        fleet.admin("set_standby", stream_id=stream_id, standby=True)
    with refused("OR108"):
        fleet.admin("add_stream", url="http://radio.example/x", standby=True)


def test_the_lease_of_an_instance_that_stops_by_itself_counts_for_the_window(fleet: Fleet) -> None:
    fleet.register("fv-1", lease="110 seconds", stop_within="100 seconds")
    with refused("OR108") as caught:
        fleet.set("standbys", "1")
    assert "lease" in caught.value.message
    fleet.set("standby_window", "125 seconds")
    fleet.set("standbys", "1")


# -- places ------------------------------------------------------------------------------------------------------------


def test_each_stream_has_one_standby_on_another_host_and_it_takes_a_place(fleet: Fleet) -> None:
    twins = _twins(fleet, "a a b c", 16)
    hosts = dict(zip((t.name for t in twins), "aabc", strict=True))
    found = _standbys(fleet)
    owners = fleet.owners()
    assert found.keys() == owners.keys()
    assert all(hosts[found[s]] != hosts[str(owners[s])] for s in found)
    assert _states(fleet) == {"hearing"}
    assert sum(row["standby_streams"] for row in fleet.view("instances")) == 16
    assert fleet.loads() == {"fv-1": 4, "fv-2": 4, "fv-3": 4, "fv-4": 4}
    fleet.check_counts()
    assert all(t.beat() == [] for t in twins)


def test_one_owners_standbys_are_spread_so_that_the_fleet_is_level_when_it_is_gone(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b c d e", 40)
    owners, found = fleet.owners(), _standbys(fleet)
    for twin in twins:
        spread = [sum(owners[s] == twin.name and found[s] == t.name for s in found) for t in twins if t is not twin]
        assert max(spread) - min(spread) <= 1, (twin.name, spread)
    totals = [row["standby_streams"] + row["assigned_streams"] for row in fleet.view("instances")]
    assert max(totals) - min(totals) <= 2, totals


@pytest.mark.parametrize("missing", ["host", "word", "other host", "room", "ability", "location"])
def test_who_cannot_be_one_is_none(fleet: Fleet, missing: str) -> None:
    if missing == "location":
        fleet.set("standby_location", "elsewhere")
    first = register_twin(fleet, "fv-1", "a", location="south", capabilities=["audio_fingerprinting", "aac"])
    fleet.add_streams(2, required_capabilities=["aac"])
    fleet.settle()
    second = register_twin(
        fleet,
        "fv-2",
        {"host": None, "other host": " A "}.get(missing, "b"),
        capacity=1 if missing == "room" else 20,
        location="south" if missing == "location" else "north",
        capabilities=["audio_fingerprinting"] if missing == "ability" else ["audio_fingerprinting", "aac"],
        metadata={"standbys": missing != "word"},
    )
    fleet.set("standbys", "1")
    fleet.run("place_standbys")
    assert len(_standbys(fleet)) == (1 if missing == "room" else 0)
    assert (first.name, second.name) == ("fv-1", "fv-2")


def test_a_stream_says_for_itself_whether_it_has_one(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b", 4)
    fleet.admin("set_standby", stream_id=1, standby=False)
    rest(fleet, twins)
    assert _standbys(fleet).keys() == {2, 3, 4}
    fleet.set("standbys", "0")
    assert fleet.one("set_standby", stream_id=2, standby=True) == {"stream_id": 2, "standby": True, "has_one": True}
    rest(fleet, twins)
    assert _standbys(fleet).keys() == {2}
    fleet.admin("set_standby", stream_id=2, standby=None)
    added = fleet.one("add_stream", url="http://radio.example/more", standby=True)["stream_id"]
    rest(fleet, twins)
    assert _standbys(fleet).keys() == {added}
    with refused("OR102"):
        fleet.admin("set_standby", stream_id=99, standby=True)


def test_a_standby_gives_way_before_any_stream_waits(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b", 4, capacity=4)
    assert len(_standbys(fleet)) == 4
    fleet.add_streams(4, first=5)
    assert fleet.waiting() == []
    assert _standbys(fleet) == {}
    rest(fleet, twins)
    fleet.check_counts()
    assert all(not t.hearing for t in twins)


def test_first_standbys_go_on_while_balancing_is_paused(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b", 2)
    fleet.admin("pause_balancing", reason="a look")
    fleet.add_streams(2, first=3)
    rest(fleet, twins)
    assert _standbys(fleet).keys() == {1, 2, 3, 4}


# -- what workers are told ---------------------------------------------------------------------------------------------


def test_a_worker_is_told_what_it_has_not_confirmed_and_what_ends_and_nothing_else(fleet: Fleet) -> None:
    first, second = _twins(fleet, "a b", 6)
    mine = dict(second.hearing)
    assert len(mine) == 3
    assert all(number < 0 for number in mine.values())
    assert not any(_current(fleet, s, number) for s, number in mine.items())
    more = fleet.add_streams(2, first=7)
    fleet.run("place_standbys")
    [new] = [s for s in more if fleet.stream(s)["instance_id"] == "fv-1"]
    told = [row for row in second.obey() if row["action"].startswith("standby")]
    assert [(row["action"], row["stream_id"]) for row in told] == [("standby", new)]
    assert told[0]["url"].startswith("http://")
    gone = min(mine)
    fleet.admin("set_standby", stream_id=gone, standby=False)
    fleet.run("place_standbys")
    assert [(r["action"], r["stream_id"], r["epoch"]) for r in second.beat()] == [("standby_end", gone, mine[gone])]
    assert [r["stream_id"] for r in second.worker.call("get_commands")] == [gone]
    second.obey()
    assert second.beat() == []
    assert first.name == "fv-1"


def test_a_worker_whose_standbys_nothing_explains_is_told_all(fleet: Fleet) -> None:
    _, second = _twins(fleet, "a b", 6)
    kept = dict(second.hearing)
    second.hearing = {min(kept): kept[min(kept)], 99: -99}
    told = second.obey()
    assert {row["stream_id"] for row in told if row["action"] == "standby"} == kept.keys()
    assert [row["stream_id"] for row in told if row["action"] == "standby_end"] == [0]
    assert second.hearing == kept
    assert second.beat() == []


def test_one_that_cannot_hear_is_replaced_and_the_owner_is_not_touched(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b c", 3)
    [stream_id, *_] = twins[0].worker.running
    before = fleet.stream(stream_id)
    [holder] = [t for t in twins if stream_id in t.hearing]
    number = holder.hearing[stream_id]
    failed = [{"stream_id": stream_id, "epoch": number, "error": "refused"}]
    assert holder.worker.acknowledge(failed=failed)["failed"] == 1
    rest(fleet, twins)
    assert _standbys(fleet)[stream_id] not in (holder.name, "fv-1")
    assert fleet.stream(stream_id) == before
    assert holder.worker.acknowledge(started={stream_id: number})["ignored"] == 1


def test_a_worker_that_never_heard_of_standbys_is_in_step(fleet: Fleet) -> None:
    fleet.set("standbys", "1")
    first = fleet.register("fv-1", 10, metadata={"host": "a"})
    second = fleet.register("fv-2", 10, metadata={"host": "b"})
    fleet.add_streams(4)
    fleet.settle()
    fleet.run("place_standbys")
    assert (first.beat(), second.beat(), _standbys(fleet)) == ([], [], {})


def test_the_window_and_the_interval_are_told_when_they_differ(fleet: Fleet) -> None:
    first, second = _twins(fleet, "a b", 2)
    fleet.set("standby_window", "200 seconds")
    [notice] = first.beat(heartbeat_interval=30, standby_window=120)
    assert notice["metadata"] == {"heartbeat_interval": 11.25, "standby_window": 200}
    assert second.beat(heartbeat_interval=11.25, standby_window=200) == []
    fleet.set("standbys", "0")
    rest(fleet, [first, second])
    [notice] = first.beat(heartbeat_interval=11.25)
    assert notice["metadata"] == {"heartbeat_interval": 30}


# -- promotion ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["session lost", "silence", "goodbye", "removed", "new process"])
def test_whichever_rule_loses_the_owner_its_standbys_own_its_streams_in_the_same_decision(
    fleet: Fleet, how: str
) -> None:
    twins = _twins(fleet, "a b c", 12)
    lost, others = twins[0], twins[1:]
    held, found = dict(lost.worker.running), _standbys(fleet)
    match how:
        case "session lost":
            _lose(fleet, lost, others)
        case "silence":
            fleet.set("standby_window", "10 minutes")
            fleet.set("standby_takeover", "9 minutes")
            for _ in range(11):
                fleet.clock.advance("30 seconds")
                for other in others:
                    other.beat()
                fleet.run("watch_instances")
        case "goodbye":
            lost.worker.call("deregister_instance")
        case "removed":
            fleet.admin("remove_instance", instance_id="fv-1")
        case "new process":
            lost.worker.vanish()
            lost = register_twin(fleet, "fv-1", "a", process="2")
    decision = fleet.last_decision() if how != "new process" else fleet.decisions("new process")[-1]
    assert decision["detail"]["standbys_promoted"] == len(held)
    for stream_id, epoch in held.items():
        now = fleet.stream(stream_id)
        assert now["instance_id"] == found[stream_id]
        assert now["epoch"] > epoch
        [explained] = [
            row for row in fleet.admin("explain_stream", stream_id=stream_id) if row["what"] == "standby promoted"
        ]
        assert explained["rule"] == decision["rule"]
    for other in others:
        before = dict(other.hearing)
        told = other.obey()
        promoted = {row["stream_id"] for row in told if row["action"] == "add"}
        assert promoted == {s for s in held if found[s] == other.name}
        # nothing ends that it goes on with, and what it keeps is not told again
        assert [row for row in told if row["action"].startswith("standby") and row["stream_id"] == 0] == []
        assert before.items() >= other.hearing.items()
    fleet.check_counts()
    rest(fleet, [*others, *([lost] if how == "new process" else [])])
    assert _standbys(fleet).keys() == fleet.owners().keys()


def test_a_standby_that_does_not_hear_yet_is_no_reason_to_be_next(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b c", 6)
    fleet.query("update {p}.standby set state = 'assigned', heard_since = null returning number")
    _lose(fleet, twins[0], twins[1:])
    assert "standbys_promoted" not in fleet.last_decision()["detail"]
    assert set(fleet.owners().values()) == {"fv-2", "fv-3"}


def test_a_suspension_promotes_none(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b c", 6)
    before = fleet.owners()
    twins[0].worker.call("suspend_instance", **{"for": "2 minutes"})
    fleet.clock.advance("100 seconds")
    for twin in twins[1:]:
        twin.beat()
    fleet.run("watch_instances")
    again = register_twin(fleet, "fv-1", "a", process="2")
    assert fleet.owners() == before
    assert again.worker.beat() != []


def test_the_loss_of_a_standby_moves_no_stream(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b c", 6)
    lost = {s for s, holder in _standbys(fleet).items() if holder == "fv-3"}
    mine = fleet.streams_of("fv-3")
    before = fleet.owners()
    _lose(fleet, twins[2], twins[:2])
    rest(fleet, twins[:2])
    assert {s: o for s, o in fleet.owners().items() if s not in mine} == {
        s: o for s, o in before.items() if s not in mine
    }
    assert lost <= _standbys(fleet).keys()
    fleet.check_counts()


def test_of_an_owner_that_stops_by_itself_the_standby_is_next_when_its_promise_is_over(fleet: Fleet) -> None:
    fleet.set("standby_takeover", "45 seconds")
    fleet.set("standby_window", "4 minutes")
    first = register_twin(fleet, "fv-1", "a", lease="90 seconds", stop_within="80 seconds")
    fleet.add_streams(2)
    fleet.settle()
    second = register_twin(fleet, "fv-2", "b")
    fleet.set("standbys", "1")
    rest(fleet, [first, second])
    held = sorted(first.worker.running)
    for seconds in range(0, 90, 10):
        assert fleet.streams_of("fv-1") == held, seconds
        fleet.clock.advance("10 seconds")
        second.beat()
        fleet.run("watch_instances")
    assert fleet.streams_of("fv-2") == held
    assert {m["reason"] for m in fleet.view("movements", to_instance_id="fv-2")} == {"standby promoted"}


def test_an_order_that_cuts_a_promise_lets_the_standby_wait_for_its_end(fleet: Fleet) -> None:
    fleet.set("standby_window", "4 minutes")
    first = register_twin(fleet, "fv-1", "a", lease="90 seconds", stop_within="80 seconds")
    fleet.add_streams(2)
    fleet.settle()
    twins = [register_twin(fleet, "fv-2", "b"), register_twin(fleet, "fv-3", "c")]
    fleet.set("standbys", "1")
    rest(fleet, [first, *twins])
    found = _standbys(fleet)
    fleet.admin("remove_instance", instance_id="fv-1")
    assert fleet.waiting() == sorted(found)
    fleet.run("place_standbys")
    assert _standbys(fleet) == found
    for _ in range(10):
        fleet.clock.advance("10 seconds")
        for twin in twins:
            twin.beat()
        fleet.run_due_jobs()
    assert fleet.owners() == found
    assert {m["reason"] for m in fleet.view("movements", from_instance_id=None)} == {"placed", "standby promoted"}


# -- silence -----------------------------------------------------------------------------------------------------------


def _pass(fleet: Fleet, seconds: int, beating: list[Twin], **report: Any) -> None:
    for _ in range(seconds // 5):
        fleet.clock.advance("5 seconds")
        for twin in beating:
            twin.beat(**report)
        fleet.run("watch_instances")


def test_of_a_silent_owner_the_standbys_are_next_after_standby_takeover(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b c d", 8)
    held = dict(twins[0].worker.running)
    _pass(fleet, 40, twins[1:])
    assert fleet.streams_of("fv-1") == sorted(held)
    _pass(fleet, 5, twins[1:])
    assert fleet.streams_of("fv-1") == []
    assert twins[0].worker.status == "warning"
    decision = fleet.last_decision()
    assert (decision["rule"], decision["moves"]) == ("standby takeover", len(held))
    assert all(not _current(fleet, s, epoch) for s, epoch in held.items())
    # when it is heard again it is told to stop, and balance returns by hand-over
    assert {r["stream_id"] for r in twins[0].obey() if r["action"] == "remove"} == held.keys()
    assert twins[0].worker.status == "active"
    for twin in twins:
        twin.obey()
    rest(fleet, twins)
    fleet.check_counts()


def test_streams_without_a_standby_that_hears_wait_for_the_loss(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b c d", 8)
    [kept, *_] = twins[0].worker.running
    fleet.query(
        "update {p}.standby set state = 'assigned', heard_since = null where stream_id = %s returning number", kept
    )
    _pass(fleet, 60, twins[1:])
    assert fleet.streams_of("fv-1") == [kept]


def test_when_most_are_silent_together_that_is_believed_later(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b c d", 8)
    before = fleet.owners()
    _pass(fleet, 85, twins[3:])
    assert fleet.owners() == before
    _pass(fleet, 25, twins[3:])
    changed = {s for s, owner in fleet.owners().items() if before[s] != owner}
    assert changed == {s for s in before if s in twins[3].hearing}


def test_a_lease_is_not_cut_short_for_a_standby(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b c d", 8, lease="80 seconds")
    _pass(fleet, 75, twins[1:])
    assert len(fleet.streams_of("fv-1")) == 2
    _pass(fleet, 10, twins[1:])
    assert fleet.streams_of("fv-1") == []


def test_a_standby_that_is_silent_itself_takes_nothing_over(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b c d e", 5)
    [stream_id] = twins[0].worker.running
    holder = _standbys(fleet)[stream_id]
    _pass(fleet, 60, [t for t in twins[1:] if t.name != holder])
    assert fleet.stream(stream_id)["instance_id"] == "fv-1"


def test_a_handler_without_progress_is_replaced_by_its_standby_as_soon_as_that_is_known(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b c", 6)
    owner = twins[0]
    [stream_id, *_] = owner.worker.running
    holder = next(t for t in twins if stream_id in t.hearing)
    fleet.clock.advance("17 seconds")
    holder.beat()
    fleet.clock.advance("44 seconds")
    epoch = owner.worker.running[stream_id]
    owner.beat(stalled=[{"stream_id": stream_id, "epoch": epoch, "silent_for": 61}])
    assert fleet.run("watch_stalls") is None  # the standby has not said since whether it hears
    holder.beat()
    assert fleet.run("watch_stalls")["promoted"] == 1
    assert fleet.stream(stream_id)["instance_id"] == holder.name
    assert fleet.last_decision()["rule"] == "stalled with standby"
    assert ("remove", stream_id) in [(r["action"], r["stream_id"]) for r in owner.obey()]
    assert ("add", stream_id) in [(r["action"], r["stream_id"]) for r in holder.obey()]


def test_a_station_that_neither_hears_is_at_fault_and_moves_nothing(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b c d e", 10)
    owner = twins[0]
    [stream_id, *_] = owner.worker.running
    holder = next(t for t in twins if stream_id in t.hearing)
    before = fleet.owners()
    for _ in range(20):
        fleet.clock.advance("10 seconds")
        for twin in twins:
            report: dict[str, Any] = {}
            if twin is owner:
                epoch = owner.worker.running[stream_id]
                report["stalled"] = [{"stream_id": stream_id, "epoch": epoch, "silent_for": 100}]
            if twin is holder:
                number = holder.hearing[stream_id]
                report["standbys_silent"] = [{"stream_id": stream_id, "epoch": number, "silent_for": 100}]
            twin.beat(**report)
        fleet.run("watch_stalls")
    assert fleet.owners() == before
    assert [row["stream_id"] for row in fleet.view("failing_stations")] == [stream_id]


# -- hand-overs --------------------------------------------------------------------------------------------------------


def test_a_hand_over_to_the_standby_promotes_it_and_one_to_another_ends_it(fleet: Fleet) -> None:
    fleet.set("handoff_mode", "make_before_break")
    twins = _twins(fleet, "a b c", 6)
    one, two = sorted(twins[0].worker.running)
    found = _standbys(fleet)
    other = {"fv-2": "fv-3", "fv-3": "fv-2"}
    fleet.admin("move_stream", stream_id=one, instance_id=found[one])
    fleet.admin("move_stream", stream_id=two, instance_id=other[found[two]])
    fleet.run("place_standbys")
    assert not {one, two} & _standbys(fleet).keys()  # their stations have two listeners each
    holder = next(t for t in twins if t.name == found[one])
    [prepare] = [r for r in holder.beat() if r["action"] == "prepare" and r["stream_id"] == one]
    assert holder.worker.acknowledge(started={one: prepare["epoch"]})["started"] == 1
    assert fleet.stream(one)["instance_id"] == holder.name
    assert one not in _standbys(fleet)
    fleet.check_counts()


def test_a_drain_leaves_no_standby_on_the_drained_instance(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b c", 6)
    fleet.admin("drain_instance", instance_id="fv-3")
    fleet.run("place_standbys")
    assert "fv-3" not in _standbys(fleet).values()
    fleet.clock.advance("3 seconds")
    fleet.run("settle")
    for _ in range(3):
        rest(fleet, twins)
    assert fleet.streams_of("fv-3") == []
    found, owners = _standbys(fleet), fleet.owners()
    assert found.keys() == owners.keys()
    assert all(found[s] != owners[s] for s in found)
    fleet.check_counts()


def test_a_new_instance_gets_its_part_of_the_standbys_unless_balancing_is_paused(fleet: Fleet) -> None:
    twins = _twins(fleet, "a b c", 18)
    fleet.admin("pause_balancing", reason="a look")
    twins.append(register_twin(fleet, "fv-4", "d"))
    rest(fleet, twins)
    assert "fv-4" not in _standbys(fleet).values()
    fleet.admin("resume_balancing")
    before = _standbys(fleet)
    rest(fleet, twins)
    after = _standbys(fleet)
    moved = {s for s in before if after[s] != before[s]}
    assert {after[s] for s in moved} == {"fv-4"}
    assert len(moved) == sum(holder == "fv-4" for holder in after.values()) > 0
    fleet.check_counts()
    assert fleet.run("place_standbys") is None
