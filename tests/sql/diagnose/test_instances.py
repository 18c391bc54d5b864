"""R6.1, R6.2: instances that are not as they should be."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from orchestrator.database import db
from tests.fleet import Fleet, Worker
from tests.logins import logins_of
from tests.sql.diagnose.diagnosis import Diagnosis


def _kill(fleet: Fleet, pid: int) -> None:
    fleet.query("select pg_terminate_backend(%s, 5000)", pid)


def _beat_for(fleet: Fleet, seconds: int, *workers: Worker) -> None:
    """Time passes; only these go on beating."""
    for _ in range(seconds // 10):
        fleet.clock.advance("10 seconds")
        for worker in workers:
            worker.beat()
        fleet.run("watch_instances")


def test_a_late_instance_is_found_until_it_beats(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    first, second = fleet.start(10, 10, streams=2)
    _beat_for(fleet, 90, second)
    finding = diagnosis.sees("instance_late", "instance fv-1")
    assert finding["evidence"]["lost_at"] == (fleet.clock.now + timedelta(seconds=210)).isoformat()
    assert finding["repair"] is None
    first.beat()
    diagnosis.sees_no("instance_late")


def test_a_lost_instance_is_found_until_it_is_back_or_removed(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    first, second = fleet.start(10, 10, streams=2)
    _beat_for(fleet, 300, second)
    diagnosis.sees("instance_lost", "instance fv-1")
    first.beat()
    diagnosis.sees_no("instance_lost")
    first.beat()
    _beat_for(fleet, 300, second)
    diagnosis.cures("instance_lost", "instance fv-1")
    assert first.status == "removed"


def _crash(fleet: Fleet, worker: Worker, number: int) -> None:
    """Its process is killed, and another one comes before anybody has missed it."""
    fleet.query("update {p}.heartbeat set beat_at = beat_at - interval '61 seconds' where instance_id = 'fv-2'")
    fleet.register("fv-2", process=f"crash {number}").obey()


def _relapse(fleet: Fleet, worker: Worker, number: int) -> None:
    """It falls silent until it is lost, and comes back."""
    _beat_for(fleet, 300, fleet.workers["fv-1"])
    worker.beat()


@pytest.mark.parametrize(("fail", "counted"), [(_crash, "crashes"), (_relapse, "losses")])
def test_an_instance_that_comes_and_goes_is_taken_out_of_service(
    fleet: Fleet, diagnosis: Diagnosis, fail: Callable[[Fleet, Worker, int], None], counted: str
) -> None:
    """R6.2"""
    _, second = fleet.start(10, 10, streams=2)
    for number in range(3):
        diagnosis.sees_no("instance_flapping")
        fail(fleet, second, number)
    fleet.clock.advance("61 seconds")  # its probation is over, and what it has counted is not forgotten
    assert diagnosis.cures("instance_flapping", "instance fv-2")["evidence"][counted] == 3
    assert second.status == "draining"


def test_an_instance_on_probation_flaps_until_that_is_over(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: also when it has counted on since."""
    fleet.start(10, 10, streams=2)
    fleet.query("update {p}.instance set probation_until = {p}.now() + '1 minute' where instance_id = 'fv-2'")
    diagnosis.sees("instance_flapping", "instance fv-2")
    fleet.clock.advance("1 minute")
    diagnosis.sees_no("instance_flapping")


@pytest.mark.parametrize(("capacity", "tolerated", "streams"), [(100, 4, 6), (5, 1, 2)], ids=["streams", "load"])
def test_an_instance_above_its_share_is_levelled(
    fleet: Fleet, diagnosis: Diagnosis, capacity: int, tolerated: int, streams: int
) -> None:
    """R6.2, R1.3, R1.4: more than two streams above its share, or a load of more than 20 points above the least."""
    fleet.start(capacity, capacity)
    fleet.admin("pause_balancing")
    ids = fleet.add_streams(streams)
    _give(fleet, ids[:tolerated], "fv-1")
    diagnosis.sees_no("instance_above_share")
    _give(fleet, ids[tolerated:], "fv-1")
    # what may not be moved cannot make it even
    for stream_id in ids:
        fleet.admin("pin_stream", stream_id=stream_id)
    diagnosis.sees_no("instance_above_share")
    for stream_id in ids:
        fleet.admin("unpin_stream", stream_id=stream_id)
    finding = diagnosis.cures("instance_above_share", "instance fv-1")
    assert (finding["evidence"]["streams"], finding["evidence"]["fair_share"]) == (streams, streams / 2)
    fleet.all_obey()
    assert set(fleet.loads().values()) == {streams / 2}


def _give(fleet: Fleet, stream_ids: list[int], instance_id: str) -> None:
    for stream_id in stream_ids:
        fleet.admin("move_stream", stream_id=stream_id, instance_id=instance_id)
    fleet.all_obey()


