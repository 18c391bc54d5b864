"""Liveness by progress: a stream that runs and is silent is restarted, then moved, then blamed on its station."""

from typing import Any

from tests.fleet import Fleet, Worker


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


# -- what the job makes of it ------------------------------------------------------------------------------------------


def _pass(fleet: Fleet, seconds: int, silent: set[int], *, says: bool = True) -> None:
    """Time passes in beats of 10 s; the owners of these streams hear nothing of them."""
    for _ in range(seconds // 10):
        fleet.pass_time("10 seconds")
        for worker in fleet.workers.values():
            mine = _silent(worker, *(silent & worker.running.keys()), silent_for=1000)
            report: dict[str, Any] = {"stalled": mine} if mine else {}
            if says:
                report["progressing"] = len(worker.running) - len(mine)
            commands = worker.beat(**report)
            worker.follow([c for c in commands if c["action"] != "restart"])


def _stalled(fleet: Fleet) -> list[int]:
    return sorted(row["stream_id"] for row in fleet.view("stalled_streams"))


def test_a_silence_is_over_two_beats_after_it_could_have_been_named_again(fleet: Fleet) -> None:
    """stall_timeout after its restart a worker may count from there, and a beat or two go by."""
    [worker] = fleet.start(10, streams=2)
    [silent, *_] = worker.running
    worker.beat(stalled=_silent(worker, silent))
    for seconds in range(10, 130, 10):
        fleet.clock.advance("10 seconds")
        worker.beat()
        fleet.run("watch_stalls")
        assert _stalled(fleet) == ([silent] if seconds < 60 + 2 * 30 else [])


def test_a_stream_that_is_heard_after_its_restart_stays(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=6)
    owner = fleet.stream(1)["instance_id"]
    _pass(fleet, 30, {1})
    assert _stalled(fleet) == [1]
    _pass(fleet, 200, set())
    assert _stalled(fleet) == []
    assert fleet.stream(1)["instance_id"] == owner
    assert fleet.query("select * from {p}.refusal") == []


def test_a_stream_that_stays_silent_is_moved(fleet: Fleet) -> None:
    fleet.start(10, 10, 10, 10, streams=12)
    owner = fleet.stream(1)["instance_id"]
    _pass(fleet, 60, {1})
    assert fleet.stream(1)["instance_id"] == owner
    _pass(fleet, 30, {1})
    assert fleet.stream(1)["instance_id"] != owner
    [decision] = fleet.decisions("stalled stream")
    assert (decision["moves"], decision["reason"]) == (1, "silent")
    # it is heard there
    _pass(fleet, 300, set())
    assert (_stalled(fleet), fleet.view("failing_stations")) == ([], [])
    fleet.check_counts()


def test_a_stream_that_is_silent_on_three_instances_is_its_stations_fault(fleet: Fleet) -> None:
    fleet.start(10, 10, 10, 10, streams=12)
    _pass(fleet, 600, {1})
    [fault] = fleet.view("failing_stations")
    assert len({e["instance_id"] for e in fault["evidence"]}) == 3
    assert len(fleet.decisions("stalled stream")) == 2
    _pass(fleet, 1200, {1})
    assert len(fleet.decisions("stalled stream")) == 2
    assert [row["is_station_fault"] for row in fleet.view("stalled_streams")] == [True]
    # it is forgiven when two beats name it no longer (and the last restart had its time)
    _pass(fleet, 130, set())
    assert (_stalled(fleet), fleet.view("failing_stations")) == ([], [])


def test_a_blamed_station_is_restarted_now_and_then(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=3)
    _pass(fleet, 120, {1})
    assert [row["stream_id"] for row in fleet.view("failing_stations")] == [1]
    restarts = 0
    for _ in range(180):
        fleet.pass_time("10 seconds")
        commands = worker.beat(stalled=_silent(worker, 1), progressing=2)
        restarts += sum(command["action"] == "restart" for command in commands)
    assert restarts == 3  # every ten minutes


def test_a_silent_stream_that_no_other_can_take_is_restarted_again(fleet: Fleet) -> None:
    worker, _ = fleet.start(3, 3, streams=6)
    [stream_id, *_] = worker.running
    restarts = 0
    for _ in range(30):
        fleet.pass_time("10 seconds")
        commands = worker.beat(stalled=_silent(worker, stream_id), progressing=2)
        restarts += sum(command["action"] == "restart" for command in commands)
        fleet.workers["fv-2"].obey()
    assert 3 <= restarts <= 5
    assert fleet.stream(stream_id)["instance_id"] == worker.instance_id


def test_a_worker_that_counts_silence_from_the_restart_gets_no_endless_restarts(fleet: Fleet) -> None:
    fleet.start(10, 10, streams=4)
    owner = fleet.workers[str(fleet.stream(1)["instance_id"])]
    silent_for = 61.0
    for _ in range(30):
        fleet.pass_time("10 seconds")
        for worker in fleet.workers.values():
            stalled = worker is owner and 1 in worker.running and silent_for >= 60
            commands = worker.beat(**({"stalled": _silent(worker, 1, silent_for=silent_for)} if stalled else {}))
            if any(command["action"] == "restart" for command in commands):
                silent_for = 0
            worker.follow([c for c in commands if c["action"] != "restart"])
        silent_for += 10
    assert fleet.stream(1)["instance_id"] != owner.instance_id


def test_a_shorter_silence_after_the_restart_says_that_it_is_not_over(fleet: Fleet) -> None:
    """Beats are further apart than usual (recovery mode), and the first after the restart comes too soon."""
    fleet.start(10, 10, streams=4)
    owner = fleet.workers[str(fleet.stream(1)["instance_id"])]
    owner.beat(stalled=_silent(owner, 1, silent_for=61))
    for silent_for in (59.0, 119.0):
        for _ in range(6):
            fleet.pass_time("10 seconds")
            fleet.all_obey(but=owner.instance_id)
        assert owner.beat(stalled=_silent(owner, 1, silent_for=silent_for)) == []
    fleet.run("watch_stalls")
    assert fleet.stream(1)["state"] == "releasing"


def test_few_silent_streams_are_moved_in_a_minute(fleet: Fleet) -> None:
    fleet.set("failure_moves_per_minute", "3")
    fleet.start(40, 40, 40, 40, streams=40)
    silent = set(fleet.streams_of("fv-1"))
    moved: list[int] = []
    for _ in range(18):
        _pass(fleet, 10, silent)
        moved.append(sum(d["moves"] for d in fleet.decisions("stalled stream")))
    assert moved[-1] >= 3
    assert max(later - sooner for sooner, later in zip(moved, moved[6:], strict=False)) <= 3


# -- an instance that beats and does not progress ----------------------------------------------------------------------


def test_an_instance_that_beats_and_makes_no_progress_is_in_warning(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=6)
    everything = set(first.running)
    _pass(fleet, 30, set())
    _pass(fleet, 70, everything)
    assert (first.status, second.status) == ("warning", "active")
    # nothing new comes to it, and a beat alone does not help
    fleet.add_streams(2, first=7)
    fleet.settle()
    assert fleet.loads()["fv-1"] <= 3
    first.beat(progressing=0)
    assert first.status == "warning"
    first.beat(progressing=1)
    assert first.status == "active"


def test_an_instance_that_has_nothing_left_to_hear_is_well_again(fleet: Fleet) -> None:
    first, _ = fleet.start(10, 10, streams=6)
    everything = set(first.running)
    _pass(fleet, 30, set())
    for _ in range(30):
        # the fault is the instance's: elsewhere they are heard
        _pass(fleet, 10, everything & set(first.running))
        if not first.running:
            break
    assert first.running == {}
    _pass(fleet, 10, set())
    assert first.status == "active"


def test_who_never_showed_progress_is_not_judged(fleet: Fleet) -> None:
    first, _ = fleet.start(10, 10, streams=6)
    for _ in range(60):
        fleet.pass_time("10 seconds")
        fleet.all_obey()
    assert first.status == "active"


def test_a_client_that_only_counts_is_judged_by_its_count(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=6)
    for count in range(60):
        fleet.pass_time("10 seconds")
        first.obey(processed_count=min(count, 10))
        second.obey(processed_count=count)
    assert (first.status, second.status) == ("warning", "active")


def test_when_no_instance_makes_progress_nothing_is_moved_or_blamed(fleet: Fleet) -> None:
    """The internet is away for all, and the workers say so."""
    workers = fleet.start(10, 10, 10, streams=12)
    everything = {row["stream_id"] for row in fleet.view("streams")}
    _pass(fleet, 30, set())
    before = fleet.view("movements")
    _pass(fleet, 1200, everything)
    assert {worker.status for worker in workers} == {"warning"}
    assert fleet.view("movements") == before
    assert fleet.view("failing_stations") == []
    _pass(fleet, 200, set())
    assert {worker.status for worker in workers} == {"active"}
    assert _stalled(fleet) == []
