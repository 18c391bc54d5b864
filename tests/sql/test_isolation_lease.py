"""A worker with stop_within (on_isolation = stop) has stopped before anybody else may start, by any rule (R5.2)."""

from typing import Any

import pytest

from tests.fleet import Fleet, Worker, refused

LEASE: dict[str, Any] = {"lease": "90 seconds", "stop_within": "75 seconds"}


def _pair(fleet: Fleet, streams: int = 2) -> tuple[Worker, Worker]:
    """fv-1 stops by itself when it is cut off; fv-2 goes on. Both run what they have, all is quiet."""
    first, second = fleet.register("fv-1", **LEASE), fleet.register("fv-2")
    fleet.add_streams(streams)
    fleet.settle()
    fleet.clock.advance("40 seconds")
    first.beat()
    second.beat()
    return first, second


def _anew(fleet: Fleet, owner: Worker) -> int:
    """Its one stream is removed and added again, which is another stream of the same address: its id."""
    [stream_id] = owner.running
    url = fleet.stream(stream_id)["url"]
    fleet.admin("remove_stream", stream_id=stream_id)
    anew: int = fleet.one("add_stream", url=url)["stream_id"]
    return anew


def _pass(fleet: Fleet, seconds: int, beating: Worker) -> None:
    """Time passes in which only one worker beats and obeys, and the jobs run."""
    for _ in range(seconds // 5):
        fleet.clock.advance("5 seconds")
        beating.obey()
        fleet.run_due_jobs()


def _given_after(fleet: Fleet, stream_id: int, to: Worker, most: int = 400) -> int:
    """Seconds until another worker is given the stream."""
    for seconds in range(0, most, 5):
        if fleet.owners()[stream_id] == to.instance_id:
            return seconds
        _pass(fleet, 5, to)
    raise AssertionError("no instance is given the stream")


def test_what_an_instance_promises_is_kept(fleet: Fleet) -> None:
    row = fleet.register("fv-1", **LEASE).row
    assert (row["lease"].total_seconds(), row["stop_within"].total_seconds()) == (90, 75)
    assert fleet.register("fv-1").row["stop_within"] is None


@pytest.mark.parametrize(
    ("lease", "stop_within", "latest"),
    [
        ("60 seconds", "59.001 seconds", "00:00:59"),  # a second at least
        ("200 seconds", "198.001 seconds", "00:03:18"),  # or a hundredth, for clocks that run apart
        ("90 seconds", "90 seconds", "00:01:29"),
        ("90 seconds", "2 hours", "00:01:29"),
        ("90 seconds", "0 seconds", "00:01:29"),
        ("90 seconds", "-1 seconds", "00:01:29"),
    ],
)
def test_a_worker_whose_timing_could_overlap_is_refused_with_the_numbers(
    fleet: Fleet, lease: str, stop_within: str, latest: str
) -> None:
    with refused("OR101") as refusal:
        fleet.register("fv-1", lease=lease, stop_within=stop_within)
    assert refusal.value.detail is not None
    assert refusal.value.detail["argument"] == "p_stop_within"
    assert refusal.value.detail["given"].keys() == {"p_stop_within", "p_lease", "margin"}
    assert refusal.value.hint is not None
    assert f"p_stop_within <= p_lease - greatest(1 second, p_lease / 100) = {latest}" in refusal.value.hint
    assert fleet.view("instances") == []


def test_a_worker_that_stops_by_itself_needs_a_lease(fleet: Fleet) -> None:
    with refused("OR101") as refusal:
        fleet.register("fv-1", stop_within="30 seconds")
    assert refusal.value.hint == "an instance that stops by itself needs a lease: pass p_lease"


def test_the_latest_moment_that_fits_is_accepted(fleet: Fleet) -> None:
    fleet.register("fv-1", lease="60 seconds", stop_within="59 seconds")
    fleet.register("fv-2", lease="200 seconds", stop_within="198 seconds")


def test_silence_takes_nothing_before_the_lease_is_over(fleet: Fleet) -> None:
    first, second = _pair(fleet)
    [stream_id] = first.running
    assert _given_after(fleet, stream_id, second) == 90


def test_a_lost_session_takes_nothing_before_the_lease_is_over(fleet: Fleet) -> None:
    first, second = _pair(fleet)
    _third = fleet.register("fv-3")
    held = [second.attach(), _third.attach()]
    session = first.attach()
    [stream_id] = first.running
    session.close()
    while fleet.query("select instance_id from {p}.sessions_changed()") == []:
        pass
    for _ in range(17):
        _pass(fleet, 5, second)
        _third.obey()
        assert fleet.owners()[stream_id] == "fv-1"
    _pass(fleet, 5, second)
    assert fleet.owners()[stream_id] != "fv-1"
    assert len(held) == 2


def test_a_suspension_that_is_over_takes_nothing_before_the_lease_is_over(fleet: Fleet) -> None:
    first, second = _pair(fleet)
    [stream_id] = first.running
    first.call("suspend_instance", **{"for": "10 seconds"})
    assert _given_after(fleet, stream_id, second) == 90


def test_a_hand_over_is_forced_only_when_its_owner_has_stopped_or_disobeys(fleet: Fleet) -> None:
    """Cut off, an owner is lost when its lease is over; one that beats and keeps the stream has twice that."""
    first, second = _pair(fleet)
    [stream_id] = first.running
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    for _ in range(35):
        _pass(fleet, 5, second)
        first.beat()
        assert fleet.stream(stream_id)["instance_id"] == "fv-1"
    _pass(fleet, 5, second)
    assert fleet.owners()[stream_id] == "fv-2"


def test_an_owner_that_goes_on_is_not_waited_for_longer_than_handoff_timeout(fleet: Fleet) -> None:
    first, second = _pair(fleet)
    [stream_id] = second.running
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
    _pass(fleet, 30, first)
    assert fleet.owners()[stream_id] == "fv-1"


def test_a_cut_off_owner_loses_its_hand_over_with_its_lease(fleet: Fleet) -> None:
    first, second = _pair(fleet)
    [stream_id] = first.running
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    assert _given_after(fleet, stream_id, second) == 90


def test_another_process_is_refused_while_the_lease_of_the_first_runs(fleet: Fleet) -> None:
    """Its session may be gone: its handlers may still run unseen."""
    first, second = _pair(fleet)
    session = first.attach()
    session.close()
    while fleet.query("select pid from {p}.held_sessions()"):
        pass
    fleet.clock.advance("85 seconds")
    with refused("OR104") as refusal:
        fleet.register("fv-1", process="2", **LEASE)
    assert refusal.value.detail is not None
    assert refusal.value.detail["lease_over_at"] is not None
    second.beat()
    fleet.clock.advance("5 seconds")
    assert fleet.register("fv-1", process="2", **LEASE).status == "registered"


def test_another_process_may_come_at_once_after_a_goodbye_or_a_suspension_or_by_force(fleet: Fleet) -> None:
    first, second = _pair(fleet)
    first.call("suspend_instance", **{"for": "1 minute"})
    again = fleet.register("fv-1", process="2", **LEASE)
    again.call("deregister_instance")
    fleet.register("fv-1", process="3", **LEASE)
    fleet.register("fv-1", process="4", takeover=True, force=True, **LEASE)
    second.beat()


def test_the_same_process_may_register_again_at_once(fleet: Fleet) -> None:
    first, _ = _pair(fleet)
    assert fleet.register("fv-1", **LEASE).incarnation == first.incarnation + 1


def test_a_stream_removed_and_added_waits_until_its_owner_has_confirmed(fleet: Fleet) -> None:
    first, second = _pair(fleet)
    stream_id = _anew(fleet, first)
    assert fleet.stream(stream_id)["state"] == "waiting"
    _pass(fleet, 20, second)
    assert fleet.stream(stream_id)["state"] == "waiting"
    first.follow([row for row in first.beat() if row["action"] == "remove"])
    _pass(fleet, 5, second)
    assert fleet.stream(stream_id)["instance_id"] is not None


def test_a_stream_removed_and_added_is_given_away_when_its_owner_must_have_stopped(fleet: Fleet) -> None:
    first, second = _pair(fleet)
    stream_id = _anew(fleet, first)
    seconds = _given_after(fleet, stream_id, second)
    assert 90 <= seconds <= 190
    assert first.status == "inactive"


def test_a_stream_that_may_still_run_elsewhere_cannot_be_given_away_by_hand(fleet: Fleet) -> None:
    first, second = _pair(fleet)
    stream_id = _anew(fleet, first)
    for function in ("move_stream", "pin_stream"):
        with refused("OR405") as refusal:
            fleet.admin(function, stream_id=stream_id, instance_id="fv-2")
        assert refusal.value.detail is not None
        assert "may still be running it" in refusal.value.detail["why"]
    stopped = sorted(first.running)
    first.running = {}
    first.acknowledge(stopped=stopped)
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    assert stream_id in [row["stream_id"] for row in second.beat()]


def test_no_alert_while_a_stream_waits_for_its_owner_to_stop(fleet: Fleet) -> None:
    first, second = _pair(fleet)
    stream_id = _anew(fleet, first)
    for _ in range(17):
        _pass(fleet, 5, second)
        first.beat()
        fleet.run("evaluate_alerts")
    assert fleet.stream(stream_id)["state"] == "waiting"
    assert fleet.view("alerts", code="streams_waiting") == []
    [check] = [row for row in fleet.admin("health") if row["component"] == "streams"]
    assert check["status"] != "unhealthy"


def test_a_stream_that_its_owner_cannot_hear_any_more_waits_until_it_has_stopped(fleet: Fleet) -> None:
    """The same process registers without an ability: its handler may still run."""
    able = ["audio_fingerprinting", "aac"]
    first = fleet.register("fv-1", capabilities=able, **LEASE)
    [stream_id] = fleet.add_streams(1, required_capabilities=["aac"])
    first.obey()
    second = fleet.register("fv-2", capabilities=able)
    again = fleet.register("fv-1", **LEASE)
    assert fleet.stream(stream_id)["state"] == "waiting"
    _pass(fleet, 20, second)
    assert fleet.stream(stream_id)["state"] == "waiting"
    again.obey()
    _pass(fleet, 5, second)
    assert fleet.owners()[stream_id] == "fv-2"


def test_an_administrators_force_takes_a_stream_at_once(fleet: Fleet) -> None:
    first, _ = _pair(fleet)
    [stream_id] = first.running
    fleet.admin("remove_instance", instance_id="fv-1", force=True)
    assert fleet.owners()[stream_id] == "fv-2"
