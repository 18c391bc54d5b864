"""Instances that come and go: from the third crash or loss in a row on, others are preferred to them for a while."""

from datetime import timedelta
from typing import Any

import pytest

from tests.fleet import Fleet, Worker


def _crash(fleet: Fleet, name: str, number: int, max_streams: int = 10) -> Worker:
    """A new process under the name, after the old one was killed."""
    worker = fleet.register(name, max_streams, process=f"crash {number}", takeover=False)
    worker.obey()
    return worker


def _wait(fleet: Fleet, seconds: int, *, but: str | None = None) -> None:
    """Time passes in steps of 10 seconds, all others beat and do as they are told, and the jobs run."""
    for _ in range(seconds // 10):
        fleet.pass_time("10 seconds")
        fleet.all_obey(but=but)


def _die(fleet: Fleet) -> None:
    """Its session is gone, and it was not heard for the grace that its return would have had."""
    fleet.query("update {p}.heartbeat set beat_at = beat_at - interval '61 seconds' where instance_id = 'fv-1'")


def _row(fleet: Fleet) -> tuple[int, bool]:
    row = fleet.instance("fv-1")
    return row["crashes"], row["probation_until"] is not None


def _moves(fleet: Fleet) -> int:
    """Changes of hands from one instance to another, or to none."""
    return sum(row["from_instance_id"] is not None for row in fleet.view("movements"))


def test_probations_that_are_over_together_end_together(fleet: Fleet) -> None:
    fleet.start(10, 10, 10, streams=6)
    fleet.query(
        "update {p}.instance set crashes = 3, probation_until = {p}.now() + interval '1 minute', "
        "probation_event_id = {p}.event_id() where instance_id <> 'fv-3' returning 1"
    )
    for passed, over in (("59 seconds", False), ("1 second", True)):
        fleet.clock.advance(passed)
        fleet.run("watch_instances")
        ends = [fleet.instance(name)["probation_until"] for name in ("fv-1", "fv-2")]
        assert [end is None for end in ends] == [over, over]


def test_a_restart_after_a_long_life_is_no_crash_loop(fleet: Fleet) -> None:
    """A rolling restart with kill -9, day after day."""
    fleet.start(10, 10, streams=6)
    before = fleet.owners()
    for number in range(5):
        _wait(fleet, 600, but=None)
        _die(fleet)
        _crash(fleet, "fv-1", number)
        assert _row(fleet) == (1, False)
    assert fleet.owners() == before


@pytest.mark.parametrize("kind", ["a planned restart", "a goodbye", "a takeover"])
def test_who_said_something_did_not_crash(fleet: Fleet, kind: str) -> None:
    fleet.start(10, 10, streams=6)
    for number in range(5):
        worker = fleet.workers["fv-1"]
        if kind == "a planned restart":
            worker.call("suspend_instance", **{"for": "60 seconds"})
        elif kind == "a goodbye":
            worker.call("deregister_instance")
        fleet.register("fv-1", process=f"{number}", takeover=kind == "a takeover")
        fleet.settle()
    assert _row(fleet) == (0, False)


def test_from_the_third_crash_on_its_streams_go_to_others_at_once(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=6)
    for number in (1, 2):
        _die(fleet)
        _crash(fleet, "fv-1", number)
        assert fleet.loads() == {"fv-1": 3, "fv-2": 3}
    _die(fleet)
    worker = _crash(fleet, "fv-1", 3)
    assert _row(fleet) == (3, True)
    assert fleet.loads() == {"fv-1": 0, "fv-2": 6}
    assert worker.running == {}
    [decision] = fleet.decisions("crash loop")
    assert (decision["moves"], decision["least_moves"]) == (3, 3)
    # nothing comes to it while others have room
    fleet.add_streams(2, first=7)
    _wait(fleet, 50)
    assert fleet.loads() == {"fv-1": 0, "fv-2": 8}
    # and its share when it has behaved for probation_time
    _wait(fleet, 30)
    assert _row(fleet) == (3, False)
    assert fleet.loads() == {"fv-1": 4, "fv-2": 4}
    fleet.check_counts()


def test_each_further_crash_doubles_the_probation_up_to_an_hour(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=2)
    lasts: list[timedelta] = []
    for number in range(1, 13):
        _die(fleet)
        _crash(fleet, "fv-1", number)
        until = fleet.instance("fv-1")["probation_until"]
        lasts.append(until - fleet.clock.now if until else timedelta(0))
    minutes = [round(last.total_seconds() / 60) for last in lasts]
    assert minutes == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_what_no_other_has_room_for_goes_to_it_all_the_same(fleet: Fleet) -> None:
    """To be heard by an instance that may die counts more than not to be heard."""
    fleet.start(4, 4, streams=6)
    for number in (1, 2, 3):
        _die(fleet)
        _crash(fleet, "fv-1", number, 4)
    assert fleet.loads() == {"fv-1": 2, "fv-2": 4}, "only as far as others have room"
    fleet.add_streams(2, first=7)
    _wait(fleet, 10)
    assert fleet.waiting() == []
    assert fleet.loads() == {"fv-1": 4, "fv-2": 4}
    # and a failover: better than a lost owner
    fleet.register("fv-3", 2)
    fleet.settle()


def test_an_hour_of_good_life_and_all_is_forgotten(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=6)
    for number in (1, 2):
        _die(fleet)
        _crash(fleet, "fv-1", number)
    assert _row(fleet) == (2, False)
    _wait(fleet, 3590)
    assert _row(fleet) == (2, False)
    _wait(fleet, 20)
    assert _row(fleet) == (0, False)


def _life(fleet: Fleet, workers: int, streams: int) -> int:
    """For an hour fv-1 crashes 20 s after each start, is lost, and starts again: how many moves that makes."""
    fleet.start(*[100] * workers, streams=streams)
    before = _moves(fleet)
    _die(fleet)
    for number in range(3600 // 40):
        session = _crash(fleet, "fv-1", number, 100).attach()
        fleet.pass_time("10 seconds")
        fleet.all_obey()
        fleet.pass_time("10 seconds")
        fleet.all_obey()
        session.close()
        for _ in range(2):
            fleet.pass_time("10 seconds")
            fleet.all_obey(but="fv-1")
            fleet.pass_time("1 second")
    return _moves(fleet) - before


def test_an_instance_that_crashes_for_an_hour_moves_its_streams_a_few_times_only(fleet: Fleet) -> None:
    """Thrice away and twice back at most, not ninety times."""
    share = 10
    moves = _life(fleet, 3, 3 * share)
    assert moves <= 5 * share
    assert fleet.waiting() == []
    assert fleet.loads()["fv-1"] == 0


def test_the_third_loss_within_an_hour_of_the_one_before_is_answered_like_a_crash(fleet: Fleet) -> None:
    """A worker with a bad network: the same process, lost and back again and again."""
    fleet.start(10, 10, 10, streams=9)
    before = _moves(fleet)
    worker = fleet.workers["fv-1"]
    lost: list[Any] = []
    for _ in range(8):
        for _ in range(31):
            fleet.pass_time("10 seconds")
            fleet.all_obey(but="fv-1")
        assert fleet.instance("fv-1")["status"] == "inactive"
        worker.obey()
        lost.append((fleet.instance("fv-1")["losses"], fleet.instance("fv-1")["probation_until"] is not None))
        fleet.all_obey()
        _wait(fleet, 30)
    assert lost == [(n, n >= 3) for n in range(1, 9)]
    # four times away and three times back; from then on it has nothing to lose (without probation: sixteen)
    assert _moves(fleet) - before <= 7 * 3
    fleet.check_counts()


def test_a_loss_of_all_is_the_fault_of_none(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=4)
    for _ in range(4):
        fleet.clock.advance("301 seconds")
        fleet.run("watch_instances")
        for worker in fleet.workers.values():
            assert worker.beat() == []
        fleet.run("watch_instances")
    assert [row["losses"] for row in fleet.view("instances")] == [0, 0]
