"""When no instance is left, or most are away together: no stream moves while only its owner could have it."""

from datetime import timedelta
from typing import Any

import pytest

from tests.fleet import Fleet, Worker
from tests.sql.test_lost_instances import _attached, _kill, _restart_server, _watch


def _epochs(fleet: Fleet) -> dict[int, tuple[str | None, int]]:
    return {row["stream_id"]: (row["instance_id"], row["epoch"]) for row in fleet.view("streams")}


def _all_silent(fleet: Fleet, *capacities: int, streams: int) -> list[Worker]:
    """A fleet whose every beat stopped reaching the database, and that was declared lost."""
    workers = fleet.start(*capacities, streams=streams)
    _wait_for_loss(fleet, len(workers))
    return workers


def _wait_for_loss(fleet: Fleet, count: int) -> None:
    fleet.clock.advance("300 seconds")
    for _ in range(60):
        _watch(fleet)
        if len(fleet.view("instances", status="inactive")) == count:
            return
        fleet.clock.advance("1 second")
    raise AssertionError("R4.1: silent for 5 minutes is lost")


# -- none is left ------------------------------------------------------------------------------------------------------


def test_when_all_fall_silent_all_are_lost_and_nothing_moves(fleet: Fleet) -> None:
    """R4.1 comes true, and a slow owner is better than none."""
    workers = fleet.start(10, 10, streams=6)
    before = _epochs(fleet)
    fleet.clock.advance("300 seconds")
    result = _watch(fleet)
    assert (result["lost"], result["moves"], result["still_waiting"]) == (["fv-1", "fv-2"], 0, 6)
    assert [worker.status for worker in workers] == ["inactive", "inactive"]
    assert _epochs(fleet) == before
    decision = fleet.last_decision()
    assert (decision["detail"]["kept"], decision["detail"]["why"]) == (6, "none is left to take them")
    assert len(fleet.waiting()) == 6  # they are seen to wait for a living instance
    assert fleet.view("fleet")[0]["streams_waiting"] == 6
    [health] = [row for row in fleet.admin("health") if row["component"] == "streams"]
    assert health["status"] != "healthy"
    fleet.clock.advance("1 minute")
    fleet.run("evaluate_alerts")
    assert [row["detail"]["waiting"] for row in fleet.view("alerts", code="streams_waiting")] == [6]


def test_an_instance_that_was_lost_with_all_others_goes_on_when_it_is_heard(fleet: Fleet) -> None:
    """No movement, no new epoch, no handler restarted."""
    workers = _all_silent(fleet, 10, 10, 10, streams=9)
    before, movements = _epochs(fleet), fleet.view("movements")
    fleet.clock.advance("2 hours")
    for worker in workers:
        assert worker.beat() == []
        fleet.pass_time("5 seconds")
    for _ in range(30):
        for worker in workers:
            assert worker.beat() == []
        fleet.pass_time("10 seconds")
    assert _epochs(fleet) == before
    assert fleet.view("movements") == movements
    assert {worker.status for worker in workers} == {"active"}
    fleet.check_counts()


def test_the_same_process_that_registers_again_goes_on_too(fleet: Fleet) -> None:
    workers = _all_silent(fleet, 10, 10, streams=4)
    before = _epochs(fleet)
    for worker in workers:
        again = fleet.register(worker.instance_id)
        assert again.beat() == []
    for _ in range(10):
        fleet.all_obey()
        fleet.pass_time("10 seconds")
    assert _epochs(fleet) == before


def test_a_new_process_of_a_lost_instance_has_its_streams_under_new_epochs(fleet: Fleet) -> None:
    _all_silent(fleet, 10, 10, streams=4)
    before = _epochs(fleet)
    new = fleet.register("fv-1", process="2")
    new.obey()
    after = _epochs(fleet)
    for stream_id, (owner, epoch) in before.items():
        assert after[stream_id] == (owner, epoch + 1 if owner == "fv-1" else epoch)


def test_who_does_not_return_is_succeeded_when_the_others_had_time(fleet: Fleet) -> None:
    first, second = _all_silent(fleet, 10, 10, streams=6)
    fleet.clock.advance("10 minutes")
    _watch(fleet)
    assert first.beat() == []
    _watch(fleet)
    for _ in range(5):
        fleet.clock.advance("11 seconds")
        first.beat()
        assert "orphaned" not in (_watch(fleet) or {})
    fleet.clock.advance("6 seconds")
    first.beat()
    result = _watch(fleet)
    assert (result["orphaned"], result["orphaned_moves"]) == (["fv-2"], 3)
    assert fleet.loads() == {"fv-1": 6, "fv-2": 0}
    # it is told to stop them, should it be there after all
    assert {row["action"] for row in second.obey()} == {"remove"}
    assert second.running == {}
    fleet.check_counts()


