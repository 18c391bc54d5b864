"""Liveness by progress: a stream that runs and is silent is restarted, then moved, then blamed on its station."""

from typing import Any

from tests.sql.fleet import Fleet, Worker


def _silent(worker: Worker, *stream_ids: int, silent_for: float = 61) -> list[dict[str, Any]]:
    return [
        {"stream_id": stream_id, "epoch": worker.running[stream_id], "silent_for": silent_for}
        for stream_id in stream_ids
    ]


def test_a_silent_stream_is_restarted_where_it_is_once(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=3)
    first, second, _ = worker.running
    commands = worker.beat(stalled=_silent(worker, first))
    assert [(c["action"], c["stream_id"], c["epoch"]) for c in commands] == [("restart", first, worker.running[first])]
    fleet.clock.advance("30 seconds")
    # the second one is new, the first one is having its time
    commands = worker.beat(stalled=_silent(worker, first, second))
    assert [c["stream_id"] for c in commands] == [second]
    assert fleet.stream(first)["instance_id"] == worker.instance_id


def test_only_what_the_instance_runs_under_that_epoch_for_long_enough_is_believed(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=4)
    [mine, other, *_] = first.running
    theirs = next(iter(second.running))
    foreign = {"stream_id": theirs, "epoch": second.running[theirs], "silent_for": 100}
    old = {"stream_id": mine, "epoch": first.running[mine] - 1, "silent_for": 100}
    unknown = {"stream_id": 999, "epoch": 1, "silent_for": 100}
    assert first.beat(stalled=[foreign, old, unknown, *_silent(first, other, silent_for=59.9)]) == []
    assert fleet.query("select * from {p}.stall") == []
