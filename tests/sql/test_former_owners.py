"""What was taken from an instance a moment ago goes back to it, and what it has not stopped yet it goes on with."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.fleet import Fleet, Worker

ADOPTING: dict[str, Any] = {"metadata": {"adopts": True}}


def _running(fleet: Fleet) -> tuple[Worker, Worker, list[int]]:
    """fv-1 runs two streams; fv-2, which came later, is empty and would be the first choice for any."""
    first = fleet.register("fv-1", 10, **ADOPTING)
    stream_ids = fleet.add_streams(2)
    first.follow(first.beat())
    first.beat()
    fleet.admin("pause_balancing")
    second = fleet.register("fv-2", 100, **ADOPTING)
    second.beat()
    return first, second, stream_ids


def _off(fleet: Fleet, stream_ids: list[int]) -> None:
    for stream_id in stream_ids:
        fleet.admin("set_stream_active", stream_id=stream_id, active=False)


def _on(fleet: Fleet, stream_ids: list[int]) -> None:
    for stream_id in stream_ids:
        fleet.admin("set_stream_active", stream_id=stream_id, active=True)


def test_streams_that_are_switched_off_and_on_at_once_stay_and_their_owner_goes_on(fleet: Fleet) -> None:
    first, second, stream_ids = _running(fleet)
    epochs = dict(first.running)

    _off(fleet, stream_ids)
    _on(fleet, stream_ids)

    assert set(fleet.owners().values()) == {"fv-1"}
    assert second.beat() == []
    commands = first.beat()
    assert {(row["action"], row["stream_id"]) for row in commands} == {("adopt", each) for each in stream_ids}
    assert all(row["epoch"] > epochs[row["stream_id"]] for row in commands)
    for stream_id, epoch in epochs.items():  # what it hears meanwhile counts
        assert fleet.one("is_current", stream_id=stream_id, epoch=epoch)["is_current"]
    first.acknowledge(started={row["stream_id"]: row["epoch"] for row in commands})
    assert {fleet.stream(each)["state"] for each in stream_ids} == {"running"}
    for stream_id, epoch in epochs.items():
        assert not fleet.one("is_current", stream_id=stream_id, epoch=epoch)["is_current"]
    assert fleet.query("select * from {p}.withdrawal") == []


def test_an_owner_that_has_begun_to_stop_starts_again_and_its_word_that_it_stopped_takes_nothing(fleet: Fleet) -> None:
    first, _, stream_ids = _running(fleet)
    epochs = dict(first.running)
    _off(fleet, stream_ids)
    assert {row["action"] for row in first.beat()} == {"remove"}
    _on(fleet, stream_ids)

    for stops in (epochs, list(epochs)):  # with epochs, and as before there were any
        first.acknowledge(stopped=stops)
        assert set(fleet.owners().values()) == {"fv-1"}
    assert {row["stream_id"] for row in first.beat()} == set(stream_ids)


def test_an_owner_that_has_stopped_gets_them_again_within_the_time_of_a_hand_over_and_not_later(fleet: Fleet) -> None:
    first, _, stream_ids = _running(fleet)
    _off(fleet, stream_ids)
    first.acknowledge(stopped=dict(first.running))
    fleet.clock.advance("29 seconds")
    _on(fleet, stream_ids[:1])
    assert fleet.owners()[stream_ids[0]] == "fv-1"
    assert [row["action"] for row in first.beat()] == ["add"]
    fleet.clock.advance("2 seconds")
    _on(fleet, stream_ids[1:])
    assert fleet.owners()[stream_ids[1]] == "fv-2"


def _drained(fleet: Fleet, first: Worker, stream_ids: list[int]) -> None:
    fleet.admin("drain_instance", instance_id="fv-1")


def _gone(fleet: Fleet, first: Worker, stream_ids: list[int]) -> None:
    first.call("deregister_instance")


def _smaller(fleet: Fleet, first: Worker, stream_ids: list[int]) -> None:
    fleet.admin("set_capacity", instance_id="fv-1", max_streams=1)
    fleet.admin("add_stream", url="http://radio.example/first")  # takes the last place, or fv-2's
    if "fv-1" not in fleet.owners().values():
        [row] = fleet.query("select stream_id from {p}.stream where url like '%%first'")
        fleet.admin("move_stream", stream_id=row["stream_id"], instance_id="fv-1")
        fleet.workers["fv-2"].acknowledge(stopped=[row["stream_id"]])


def _pinned(fleet: Fleet, first: Worker, stream_ids: list[int]) -> None:
    fleet.query("update {p}.assignment set pinned_to = 'fv-2' where stream_id = any(%s::bigint[])", stream_ids)


def _refused(fleet: Fleet, first: Worker, stream_ids: list[int]) -> None:
    fleet.query("select {p}.remember_refusals('fv-1', %s::bigint[], 'disk full', 1, false)", stream_ids)


def _unable(fleet: Fleet, first: Worker, stream_ids: list[int]) -> None:
    fleet.query(
        "update {p}.assignment set requirement_id = {p}.requirement_of(array['aac'], null)"
        " where stream_id = any(%s::bigint[])",
        stream_ids,
    )


@pytest.mark.parametrize("change", [_drained, _gone, _smaller, _pinned, _refused, _unable])
def test_an_instance_that_cannot_or_should_not_have_them_does_not_get_them_back(
    fleet: Fleet, change: Callable[[Fleet, Worker, list[int]], None]
) -> None:
    first, _, stream_ids = _running(fleet)
    _off(fleet, stream_ids)
    change(fleet, first, stream_ids)
    _on(fleet, stream_ids)
    assert "fv-1" not in {fleet.owners()[stream_id] for stream_id in stream_ids}


def test_of_what_an_instance_had_no_more_comes_back_than_it_has_room_for(fleet: Fleet) -> None:
    _, _, stream_ids = _running(fleet)
    _off(fleet, stream_ids)
    fleet.admin("set_capacity", instance_id="fv-1", max_streams=1)
    fleet.query("update {p}.stream set active = true returning stream_id")
    fleet.query("select {p}.lock_decisions(), {p}.activate_streams(%s::bigint[])", stream_ids)
    [row] = fleet.query("select {p}.return_to_owners(null, %s::bigint[]) as returned", stream_ids)
    assert row["returned"] == 1 and list(fleet.owners().values()).count("fv-1") == 1


def test_a_station_that_is_removed_and_added_again_at_once_stays_where_it_may_still_be_heard(fleet: Fleet) -> None:
    first, _, stream_ids = _running(fleet)
    urls = [fleet.stream(stream_id)["url"] for stream_id in stream_ids]
    for stream_id in stream_ids:
        fleet.admin("remove_stream", stream_id=stream_id)
    new = [fleet.one("add_stream", url=url)["stream_id"] for url in urls]
    assert {fleet.owners()[stream_id] for stream_id in new} == {"fv-1"}
    commands = {(row["action"], row["stream_id"]) for row in first.beat()}
    assert commands == {("remove", each) for each in stream_ids} | {("add", each) for each in new}


def test_the_last_of_several_that_may_still_run_it_gets_it_back(fleet: Fleet) -> None:
    first, second, (stream_id, _) = _running(fleet)
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    fleet.clock.advance("31 seconds")
    first.beat()
    second.beat()
    fleet.run("finish_handoffs")  # fv-1 has not said that it stopped
    assert fleet.owners()[stream_id] == "fv-2"
    _off(fleet, [stream_id])
    _on(fleet, [stream_id])
    assert fleet.owners()[stream_id] == "fv-2"
    assert {row["stream_id"] for row in first.beat()} == {stream_id}
