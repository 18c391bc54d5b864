"""A stream changes hands while its owner lives: releasing, until the owner has stopped; then the next one has it."""

import psycopg
import pytest

from orchestrator.database import db
from tests.fleet import Fleet, Worker, refused


def _moving(fleet: Fleet) -> tuple[Worker, Worker, int]:
    """fv-1 was asked to hand one of its streams to fv-2."""
    first, second = fleet.start(10, 10, streams=4)
    stream_id = min(first.running)
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2", reason="test")
    return first, second, stream_id


def _is_current(fleet: Fleet, stream_id: int, epoch: int) -> bool:
    [row] = db.call(fleet.worker_conn, "is_current", stream_id=stream_id, epoch=epoch)
    return bool(row["is_current"])


def test_the_owner_keeps_its_epoch_until_it_has_stopped(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet)
    row = fleet.stream(stream_id)
    assert (row["state"], row["instance_id"], row["next_instance_id"]) == ("releasing", "fv-1", "fv-2")
    assert _is_current(fleet, stream_id, first.running[stream_id])
    assert second.beat() == []  # not yet
    assert (fleet.instance("fv-1")["outgoing"], fleet.instance("fv-2")["incoming"]) == (1, 1)


def test_the_next_owner_has_it_with_a_new_epoch_as_soon_as_the_owner_has_stopped(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet)
    epoch = first.running[stream_id]
    [command] = first.obey()
    assert (command["action"], command["stream_id"]) == ("remove", stream_id)
    assert not _is_current(fleet, stream_id, epoch)
    [command] = second.obey()
    assert (command["action"], command["stream_id"], command["epoch"]) == ("add", stream_id, epoch + 1)
    assert _is_current(fleet, stream_id, epoch + 1)
    assert fleet.stream(stream_id)["state"] == "running"
    assert (first.beat(), second.beat()) == ([], [])


def test_the_movement_belongs_to_the_decision_that_began_it(fleet: Fleet) -> None:
    _, _, stream_id = _moving(fleet)
    [decision] = fleet.decisions("moved by hand")
    assert (decision["moves"], decision["least_moves"], decision["reason"]) == (1, 1, "test")
    assert fleet.view("movements", decision_id=decision["decision_id"]) == []
    fleet.all_obey()
    [movement] = fleet.view("movements", decision_id=decision["decision_id"])
    assert (movement["stream_id"], movement["from_instance_id"], movement["to_instance_id"]) == (
        stream_id,
        "fv-1",
        "fv-2",
    )
    assert movement["reason"] == "hand-over"


def test_both_are_told_at_once_when_it_is_their_turn(fleet: Fleet) -> None:
    """Design §5: a notification is a hint to the one who has something to do."""
    first, second = fleet.start(10, 10, streams=2)
    with fleet.database.connect("worker") as listening:
        for worker in (first, second):
            listening.execute(f'listen "{fleet.database.names.api}.{worker.instance_id}"')
        [stream_id] = first.running
        fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
        assert _told(listening) == {"fv-1", "fv-2"}
        first.obey()
        assert _told(listening) == {"fv-2"}


def _told(listening: db.Connection) -> set[str]:
    """Whose channels were notified since the last look."""
    listening.execute("select")
    return {note.channel.partition(".")[2] for note in listening.notifies(timeout=0)}


def test_a_stream_that_is_not_let_go_is_taken_after_handoff_timeout_and_the_old_owner_is_told(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet)
    epoch = first.running[stream_id]
    fleet.clock.advance("29 seconds")
    assert "finish_handoffs" not in fleet.run_due_jobs()
    assert fleet.pass_time("1 second")["finish_handoffs"] == {"forced": 1}
    assert not _is_current(fleet, stream_id, epoch)
    assert [row["action"] for row in second.obey()] == ["add"]
    [movement] = fleet.view("movements", stream_id=stream_id, to_instance_id="fv-2")
    assert movement["reason"] == "hand-over forced"

    [command] = first.beat()
    assert (command["action"], command["stream_id"], command["epoch"]) == ("remove", stream_id, epoch)
    first.follow([command])
    assert first.beat() == []
    assert fleet.query("select * from {p}.withdrawal") == []


