"""Repairs: what a worker and its assignments disagree about without a reason is on record, and nothing else (R3)."""

from tests.sql.fleet import Fleet, Row, digest_of


def _repairs(fleet: Fleet, **where: object) -> list[Row]:
    return sorted(fleet.view("repairs", **where), key=lambda row: int(row["repair_id"]))


def _later(fleet: Fleet, seconds: int = 40) -> None:
    """Long enough after the last change that nothing is under way."""
    fleet.clock.advance(f"{seconds} seconds")


def test_a_worker_that_lost_a_handler_is_repaired_by_the_commands_of_a_beat(fleet: Fleet) -> None:
    """R3.1: what differed, who found it, how it was repaired, and when the worker was in step again."""
    [worker] = fleet.start(10, streams=3)
    _later(fleet)
    worker.running.popitem()
    commands = worker.beat(current_streams=2)
    [repair] = _repairs(fleet)
    assert (repair["instance_id"], repair["incarnation"]) == ("fv-1", worker.incarnation)
    assert (repair["found_by"], repair["attempt"], repair["repaired_by"]) == ("heartbeat", 1, "commands")
    assert repair["difference"] == {
        "digest": digest_of(worker.running.items()),
        "expected_digest": fleet.value("select digest from {p}.instance_load"),
        "reported_streams": 2,
        "owned": 3,
    }
    assert repair["repaired_at"] is None
    worker.follow(commands)
    assert worker.beat() == []
    [repair] = _repairs(fleet)
    assert repair["repaired_at"] == fleet.clock.now
    assert worker.row["repair_attempts"] == 0


def test_each_beat_out_of_step_is_an_attempt(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=3)
    _later(fleet)
    worker.running.popitem()
    for attempt in (1, 2, 3):
        worker.beat()
        assert worker.row["repair_attempts"] == attempt
    assert [row["attempt"] for row in _repairs(fleet)] == [1, 2, 3]


def test_a_worker_that_never_gets_in_step_does_not_fill_the_table(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=3)
    _later(fleet)
    worker.running.popitem()
    for _ in range(25):
        worker.beat()
    assert [row["attempt"] for row in _repairs(fleet)] == [*range(1, 10), 25]


def test_an_assignment_just_given_is_no_fault(fleet: Fleet) -> None:
    """New streams that it has heard nothing of, some that it has started and not confirmed, and what it is to stop."""
    worker, _ = fleet.start(10, 10, streams=6)
    _later(fleet)
    for number in (7, 8, 9, 10):
        fleet.add_streams(1, first=number)
    fleet.admin("move_stream", stream_id=next(iter(worker.running)), instance_id="fv-2")
    commands = worker.beat()
    assert commands
    for command in commands:  # one after the other, and beats between
        _later(fleet, 31)
        if command["action"] == "add":
            worker.running[command["stream_id"]] = command["epoch"]
        else:
            del worker.running[command["stream_id"]]
        worker.beat()
    assert _repairs(fleet) == []
