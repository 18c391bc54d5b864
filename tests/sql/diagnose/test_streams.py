"""R6.1, R6.2: streams that no instance hears, and why."""

from typing import Any

import pytest

from tests.fleet import Fleet, Worker
from tests.sql.diagnose.diagnosis import Diagnosis


def test_streams_wait_because_no_instance_may_be_given_any(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    [worker] = fleet.start(10)
    worker.call("suspend_instance", **{"for": "5 minutes"})
    ids = fleet.add_streams(2)
    finding = diagnosis.sees("streams_wait_for_an_instance", "fleet")
    assert (finding["severity"], finding["repair"]) == ("warning", None)
    assert (finding["evidence"]["streams"], finding["evidence"]["stream_ids"]) == (2, ids)
    fleet.clock.advance("59 seconds")
    assert diagnosis.sees("streams_wait_for_an_instance")["severity"] == "warning"
    fleet.clock.advance("1 second")
    assert diagnosis.sees("streams_wait_for_an_instance")["severity"] == "critical"
    worker.beat()
    diagnosis.sees_no("streams_wait_for_an_instance")


def test_what_a_lost_instance_keeps_waits_for_an_instance(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: no other instance could take it."""
    fleet.start(10, streams=2)
    for _ in range(2):
        fleet.clock.advance("6 minutes")
        fleet.run("watch_instances")
    assert fleet.instance("fv-1")["status"] == "inactive"
    assert diagnosis.sees("streams_wait_for_an_instance")["evidence"]["stream_ids"] == [1, 2]


def test_each_stream_waits_for_one_reason(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: who gave it back, who is unable and who is full are told apart, stream by stream."""

    def reasons() -> dict[str, int]:
        rows = fleet.query("select reason, count(*) as streams from {p}.waiting_reasons() group by reason")
        codes = {row["code"] for row in fleet.admin("diagnose") if row["code"].startswith("streams_")}
        found = {row["reason"]: row["streams"] for row in rows}
        names = {"no ability": "ability", "no room": "room"}
        assert codes == {f"streams_wait_for_{names[reason]}" for reason in found if reason in names} | {
            "streams_refused" for reason in found if reason == "refused"
        }
        return found

    aac = ["audio_fingerprinting", "aac"]
    first = fleet.register("fv-1", 2, capabilities=aac)
    fleet.register("unable", 9)
    fleet.register("full", 1, capabilities=aac)
    given_back, *_ = fleet.add_streams(3, required_capabilities=["aac"])
    fleet.settle()
    owner = fleet.workers[str(fleet.stream(given_back)["instance_id"])]
    if owner.instance_id != "fv-1":
        given_back = next(iter(first.running))
    first.running.pop(given_back)
    # one that is able and full, and one that has room and is unable, are no reason not to call it refused
    first.call("release_streams", streams=[given_back], reason="no disk")
    assert reasons() == {"refused": 1}
    # one that gave another stream back has not given back this one
    other = fleet.register("other", 1, capabilities=aac)
    assert reasons() == {"room": 1}
    fleet.query(
        "insert into {p}.refusal (stream_id, instance_id, reason, refused_at, until, times, for_failing) "
        "select %s, 'other', 'x', {p}.now(), {p}.now() + '1 hour', 1, false",
        next(iter(first.running)),
    )
    assert reasons() == {"room": 1}
    fleet.settle()
    assert reasons() == {}
    assert list(other.running) == [given_back]
    fleet.admin("set_capacity", instance_id="fv-1", max_streams=1)
    fleet.add_streams(1, first=4, required_capabilities=["aac"])
    fleet.add_streams(2, first=5, required_capabilities=["hls"])
    assert reasons() == {"no room": 1, "no ability": 2}


def test_streams_wait_for_an_ability_that_no_instance_has(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: each ability is counted by itself."""
    fleet.start(10, 10)
    fleet.add_streams(2, required_capabilities=["aac"])
    fleet.add_streams(1, first=3, required_capabilities=["aac", "hls"])
    both = diagnosis.findings("streams_wait_for_ability")
    assert [(row["subject"], row["evidence"]["streams"]) for row in both] == [("aac", 2), ("aac, hls", 1)]
    fleet.register("fv-3", 5, capabilities=["audio_fingerprinting", "aac", "hls"])
    diagnosis.sees_no("streams_wait_for_ability")


def test_streams_wait_for_room_with_those_that_are_able(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: room elsewhere does not help them."""
    fleet.start(10, 10)
    fleet.register("fv-3", 1, capabilities=["audio_fingerprinting", "aac"])
    fleet.add_streams(3, required_capabilities=["aac"])
    fleet.settle()
    finding = diagnosis.sees("streams_wait_for_room")
    assert (finding["evidence"]["streams"], finding["repair"]) == (2, None)
    fleet.admin("set_capacity", instance_id="fv-3", max_streams=3)
    fleet.settle()
    diagnosis.sees_no("streams_wait_for_room")


def test_streams_that_all_gave_back_are_tried_again_by_the_repair(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    first, second = fleet.start(2, 2, streams=2)
    for worker in (first, second):
        while worker.running:
            worker.call("release_streams", streams=[worker.running.popitem()[0]], reason="no disk")
        fleet.all_obey()
    for worker in (first, second):
        if ids := list(worker.running):
            worker.running.clear()
            worker.call("release_streams", streams=ids, reason="no disk")
    # the one that is asked first has room for one of them only
    fleet.admin("set_capacity", instance_id="fv-1", max_streams=1)
    finding = diagnosis.sees("streams_refused")
    assert finding["evidence"]["streams"] == 2
    diagnosis.do(finding["repair"])
    assert diagnosis.cures("streams_refused")["evidence"]["streams"] == 1
    assert fleet.waiting() == []


@pytest.mark.parametrize("is_paused", [False, True])
def test_streams_that_are_not_placed_although_there_is_room_are_placed_by_the_repair(
    fleet: Fleet, diagnosis: Diagnosis, is_paused: bool
) -> None:
    """R6.2: no driver has run since they came."""
    if is_paused:
        fleet.admin("pause_balancing")
    fleet.add_streams(2)
    fleet.register("fv-1", 10).beat()
    diagnosis.sees_no("streams_wait_with_room")
    fleet.clock.advance("13 seconds")
    diagnosis.cures("streams_wait_with_room")
    assert fleet.waiting() == []


@pytest.mark.parametrize(
    ("lease", "seconds"), [({}, 40), ({"lease": "60 seconds", "stop_within": "20 seconds"}, 70)], ids=["told", "lease"]
)
def test_a_hand_over_that_is_not_finished_is_finished_by_the_repair(
    fleet: Fleet, diagnosis: Diagnosis, lease: dict[str, Any], seconds: int
) -> None:
    """R6.2: one that stops by its own clock is left the time of its lease."""
    first = fleet.register("fv-1", **lease)
    fleet.register("fv-2")
    fleet.add_streams(2)
    fleet.settle()
    [stream_id] = first.running
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    fleet.clock.advance(f"{seconds - 1} seconds")
    diagnosis.sees_no("handovers_stuck")
    fleet.clock.advance("1 second")
    finding = diagnosis.cures("handovers_stuck", "instance fv-1")
    assert finding["evidence"]["stream_ids"] == [stream_id]


def _stall(worker: Worker, stream_ids: list[int]) -> None:
    worker.beat(stalled=[{"stream_id": n, "epoch": worker.running[n], "silent_for": 61} for n in stream_ids])


def test_an_instance_that_hears_nothing_at_all_is_emptied_by_the_repair(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2"""
    first, _ = fleet.start(10, 10, streams=4)
    _stall(first, list(first.running))
    finding = diagnosis.sees("streams_stalled", "instance fv-1")
    assert (finding["evidence"]["stalled"], finding["evidence"]["running"]) == (2, 2)
    diagnosis.do(finding["repair"])
    fleet.settle()
    diagnosis.sees_no("streams_stalled")


def test_a_silent_stream_among_others_is_a_matter_for_ears(fleet: Fleet, diagnosis: Diagnosis) -> None:
    """R6.2: no repair is offered where none is right."""
    first, _ = fleet.start(10, 10, streams=4)
    stream_id = min(first.running)
    _stall(first, [stream_id])
    assert diagnosis.sees("streams_stalled", "instance fv-1")["repair"] is None
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    diagnosis.sees_no("streams_stalled")
    fleet.all_obey()
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
    fleet.all_obey()
    diagnosis.sees_no("streams_stalled")


def test_a_stall_is_told_with_each_beat_or_over_and_a_stations_fault_is_none_of_an_instance(
    fleet: Fleet, diagnosis: Diagnosis
) -> None:
    """R6.2"""
    first, _ = fleet.start(10, 10, streams=4)
    stream_id = min(first.running)
    _stall(first, [stream_id])
    diagnosis.sees("streams_stalled")
    fleet.query(
        "insert into {p}.station_fault (stream_id, found_at, last_failed_at, failures, evidence) "
        "select %s, {p}.now(), {p}.now(), 1, '[]'",
        stream_id,
    )
    diagnosis.sees_no("streams_stalled")
    fleet.query("delete from {p}.station_fault")
    fleet.clock.advance("89 seconds")
    diagnosis.sees("streams_stalled")
    fleet.clock.advance("1 second")
    diagnosis.sees_no("streams_stalled")


@pytest.mark.parametrize("name", ["Radio O'Hara", "radio; drop table stream"])
def test_a_station_that_fails_everywhere_is_switched_off_by_the_repair(
    fleet: Fleet, diagnosis: Diagnosis, name: str
) -> None:
    """R6.2"""
    fleet.start(10, 10)
    [stream_id] = fleet.add_streams(1, name=name)
    fleet.settle()
    for _ in range(2):
        diagnosis.sees_no("station_failing")
        owner = fleet.workers[str(fleet.stream(stream_id)["instance_id"])]
        for _ in range(3):
            owner.fail(stream_id)
        fleet.all_obey()
    finding = diagnosis.cures("station_failing", f"stream {stream_id}")
    assert finding["evidence"]["name"] == name
    assert fleet.stream(stream_id)["active"] is False