def test_a_newcomer_after_a_mass_loss_waits_for_the_others_too(fleet: Fleet) -> None:
    _all_silent(fleet, 10, 10, streams=6)
    new = fleet.register("fv-new")
    for _ in range(6):
        _watch(fleet)
        fleet.clock.advance("10 seconds")
        new.obey()
        assert fleet.loads()["fv-new"] == 0
    _watch(fleet)
    assert fleet.loads() == {"fv-1": 0, "fv-2": 0, "fv-new": 6}


def test_a_fleet_of_one_that_died_is_succeeded_by_a_newcomer_at_once(fleet: Fleet) -> None:
    """R1.2 as far as it can be."""
    _, sessions = _attached(fleet, 1)
    _kill(fleet, *sessions)
    _watch(fleet)
    fleet.clock.advance("10 seconds")
    assert _watch(fleet)["lost"] == ["fv-1"]
    assert fleet.loads() == {"fv-1": 2}
    fleet.register("fv-2")
    assert _watch(fleet)["orphaned_moves"] == 2
    assert fleet.loads() == {"fv-1": 0, "fv-2": 2}


def test_what_no_other_has_room_for_stays_with_its_lost_owner(fleet: Fleet) -> None:
    """Only its owner could have it: no stream moves."""
    first, second, third = fleet.start(4, 4, 4, streams=10)
    before = _epochs(fleet)
    fleet.clock.advance("299 seconds")
    second.beat()
    third.beat()
    fleet.clock.advance("1 second")
    had = fleet.loads()["fv-1"]
    result = _watch(fleet)
    kept = had - result["moves"]
    assert sorted(fleet.loads().values()) == sorted([kept, 4, 4])
    assert (kept, len(fleet.waiting())) == (2, result["still_waiting"])
    assert fleet.last_decision()["detail"]["why"] == "no other has room for them"
    # it returns and goes on with those
    fleet.all_obey()
    first.obey()
    for stream_id, epoch in first.running.items():
        assert before[stream_id] == ("fv-1", epoch)
    fleet.check_counts()


def test_room_that_comes_is_used_at_once_when_one_alone_was_lost(fleet: Fleet) -> None:
    first, second = fleet.start(4, 4, streams=8)
    fleet.clock.advance("299 seconds")
    second.beat()
    fleet.clock.advance("1 second")
    _watch(fleet)
    assert fleet.loads() == {"fv-1": 4, "fv-2": 4}
    assert first.status == "inactive"
    fleet.admin("remove_stream", stream_id=min(second.running))
    assert _watch(fleet)["orphaned_moves"] == 1
    fleet.register("fv-3", 2)
    assert _watch(fleet)["orphaned_moves"] == 2
    assert fleet.loads() == {"fv-1": 1, "fv-2": 4, "fv-3": 2}
    fleet.all_obey()
    fleet.check_counts()


def test_room_that_comes_is_used_for_all_that_several_lost_instances_keep(fleet: Fleet) -> None:
    _, _, *others = fleet.start(2, 2, 2, 2, 2, streams=10)
    fleet.clock.advance("299 seconds")
    for worker in others:
        worker.beat()
    fleet.clock.advance("1 second")
    assert _watch(fleet)["lost"] == ["fv-1", "fv-2"]
    fleet.register("fv-6", 10)
    result = _watch(fleet)
    assert (result["orphaned"], result["orphaned_moves"]) == (["fv-1", "fv-2"], 4)
    assert fleet.loads()["fv-6"] == 4


def test_what_a_lost_instance_keeps_stays_while_most_sessions_are_away(fleet: Fleet) -> None:
    """It may be back with the others, when the server or the network is."""
    _, *others = fleet.start(2, 2, 2, 2, streams=8)
    fleet.clock.advance("299 seconds")
    for worker in others:
        worker.beat()
    fleet.clock.advance("1 second")
    assert _watch(fleet)["lost"] == ["fv-1"]
    for worker in others:
        worker.attach()
    _watch(fleet)
    fleet.query("update {p}.instance set session_key = 1 where is_living returning 1")
    fleet.clock.advance("10 seconds")
    _watch(fleet)
    newcomer = fleet.register("fv-5", 10)
    for seconds in range(0, 70, 10):
        for worker in (*others, newcomer):
            worker.beat()
        moved = (_watch(fleet) or {}).get("orphaned_moves", 0)
        assert moved == (2 if seconds == 60 else 0), seconds
        fleet.clock.advance("10 seconds")