def test_several_streams_that_are_not_let_go_are_taken_together(fleet: Fleet) -> None:
    fleet.start(10, 10, 10, streams=6)
    for owner in ("fv-1", "fv-2"):
        for stream_id in fleet.streams_of(owner):
            fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-3")
    fleet.clock.advance("30 seconds")
    assert fleet.run("finish_handoffs") == {"forced": 4}
    assert fleet.loads() == {"fv-1": 0, "fv-2": 0, "fv-3": 6}


def test_a_forced_hand_over_notifies_both(fleet: Fleet) -> None:
    _moving(fleet)
    with fleet.database.connect("worker") as listening:
        for instance_id in ("fv-1", "fv-2"):
            listening.execute(f'listen "{fleet.database.names.api}.{instance_id}"')
        fleet.pass_time("30 seconds")
        assert _told(listening) == {"fv-1", "fv-2"}


def test_a_stream_that_comes_back_after_a_forced_hand_over_is_not_removed(fleet: Fleet) -> None:
    """The withdrawal is of the old epoch, and the stream is its own again."""
    first, _, stream_id = _moving(fleet)
    fleet.pass_time("30 seconds")
    fleet.workers["fv-2"].obey()
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
    fleet.workers["fv-2"].obey()
    commands = first.beat()
    assert ("remove", stream_id) not in [(row["action"], row["stream_id"]) for row in commands]
    first.follow(commands)
    assert first.beat() == []
    assert stream_id in first.running


@pytest.mark.parametrize("lost_by", ["goodbye", "removal"])
def test_when_the_next_owner_is_lost_the_owner_keeps_the_stream(fleet: Fleet, lost_by: str) -> None:
    first, second, stream_id = _moving(fleet)
    epoch = first.running[stream_id]
    if lost_by == "goodbye":
        second.call("deregister_instance")
    else:
        fleet.admin("remove_instance", instance_id="fv-2")
    row = fleet.stream(stream_id)
    assert (row["instance_id"], row["next_instance_id"], row["epoch"]) == ("fv-1", None, epoch)
    first.obey()
    assert first.beat() == []
    assert fleet.stream(stream_id)["state"] == "running"
    assert len(first.running) == 4


def test_a_stream_whose_hand_over_is_called_off_runs_as_before(fleet: Fleet) -> None:
    """Its owner never stopped it, so there is nothing to tell it and nothing for it to confirm."""
    first, _, stream_id = _moving(fleet)
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
    assert first.beat() == []
    assert fleet.stream(stream_id)["state"] == "running"

    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    fleet.admin("drain_instance", instance_id="fv-2")
    assert first.beat() == []
    assert fleet.stream(stream_id)["state"] == "running"


def test_a_hand_over_can_be_called_off_although_its_owner_is_full(fleet: Fleet) -> None:
    first, _ = fleet.start(2, 10, streams=12)
    stream_id = min(first.running)
    fleet.admin("remove_stream", stream_id=max(fleet.workers["fv-2"].running))
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
    assert fleet.stream(stream_id)["next_instance_id"] is None


def test_when_the_next_owner_restarts_as_planned_the_owner_keeps_the_stream(fleet: Fleet) -> None:
    """Suspended, it could not start it for minutes."""
    first, second, stream_id = _moving(fleet)
    second.call("suspend_instance", **{"for": "2 minutes"})
    assert first.beat() == []
    row = fleet.stream(stream_id)
    assert (row["instance_id"], row["state"], row["epoch"]) == ("fv-1", "running", first.running[stream_id])


def test_an_owner_that_stopped_just_before_it_was_to_keep_the_stream_starts_again(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet)
    del first.running[stream_id]
    second.call("deregister_instance")
    first.acknowledge(stopped=[stream_id])
    assert stream_id in [row["stream_id"] for row in first.obey()]
    assert first.beat() == []
    assert stream_id in first.running