def test_what_only_one_instance_is_able_to_do_is_no_reason_to_level(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: a repair that could do nothing is not offered."""
    fleet.start(20, 20)
    fleet.register("fv-3", 20, capabilities=["audio_fingerprinting", "aac"])
    fleet.add_streams(9, required_capabilities=["aac"])
    fleet.settle()
    assert fleet.loads()["fv-3"] == 9
    diagnosis.sees_no("instance_above_share")


@pytest.mark.parametrize("is_paused", [False, True])
def test_an_instance_above_its_lowered_capacity_gives_the_rest_to_others(
    fleet: Fleet, diagnosis: Diagnosis, is_paused: bool
) -> None:
    """R6.2"""
    fleet.start(10, 10, streams=10)
    if is_paused:
        fleet.admin("pause_balancing")
    fleet.admin("set_capacity", instance_id="fv-1", max_streams=2)
    finding = diagnosis.cures("instance_overfull", "instance fv-1")
    assert (finding["evidence"]["streams"], finding["evidence"]["max_streams"]) == (5, 2)


def test_an_instance_above_its_capacity_keeps_what_no_other_has_room_for(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: no repair where there is no room."""
    fleet.start(5, 5, streams=10)
    fleet.admin("set_capacity", instance_id="fv-1", max_streams=2)
    assert diagnosis.sees("instance_overfull", "instance fv-1")["repair"] is None
    fleet.register("fv-3", 5)
    fleet.settle()
    diagnosis.sees_no("instance_overfull")


def test_an_instance_that_beats_without_its_session_is_found_until_it_has_one(
    fleet: Fleet, diagnosis: Diagnosis
) -> None:
    """R6.2: without a listener."""
    workers = fleet.start(10, 10, 10, streams=2)
    sessions = [worker.attach() for worker in workers]
    fleet.run("watch_instances")
    diagnosis.sees_no("instance_without_listener")
    # the second is silent, too, and will be lost
    for session in sessions[:2]:
        _kill(fleet, session.info.backend_pid)
    fleet.run("watch_instances")
    fleet.clock.advance("9 seconds")
    workers[0].beat()
    diagnosis.sees_no("instance_without_listener")
    fleet.clock.advance("1 second")
    assert diagnosis.sees("instance_without_listener", "instance fv-1")["repair"] is None
    workers[0].attach()
    fleet.run("watch_instances")
    diagnosis.sees_no("instance_without_listener")


@pytest.fixture
def shim_connection(fleet: Fleet) -> Iterator[psycopg.Connection[Any]]:
    """A connection that bears the name that worker_shim gives to those of fv-1."""
    name = f"worker_shim {fleet.database.names.api}.fv-1"
    with psycopg.connect(fleet.database.dsn, application_name=name, autocommit=True) as conn:
        yield conn


def test_a_worker_that_is_connected_without_a_session_is_behind_a_pooler(
    fleet: Fleet, diagnosis: Diagnosis, shim_connection: psycopg.Connection[Any]
) -> None:
    """R6.2: in transaction mode; an instance that speaks HTTP has no such connection and is no finding."""
    first, second = fleet.start(10, 10, streams=2)
    diagnosis.sees_no("pooler_between")
    _beat_for(fleet, 60, first, second)
    assert diagnosis.sees("pooler_between", "instance fv-1")["repair"] is None
    # a process that has not yet said a word may be about to attach
    first = fleet.register("fv-1", process="2", takeover=True)
    fleet.clock.advance("1 minute")
    diagnosis.sees_no("pooler_between")
    fleet.clock.advance("1 second")
    first.beat()
    diagnosis.sees("pooler_between", "instance fv-1")
    first.attach()
    diagnosis.sees_no("pooler_between")


@pytest.mark.parametrize(("seconds", "told"), [(9, "9.0 s ahead of"), (-7.5, "7.5 s behind")])
def test_a_clock_that_differs_is_found_until_it_is_set(
    fleet: Fleet, diagnosis: Diagnosis, seconds: float, told: str
) -> None:
    """R6.2"""
    first, second = fleet.start(10, 10, streams=2)
    second.beat(timestamp=fleet.clock.now.isoformat())
    first.beat(timestamp=(fleet.clock.now + timedelta(seconds=seconds)).isoformat())
    finding = diagnosis.sees("clock_differs", "instance fv-1")
    assert finding["finding"] == f"its clock is {told} the database's"
    assert finding["repair"] is None
    first.beat(timestamp=(fleet.clock.now + timedelta(seconds=2)).isoformat())
    diagnosis.sees_no("clock_differs")


def test_a_breaker_that_is_open_is_found_until_it_closes(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2, R5.4"""
    first, _ = fleet.start(10, 10, streams=2)
    first.beat(breaker="half-open", breaker_opened=2)
    finding = diagnosis.sees("breaker_open", "instance fv-1")
    assert (finding["evidence"]["breaker"], finding["evidence"]["opened"]) == ("half-open", 2)
    assert finding["repair"] is None
    first.beat(breaker="closed", breaker_opened=2)
    diagnosis.sees_no("breaker_open")


@pytest.mark.parametrize(("pauses", "attempts"), [((10, 10), 3), ((59, 1), 1)])
def test_an_instance_that_cannot_be_brought_in_step_is_found_until_it_is(
    fleet: Fleet, diagnosis: Diagnosis, pauses: tuple[int, int], attempts: int
) -> None:
    """R6.2, R3.1: after three attempts, or the time of two beats."""
    first, _ = fleet.start(10, 10, streams=4)
    right = dict(first.running)
    first.running[99] = 1
    first.beat()
    for pause in pauses:
        diagnosis.sees_no("instance_out_of_step")
        fleet.clock.advance(f"{pause} seconds")
        if attempts > 1:
            first.beat()
    finding = diagnosis.sees("instance_out_of_step", "instance fv-1")
    assert finding["evidence"]["attempts"] == attempts
    assert finding["repair"] is None
    first.running = right
    first.beat()
    diagnosis.sees_no("instance_out_of_step")


def test_an_instance_whose_owner_was_dropped_is_found_until_it_is_handed_over(
    fleet: Fleet, diagnosis: Diagnosis
) -> None:
    """R6.2: its own process cannot speak for it any more."""
    with logins_of(fleet.database) as logins:
        owner = logins.worker("owner")
        db.call(logins.connect(owner), "register_instance", instance_id="fv-1", max_streams=5)
        diagnosis.sees_no("owner_missing")
        logins.drop(owner)
        assert diagnosis.cures("owner_missing", "instance fv-1")["evidence"]["login"] == owner
