"""acknowledge: a worker confirms what it has started and stopped, and says what it cannot hear."""

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from tests.fleet import Fleet, Worker, refused

COUNTS = ("started", "stopped", "failed", "ignored")


def _counts(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(row[name] for name in COUNTS)


def test_a_start_is_confirmed_under_its_epoch(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    first, second = fleet.add_streams(2)
    assert _counts(worker.acknowledge(started={first: 1, second: 7})) == (1, 0, 0, 1)
    assert fleet.stream(first)["state"] == "running"
    assert fleet.stream(second)["state"] == "assigned"


def test_a_start_may_be_confirmed_twice(fleet: Fleet) -> None:
    """An answer that got lost is asked for again."""
    worker = fleet.register("fv-1")
    [stream_id] = fleet.add_streams(1)
    for _ in range(2):
        assert _counts(worker.acknowledge(started={stream_id: 1})) == (1, 0, 0, 0)


def test_a_start_of_another_instances_stream_is_ignored(fleet: Fleet) -> None:
    """R3.3"""
    fleet.register("fv-1")
    [stream_id] = fleet.add_streams(1)
    second = fleet.register("fv-2")
    assert _counts(second.acknowledge(started={stream_id: 1, 999: 1})) == (0, 0, 0, 2)
    assert fleet.stream(stream_id)["instance_id"] == "fv-1"
    assert fleet.stream(stream_id)["state"] == "assigned"


def test_what_stopped_although_no_longer_asked_to_is_to_be_started_again(fleet: Fleet) -> None:
    """As when a hand-over is called off while its owner is at it: the answer names that stream and no other."""
    [worker] = fleet.start(10, streams=2)
    stream_id = next(iter(worker.running))
    assert _counts(worker.acknowledge(stopped=[stream_id, 999])) == (0, 0, 0, 2)
    assert fleet.stream(stream_id)["state"] == "assigned"
    epoch = worker.running.pop(stream_id)
    [command] = worker.beat()
    assert (command["action"], command["stream_id"], command["epoch"]) == ("add", stream_id, epoch)


def test_a_stop_confirms_a_withdrawal(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    [stream_id] = worker.running
    fleet.admin("set_stream_active", stream_id=stream_id, active=False)
    assert [row["action"] for row in worker.beat()] == ["remove"]
    assert _counts(worker.acknowledge(stopped=[stream_id])) == (0, 1, 0, 0)
    assert fleet.query("select * from {p}.withdrawal") == []


def test_one_batch_may_say_everything(fleet: Fleet) -> None:
    first, _ = fleet.start(10, 10, streams=4)
    leaving, failing = first.running
    fleet.admin("move_stream", stream_id=leaving, instance_id="fv-2")
    fleet.admin("pin_stream", stream_id=failing)
    [new] = fleet.add_streams(1, first=5)
    row = first.acknowledge(
        started={new: 1},
        stopped=[leaving],
        failed=[{"stream_id": failing, "epoch": first.running[failing], "error": "404"}],
    )
    assert _counts(row) == (1, 1, 1, 0)
    assert fleet.owners()[leaving] == "fv-2"
    assert fleet.stream(new)["state"] == "running"


# -- Stops under epochs ---------------------------------------------------------------------------------------------


def _released_anew(fleet: Fleet) -> tuple[Worker, list[int], dict[int, int]]:
    """Streams that fv-1 was to hand over, keeps and is to hand over again, and the epochs of its first ownerships."""
    first, second = fleet.start(10, 10, streams=4)
    stream_ids = sorted(first.running)
    before = dict(first.running)
    for stream_id in stream_ids:
        fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    first.acknowledge(stopped=before)  # they are fv-2's, ...
    for stream_id in stream_ids:
        fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
    second.follow(second.beat())
    second.obey()
    first.follow(first.beat())  # ... fv-1's again, under later epochs, ...
    first.beat()
    for stream_id in stream_ids:
        fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")  # ... and asked for again
    assert all(first.running[stream_id] > before[stream_id] for stream_id in stream_ids)
    return first, stream_ids, before


def test_a_late_stop_of_an_old_ownership_ends_no_hand_over_of_the_present_one(fleet: Fleet) -> None:
    first, stream_ids, before = _released_anew(fleet)

    assert _counts(first.acknowledge(stopped=before)) == (0, 0, 0, len(stream_ids))

    assert {fleet.owners()[stream_id] for stream_id in stream_ids} == {"fv-1"}
    assert _counts(first.acknowledge(stopped=dict(first.running))) == (0, len(stream_ids), 0, 0)
    assert {fleet.owners()[stream_id] for stream_id in stream_ids} == {"fv-2"}


def test_of_several_stops_in_one_batch_each_counts_under_its_own_epoch(fleet: Fleet) -> None:
    first, (late, now), before = _released_anew(fleet)

    row = first.acknowledge(stopped={late: before[late], now: first.running[now]})

    assert _counts(row) == (0, 1, 0, 1)
    assert (fleet.owners()[late], fleet.owners()[now]) == ("fv-1", "fv-2")


@pytest.mark.parametrize("knows_epochs", [True, False], ids=["with epochs", "as before there were any"])
def test_what_a_worker_says_it_runs_it_has_not_stopped(fleet: Fleet, knows_epochs: bool) -> None:
    first, stream_ids, _ = _released_anew(fleet)

    first.acknowledge(started=dict(first.running), stopped=dict(first.running) if knows_epochs else stream_ids)

    assert {fleet.owners()[stream_id] for stream_id in stream_ids} == {"fv-1"}


def test_a_stop_beside_a_start_of_the_same_stream_confirms_what_was_taken_before(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    [(stream_id, epoch)] = worker.running.items()
    fleet.admin("set_stream_active", stream_id=stream_id, active=False)
    [taken] = fleet.query("select epoch from {p}.withdrawal")
    row = worker.acknowledge(started={stream_id: epoch + 2}, stopped=[stream_id])
    assert row["stopped"] == 1 and taken["epoch"] == epoch
    assert fleet.query("select * from {p}.withdrawal") == []


def test_a_stop_under_the_epoch_of_before_a_new_generation_counts(fleet: Fleet) -> None:
    """The owner may not have heard yet that it is to go on under a later one."""
    [worker, _] = fleet.start(10, 10, streams=2)
    [(stream_id, epoch)] = worker.running.items()
    fleet.query("select {p}.lock_decisions(), {p}.adopt_ownerships(%s::bigint[])", [stream_id])
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    assert _counts(worker.acknowledge(stopped={stream_id: epoch})) == (0, 1, 0, 0)
    assert fleet.owners()[stream_id] == "fv-2"


def test_a_late_stop_restarts_nothing_that_runs_under_a_later_epoch(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    [(stream_id, epoch)] = worker.running.items()
    assert _counts(worker.acknowledge(stopped={stream_id: epoch - 1})) == (0, 0, 0, 1)
    assert fleet.stream(stream_id)["state"] == "running"


def test_stops_with_too_few_epochs_are_refused(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    with refused("OR101") as error:
        worker.call("acknowledge", stopped=[1, 2], stopped_epochs=[1])
    assert (error.value.detail or {})["argument"] == "p_stopped_epochs"


def test_an_empty_batch_is_nothing(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    for nothing in ({}, dict.fromkeys(("started", "started_epochs", "stopped", "failed"))):
        [row] = worker.call("acknowledge", **nothing)
        assert _counts(row) == (0, 0, 0, 0)


def test_a_batch_that_says_impossible_things_changes_nothing(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    [stream_id] = fleet.add_streams(1)
    started = {"started": [stream_id], "started_epochs": [1]}
    bad: list[dict[str, Any]] = [
        {"started": [1, 2], "started_epochs": [1]},
        {"started": [1]},
        {**started, "failed": Jsonb({"stream_id": 1})},
        {**started, "failed": Jsonb([{"stream_id": "one"}])},
        {**started, "failed": Jsonb([{"stream_id": 1.5}])},
        {**started, "failed": Jsonb([{"stream_id": stream_id, "epoch": "1"}])},
        {**started, "failed": Jsonb([{"stream_id": 10**30}])},
    ]
    for parameters in bad:
        with refused("OR101"):
            worker.call("acknowledge", **parameters)
    assert fleet.stream(stream_id)["state"] == "assigned"


def test_an_old_incarnation_confirms_nothing(fleet: Fleet) -> None:
    old = fleet.register("fv-1")
    [stream_id] = fleet.add_streams(1)
    fleet.register("fv-1", process="2", takeover=True)
    with refused("OR301"):
        old.acknowledge(started={stream_id: 1})


def test_a_failing_stream_moves_after_failures_before_move_reports(fleet: Fleet) -> None:
    """A station may be out of reach from one place and not from another."""
    first, second = fleet.start(10, 10, streams=2)
    [stream_id] = first.running
    for _ in range(2):
        assert _counts(first.fail(stream_id)) == (0, 0, 1, 0)
        fleet.clock.advance("10 seconds")
    assert fleet.stream(stream_id)["state"] == "running"
    first.fail(stream_id, "timed out")
    row = fleet.stream(stream_id)
    assert (row["state"], row["next_instance_id"]) == ("releasing", "fv-2")
    [decision] = fleet.decisions("failing stream")
    assert (decision["reason"], decision["moves"], decision["least_moves"]) == ("timed out", 1, 1)
    fleet.all_obey()
    assert stream_id in second.running


def test_failures_before_move_is_a_setting(fleet: Fleet) -> None:
    fleet.set("failures_before_move", "1")
    first, _ = fleet.start(10, 10, streams=2)
    [stream_id] = first.running
    first.fail(stream_id)
    assert fleet.stream(stream_id)["state"] == "releasing"


def test_a_stream_that_failed_here_does_not_come_back_for_a_while(fleet: Fleet) -> None:
    fleet.set("failures_before_move", "1")
    first, second = fleet.start(10, 10, streams=2)
    [stream_id] = first.running
    first.fail(stream_id)
    fleet.all_obey()
    fleet.admin("rebalance")
    fleet.all_obey()
    assert stream_id in second.running
    second.call("deregister_instance")
    assert fleet.waiting() == [stream_id]  # rather no owner than one that cannot hear it
    fleet.clock.advance("61 seconds")
    first.beat()
    fleet.run("check_balance")
    fleet.settle()
    assert fleet.owners()[stream_id] == "fv-1"


def test_a_stream_that_no_other_can_take_stays_where_it_fails(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    [stream_id] = worker.running
    for _ in range(5):
        worker.fail(stream_id)
    assert fleet.stream(stream_id)["state"] == "running"
    assert fleet.decisions("failing stream") == []


def test_a_failure_under_an_old_epoch_is_ignored(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    [stream_id] = worker.running
    row = worker.acknowledge(failed=[{"stream_id": stream_id, "epoch": 99}, {"stream_id": 999}, {}])
    assert _counts(row) == (0, 0, 0, 3)


def test_a_failure_long_ago_does_not_count(fleet: Fleet) -> None:
    """After a quiet day it begins anew."""
    first, second = fleet.start(10, 10, streams=2)
    [stream_id] = first.running
    for _ in range(2):
        first.fail(stream_id)
    fleet.clock.advance("25 hours")
    first.fail(stream_id)
    assert fleet.stream(stream_id)["state"] == "running"
    second.beat()
    first.fail(stream_id)
    assert fleet.stream(stream_id)["state"] == "running"
    first.fail(stream_id)
    assert fleet.stream(stream_id)["state"] == "releasing"