def test_room_is_made_for_what_a_lost_instance_keeps(fleet: Fleet) -> None:
    """What only some can do goes to them, when others can take what anybody can."""
    able = ["audio_fingerprinting", "hd"]
    fleet.register("fv-hd", 2, capabilities=able)
    fleet.add_streams(2, required_capabilities=["hd"])
    fleet.settle()
    fleet.register("fv-hd-2", 2, capabilities=able)
    fleet.register("fv-any", 1)
    fleet.settle()
    fleet.add_streams(2, first=3)
    fleet.settle()
    hd = {row["stream_id"] for row in fleet.view("streams") if row["required_capabilities"]}
    fleet.clock.advance("299 seconds")
    for name in ("fv-hd-2", "fv-any"):
        fleet.workers[name].beat()
    fleet.clock.advance("1 second")
    _watch(fleet)
    for _ in range(10):
        for name in ("fv-hd-2", "fv-any"):
            fleet.workers[name].obey()
        fleet.pass_time("5 seconds")
    owners = fleet.owners()
    assert sum(owners[stream_id] == "fv-hd-2" for stream_id in hd) == 2, owners


@pytest.mark.parametrize("how", ["removed", "goodbye", "forgotten"])
def test_who_is_gone_for_good_keeps_nothing(fleet: Fleet, how: str) -> None:
    """An administrator's word, its own, and removal_timeout."""
    [worker] = _all_silent(fleet, 10, streams=3)
    if how == "removed":
        fleet.admin("remove_instance", instance_id="fv-1")
    elif how == "goodbye":
        worker.call("deregister_instance")
    else:
        fleet.clock.advance("24 hours")
        assert _watch(fleet)["removed"] == ["fv-1"]
    assert worker.status == "removed"
    assert fleet.loads() == {"fv-1": 0}
    assert fleet.query("select count(*) from {p}.assignment where state = 'waiting'") == [{"count": 3}]
    fleet.register("fv-2")
    fleet.settle()
    assert fleet.loads()["fv-2"] == 3


def test_an_administrator_takes_a_stream_from_a_lost_instance_at_once(fleet: Fleet) -> None:
    first, _ = _all_silent(fleet, 10, 10, streams=4)
    stream_id = min(first.running)
    fleet.register("fv-3")
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-3")
    assert fleet.owners()[stream_id] == "fv-3"
    assert [row["stream_id"] for row in first.obey() if row["action"] == "remove"] == [stream_id]


def test_a_hand_over_of_an_instance_lost_with_all_others_is_called_off(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=4)
    stream_id = min(first.running)
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    before = _epochs(fleet)
    _wait_for_loss(fleet, 2)
    assert _epochs(fleet) == before
    assert second.beat() == []
    assert first.beat() == []
    assert fleet.stream(stream_id)["next_instance_id"] is None
    fleet.check_counts()


# -- most fall silent together -----------------------------------------------------------------------------------------


def _silent_but_one(fleet: Fleet, count: int = 3) -> tuple[list[Worker], Worker]:
    """All but the last stop being heard, within 20 seconds; the clock stands 300 s after the last of their beats."""
    *away, last = fleet.start(*[10] * count, streams=4 * count)
    for worker in away:
        worker.beat()
        fleet.clock.advance(timedelta(seconds=20 / len(away)))
    for _ in range(28):
        fleet.clock.advance("10 seconds")
        last.beat()
        _watch(fleet)
    return away, last


def test_most_that_fall_silent_together_have_restart_grace_longer(fleet: Fleet) -> None:
    """A pooler went away from workers that have no session; R4.1 comes true a minute later all the same."""
    _, last = _silent_but_one(fleet)
    for _ in range(7):
        last.beat()
        assert _no_loss(_watch(fleet))
        fleet.clock.advance("10 seconds")
    last.beat()
    assert _watch(fleet)["lost"] == ["fv-1", "fv-2"]


