"""report_streams: the worker says all it runs, and the answer is exactly what to start and to stop (R3)."""

from typing import Any

from tests.sql.fleet import Fleet, Row, refused


def _said(rows: list[Row]) -> dict[int, tuple[str, int]]:
    return {row["stream_id"]: (row["action"], row["epoch"]) for row in rows}


def test_a_worker_in_step_is_told_nothing_and_confirms_everything(fleet: Fleet) -> None:
    """R3.1"""
    worker = fleet.register("fv-1")
    fleet.add_streams(2)
    worker.running = {row["stream_id"]: row["epoch"] for row in worker.assignments()}
    assert worker.report_streams() == []
    assert {row["state"] for row in fleet.view("streams")} == {"running"}


def test_the_difference_is_repaired_exactly(fleet: Fleet) -> None:
    """R3.1, R3.4: missing, foreign, unknown, old and right streams at once."""
    worker, other = fleet.start(10, 10, streams=8)
    right, missing, old, _ = sorted(worker.running)
    foreign = min(other.running)
    epochs = dict(worker.running)
    worker.running = {right: epochs[right], old: epochs[old] - 1, foreign: other.running[foreign], 999: 1}
    del epochs[right]
    commands = worker.report_streams()
    assert _said(commands) == {
        foreign: ("remove", other.running[foreign]),
        999: ("remove", 1),
        **{stream_id: ("add", epoch) for stream_id, epoch in epochs.items()},
    }
    assert len(commands) == 5
    assert all(row["url"] and row["name"] for row in commands if row["action"] == "add")
    assert fleet.owners()[foreign] == "fv-2"
    worker.follow(commands)
    assert worker.report_streams() == []
    assert worker.beat() == []
    assert missing in worker.running


def test_what_it_was_asked_to_stop_and_does_not_run_is_handed_over(fleet: Fleet) -> None:
    worker, other = fleet.start(10, 10, streams=2)
    [stream_id] = worker.running
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    worker.running = {}
    assert worker.report_streams() == []
    assert fleet.owners()[stream_id] == "fv-2"
    other.obey()
    assert stream_id in other.running


def test_what_it_was_asked_to_stop_and_still_runs_is_asked_for_again(fleet: Fleet) -> None:
    worker, _ = fleet.start(10, 10, streams=2)
    [stream_id] = worker.running
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    assert _said(worker.report_streams()) == {stream_id: ("remove", worker.running[stream_id])}
    assert fleet.stream(stream_id)["state"] == "releasing"


def test_an_empty_report_confirms_withdrawals_and_asks_for_everything(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=3)
    gone, *kept = sorted(worker.running)
    fleet.admin("remove_stream", stream_id=gone)
    worker.running = {}
    assert _said(worker.report_streams()).keys() == set(kept)
    assert fleet.query("select * from {p}.withdrawal") == []


def test_a_withdrawn_stream_that_still_runs_stays_withdrawn(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    [stream_id] = worker.running
    fleet.admin("remove_stream", stream_id=stream_id)
    assert _said(worker.report_streams()) == {stream_id: ("remove", worker.running[stream_id])}
    assert len(fleet.query("select * from {p}.withdrawal")) == 1


def test_a_report_that_says_impossible_things_is_refused(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    fleet.add_streams(2)
    bad: list[dict[str, Any]] = [
        {"streams": [1, 1], "epochs": [1, 1]},
        {"streams": [1, 2], "epochs": [1]},
        {"streams": [1], "epochs": [None]},
        {"streams": [None], "epochs": [1]},
        {"streams": None, "epochs": None},
        {"streams": [1], "epochs": None},
    ]
    for parameters in bad:
        with refused("OR101"):
            worker.call("report_streams", **parameters)
    assert {row["state"] for row in fleet.view("streams")} == {"assigned"}


def test_an_old_incarnation_reports_nothing(fleet: Fleet) -> None:
    old = fleet.register("fv-1")
    fleet.register("fv-1", process="2", takeover=True)
    with refused("OR301"):
        old.report_streams()


def test_two_that_claim_the_same_stream_end_with_exactly_one(fleet: Fleet) -> None:
    """R3.3"""
    first, second = fleet.start(10, 10, streams=2)
    [stream_id] = first.running
    second.running[stream_id] = first.running[stream_id]
    for worker in (second, first):
        worker.follow(worker.report_streams())
    assert stream_id in first.running
    assert stream_id not in second.running
    assert (first.beat(), second.beat()) == ([], [])