def test_when_the_next_owner_is_drained_the_owner_keeps_the_stream(fleet: Fleet) -> None:
    """It must not fall between the two."""
    first, _, stream_id = _moving(fleet)
    fleet.admin("drain_instance", instance_id="fv-2")
    first.obey()
    assert fleet.stream(stream_id)["instance_id"] == "fv-1"
    assert stream_id in first.running


def test_every_owner_that_keeps_its_stream_after_all_is_notified(fleet: Fleet) -> None:
    """It may have stopped it a moment ago."""
    fleet.start(10, 10, 10, streams=6)
    with fleet.database.connect("worker") as listening:
        for instance_id in fleet.workers:
            listening.execute(f'listen "{fleet.database.names.api}.{instance_id}"')
        for owner in ("fv-1", "fv-2"):
            fleet.admin("move_stream", stream_id=fleet.streams_of(owner)[0], instance_id="fv-3")
        _told(listening)
        fleet.admin("drain_instance", instance_id="fv-3")
        assert _told(listening) == {"fv-1", "fv-2"}


def test_when_several_next_owners_are_lost_together_the_owner_keeps_every_stream(fleet: Fleet) -> None:
    fleet.start(10, 10, 10, 10, 10, 10, streams=12)
    owner = fleet.workers["fv-3"]
    epochs = dict(owner.running)
    for stream_id, next_id in zip(epochs, ("fv-1", "fv-2"), strict=True):
        fleet.admin("move_stream", stream_id=stream_id, instance_id=next_id)
    fleet.clock.advance("299 seconds")
    for name in ("fv-3", "fv-4", "fv-5", "fv-6"):
        fleet.workers[name].beat()
    fleet.clock.advance("1 second")

    assert fleet.run("watch_instances")["lost"] == ["fv-1", "fv-2"]

    kept = [fleet.stream(stream_id) for stream_id in epochs]
    assert [(row["state"], row["instance_id"], row["epoch"]) for row in kept] == [
        ("running", "fv-3", epoch) for epoch in epochs.values()
    ]


def test_when_the_next_owner_has_no_room_any_more_another_has_the_stream_at_once(fleet: Fleet) -> None:
    first, _, stream_id = _moving(fleet)
    fleet.register("fv-3", 10)
    fleet.admin("set_capacity", instance_id="fv-2", max_streams=2)
    first.follow(first.beat())
    row = fleet.stream(stream_id)
    assert (row["state"], row["instance_id"]) == ("assigned", "fv-3")
    moved = fleet.view("movements", stream_id=stream_id)
    assert [m["to_instance_id"] for m in sorted(moved, key=lambda m: m["epoch"])] == ["fv-1", None, "fv-3"]


def test_several_that_are_let_go_together_share_the_room_of_their_next_owners(fleet: Fleet) -> None:
    """Each next owner has its own places; what finds none there is with another at once."""
    first, *_ = fleet.start(20, 10, 10, streams=8)  # 4, 2, 2
    for worker in list(fleet.workers.values())[1:]:
        for stream_id in list(worker.running):
            fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-1")
    fleet.all_obey()
    to_second, to_third = range(1, 5), range(5, 8)
    for stream_id in (*to_second, *to_third):
        fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2" if stream_id in to_second else "fv-3")
    fleet.admin("set_capacity", instance_id="fv-2", max_streams=1)
    fleet.admin("set_capacity", instance_id="fv-3", max_streams=3)
    fleet.register("fv-4", 10)

    first.follow(first.beat())

    assert fleet.streams_of("fv-2") == [1]
    assert fleet.streams_of("fv-3") == [*to_third]
    assert {fleet.stream(stream_id)["state"] for stream_id in (2, 3, 4)} == {"assigned"}
    assert fleet.waiting() == []