def test_most_that_return_in_time_keep_everything(fleet: Fleet) -> None:
    away, last = _silent_but_one(fleet)
    before = _epochs(fleet)
    for worker in away:
        fleet.clock.advance("20 seconds")
        assert worker.beat() == []
        last.beat()
        _watch(fleet)
    for _ in range(10):
        fleet.pass_time("10 seconds")
        fleet.all_obey()
    assert _epochs(fleet) == before


def test_a_single_instance_that_falls_silent_is_lost_after_heartbeat_timeout_as_ever(fleet: Fleet) -> None:
    """R4.1"""
    workers = fleet.start(10, 10, 10, 10, streams=8)
    for _ in range(10):
        fleet.clock.advance("30 seconds")
        for worker in workers[1:]:
            worker.beat()
    assert _watch(fleet)["lost"] == ["fv-1"]


def test_instances_that_fall_silent_at_different_times_are_not_believed_to_be_away_together(fleet: Fleet) -> None:
    """R4.1"""
    first, second, third = fleet.start(10, 10, 10, streams=6)
    for seconds in range(0, 300, 10):
        fleet.clock.advance("10 seconds")
        third.beat()
        if seconds < 60:
            second.beat()
    assert _watch(fleet)["lost"] == ["fv-1"]
    assert (first.status, second.status) == ("inactive", "warning")


def test_a_driver_that_comes_back_before_the_workers_loses_no_instance(fleet: Fleet) -> None:
    """The network was away for workers and drivers alike; one worker is heard a moment before the first look."""
    workers = fleet.start(10, 10, 10, streams=9)
    before = _epochs(fleet)
    fleet.clock.advance("10 minutes")
    workers[0].beat()
    assert "lost" not in (_watch(fleet) or {})
    for worker in workers[1:]:
        fleet.clock.advance("20 seconds")
        assert worker.beat() == []
        workers[0].beat()
        assert "lost" not in (_watch(fleet) or {})
    fleet.clock.advance("60 seconds")
    fleet.all_obey()
    assert "lost" not in (_watch(fleet) or {})
    assert _epochs(fleet) == before


def test_a_driver_that_was_away_alone_loses_no_instance(fleet: Fleet) -> None:
    """Workers went on beating; their sessions may have been replaced meanwhile."""
    workers, sessions = _attached(fleet, 3)
    before = _epochs(fleet)
    _kill(fleet, *sessions)
    for _ in range(20):
        fleet.clock.advance("30 seconds")
        fleet.all_obey()
    for worker in workers[:2]:
        worker.attach()
    assert _watch(fleet) is None
    assert _epochs(fleet) == before
    # the third beats without a session, as it did
    for _ in range(5):
        fleet.clock.advance("9 seconds")
        fleet.all_obey()
        assert "lost" not in (_watch(fleet) or {})


def test_who_died_while_no_driver_was_there_is_lost_at_the_first_look(fleet: Fleet) -> None:
    """R4.1"""
    workers = fleet.start(10, 10, 10, streams=6)
    for _ in range(20):
        fleet.clock.advance("30 seconds")
        for worker in workers[1:]:
            worker.beat()
    assert _watch(fleet)["lost"] == ["fv-1"]


def test_a_restart_a_promotion_and_no_driver_together_lose_no_instance(fleet: Fleet) -> None:
    """Rules are believed from the first look on, by each driver."""
    workers, sessions = _attached(fleet, 3)
    before = _epochs(fleet)
    fleet.clock.advance("10 seconds")
    _kill(fleet, *sessions)
    _restart_server(fleet)
    fleet.clock.advance("10 minutes")
    fleet.query(
        "create or replace function {p}.server_timeline() returns integer language sql volatile "
        "set search_path = pg_catalog, pg_temp as $$ select 99 $$"
    )
    assert _watch(fleet) == {"server_returned": True}
    for worker in workers:
        fleet.clock.advance("19 seconds")
        assert _no_loss(_watch(fleet))
        worker.beat()
        worker.attach()
    for _ in range(10):
        fleet.clock.advance("10 seconds")
        fleet.all_obey()
        assert _no_loss(_watch(fleet))
    after = _epochs(fleet)
    assert {stream_id: owner for stream_id, (owner, _) in after.items()} == {
        s: owner for s, (owner, _) in before.items()
    }
    assert [(d["moves"], d["detail"]["streams"]) for d in fleet.decisions("new generation")] == [(0, 6)]


def _no_loss(result: Any) -> bool:
    return "lost" not in (result or {})