def test_a_stream_is_not_forced_away_from_its_owner_when_no_other_can_take_it(fleet: Fleet) -> None:
    first, _, stream_id = _moving(fleet)
    epoch = first.running[stream_id]
    fleet.admin("set_capacity", instance_id="fv-2", max_streams=2)
    fleet.clock.advance("30 seconds")
    fleet.run("finish_handoffs")
    row = fleet.stream(stream_id)
    assert (row["state"], row["instance_id"], row["epoch"]) == ("running", "fv-1", epoch)
    assert _is_current(fleet, stream_id, epoch)


def test_an_owner_can_be_lost_when_the_next_owner_has_no_room_any_more(fleet: Fleet) -> None:
    _, _, stream_id = _moving(fleet)
    fleet.admin("set_capacity", instance_id="fv-2", max_streams=2)
    fleet.admin("remove_instance", instance_id="fv-1")
    assert stream_id in fleet.waiting()
    assert fleet.loads()["fv-2"] == 2


def test_when_the_owner_is_lost_the_next_one_has_it_at_once(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet)
    epoch = first.running[stream_id]
    fleet.admin("remove_instance", instance_id="fv-1")
    row = fleet.stream(stream_id)
    assert (row["state"], row["instance_id"], row["epoch"]) == ("assigned", "fv-2", epoch + 1)
    second.obey()
    assert len(second.running) == 4


def test_when_owner_and_next_owner_are_lost_together_a_third_has_it(fleet: Fleet) -> None:
    fleet.start(10, 10, 10, streams=6)
    stream_id = min(fleet.workers["fv-1"].running)
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    fleet.clock.advance("359 seconds")
    fleet.workers["fv-3"].beat()
    fleet.run("watch_instances")  # most are silent together: they have restart_grace longer
    fleet.clock.advance("61 seconds")
    fleet.run("watch_instances")
    assert fleet.loads() == {"fv-1": 0, "fv-2": 0, "fv-3": 6}
    fleet.all_obey()


def test_a_stream_that_is_removed_while_it_changes_hands_is_stopped(fleet: Fleet) -> None:
    first, second, stream_id = _moving(fleet)
    fleet.admin("remove_stream", stream_id=stream_id)
    assert [row["action"] for row in first.obey()] == ["remove"]
    assert second.beat() == []
    assert fleet.instance("fv-2")["incoming"] == 0


def test_the_fence_refuses_the_old_epoch(fleet: Fleet) -> None:
    """R3.3, OR302: a write of the old owner is refused."""
    first, _, stream_id = _moving(fleet)
    epoch = first.running[stream_id]
    db.call(fleet.worker_conn, "assert_current", stream_id=stream_id, epoch=epoch)
    fleet.all_obey()
    for stale in (epoch, epoch + 2, 0, None):
        assert not _is_current(fleet, stream_id, stale)  # type: ignore[arg-type]  # null, too, is no owner
        with refused("OR302"):
            db.call(fleet.worker_conn, "assert_current", stream_id=stream_id, epoch=stale)
    db.call(fleet.worker_conn, "assert_current", stream_id=stream_id, epoch=epoch + 1)


def test_the_fence_waits_for_no_decision(fleet: Fleet) -> None:
    first, _, stream_id = _moving(fleet)
    deciding = fleet.database.connect(autocommit=False)
    deciding.execute(f"select {fleet.database.names.private}.lock_decisions()")
    deciding.execute(f"select from {fleet.database.names.private}.assignment for update")
    fleet.worker_conn.execute("set lock_timeout = '1ms'")
    assert _is_current(fleet, stream_id, first.running[stream_id])
    deciding.rollback()


def test_two_owners_cannot_be_written_down(fleet: Fleet) -> None:
    """R3.3: the table has no place for a second one."""
    [stream_id] = fleet.add_streams(1)
    with pytest.raises(psycopg.errors.UniqueViolation):
        fleet.query(
            "insert into {p}.assignment (stream_id, requirement_id, waiting_since) values (%s, 1, now())", stream_id
        )
