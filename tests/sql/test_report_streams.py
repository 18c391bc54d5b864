"""report_streams: the worker says all it runs, and the answer is exactly what to start and to stop (R3)."""

from typing import Any

from tests.fleet import Fleet, Row, refused


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


def _difference(fleet: Fleet) -> Row:
    [repair] = fleet.view("repairs", found_by="report_streams")
    assert repair["repaired_by"] == "full set"
    return dict(repair["difference"])


def test_what_differs_without_a_reason_is_recorded_stream_by_stream(fleet: Fleet) -> None:
    """R3.1, R3.3, R3.4: missing, under a wrong epoch, another instance's, without an owner, and unknown."""
    worker, other = fleet.start(10, 10, streams=8)
    idle = fleet.add_streams(1, first=9)[0]
    fleet.all_obey()
    fleet.admin("set_stream_active", stream_id=idle, active=False)
    fleet.all_obey()
    right, missing, old, *_ = sorted(worker.running)
    foreign = min(other.running)
    epochs = dict(worker.running)
    worker.running |= {old: epochs[old] - 1, foreign: other.running[foreign], 999: 1, idle: 1}
    del worker.running[missing]
    worker.follow(worker.report_streams())
    assert _difference(fleet) == {
        "missing": [missing],
        "wrong_epoch": [{"stream_id": old, "claimed_epoch": epochs[old] - 1, "epoch": epochs[old], "owner": "fv-1"}],
        "claimed_of_others": [
            {
                "stream_id": foreign,
                "claimed_epoch": other.running[foreign],
                "epoch": other.running[foreign],
                "owner": "fv-2",
            }
        ],
        "surplus": [idle],
        "unknown": [999],
        "counts": {"missing": 1, "wrong_epoch": 1, "claimed_of_others": 1, "surplus": 1, "unknown": 1},
    }
    assert right in worker.running
    assert (worker.beat(), other.beat()) == ([], [])
    assert [row["repaired_at"] for row in fleet.view("repairs")] == [fleet.clock.now]


def test_what_is_under_way_is_not_recorded(fleet: Fleet) -> None:
    """Given and not started, to be handed over, taken without its word, given anew under another epoch."""
    worker, _ = fleet.start(10, 10, streams=8)
    leaving, gone, again, *_ = sorted(worker.running)
    fleet.admin("move_stream", stream_id=leaving, instance_id="fv-2")
    fleet.admin("remove_stream", stream_id=gone)
    fleet.add_streams(2, first=9)
    for active in (False, True):
        fleet.admin("set_stream_active", stream_id=again, active=active)
    commands = worker.report_streams()
    assert {row["stream_id"] for row in commands} > {leaving, gone}
    assert fleet.view("repairs") == []


def test_a_report_says_again_what_it_said_without_filling_the_table(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    for unknown in range(1, 30):
        worker.running = {unknown: 1}
        worker.report_streams()
    assert _difference(fleet)["unknown"] == [29]
    worker.running = {}
    assert worker.report_streams() == []
    assert [row["repaired_at"] for row in fleet.view("repairs")] == [fleet.clock.now]


def test_an_owner_that_was_shown_a_later_epoch_gets_one_above_it_and_goes_on(fleet: Fleet) -> None:
    """This database was behind when it took its generation: a fence elsewhere refuses all below what it has seen."""
    worker, other = fleet.start(10, 10, streams=2)
    worker = fleet.register("fv-1", metadata={"adopts": True})
    [mine], [theirs] = worker.running, other.running
    epoch = other.running[theirs]
    worker.running = {mine: 500, theirs: 700}
    commands = worker.report_streams()
    assert _said(commands) == {mine: ("adopt", 501), theirs: ("remove", 700)}
    assert fleet.owners() == {mine: "fv-1", theirs: "fv-2"}
    assert (fleet.stream(mine)["state"], fleet.stream(mine)["epoch"]) == ("running", 501)
    assert fleet.stream(theirs)["epoch"] == epoch, "a report changes nothing about the streams of others"
    [decision] = fleet.decisions("epoch ahead")
    assert (decision["moves"], decision["detail"]["streams"]) == (0, 1)
    assert _difference(fleet)["epoch_ahead"] == [
        {"stream_id": mine, "claimed_epoch": 500, "epoch": 1, "owner": "fv-1"},
        {"stream_id": theirs, "claimed_epoch": 700, "epoch": epoch, "owner": "fv-2"},
    ]
    # until it has adopted it, what it writes counts under both
    assert [fleet.one("is_current", stream_id=mine, epoch=e)["is_current"] for e in (1, 500, 501)] == [
        False,
        True,
        True,
    ]
    worker.running = {mine: 501}
    worker.acknowledge(started=worker.running, stopped=[theirs])
    assert [fleet.one("is_current", stream_id=mine, epoch=e)["is_current"] for e in (500, 501)] == [False, True]
    assert (worker.beat(), other.beat()) == ([], [])
    fleet.check_counts()


def test_an_epoch_that_lies_far_ahead_of_the_clock_is_refused_and_alarmed(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    [stream_id] = worker.running
    in_29_days, in_31_days = (int(fleet.clock.now.timestamp() + days * 86400) << 20 for days in (29, 31))
    for epoch in (in_31_days, 2**63 - 1):
        worker.running = {stream_id: epoch}
        assert [(row["action"], row["epoch"]) for row in worker.report_streams()] == [("remove", epoch), ("add", 1)]
    assert fleet.stream(stream_id)["epoch"] == 1
    [alert] = fleet.view("alerts", code="epoch_refused")
    assert alert["subject"] == "fv-1"
    with refused("OR101") as refusal:
        worker.call("report_streams", streams=[stream_id], epochs=[-1])
    assert refusal.value.detail is not None
    assert refusal.value.detail["argument"] == "p_epochs"
    worker.running = {stream_id: in_29_days}
    assert [(row["action"], row["epoch"]) for row in worker.report_streams()] == [("add", in_29_days + 1)]


def test_a_report_of_more_streams_than_anybody_has_is_refused_before_it_waits_for_anything(fleet: Fleet) -> None:
    """A worker with a few streams reports 100,000."""
    [worker] = fleet.start(10, streams=2)
    deciding = fleet.database.connect(autocommit=False)
    deciding.execute(f"select {fleet.database.names.private}.lock_decisions()")
    with refused("OR101") as refusal:
        worker.call("report_streams", streams=list(range(100_000)), epochs=[1] * 100_000)
    deciding.rollback()
    assert refusal.value.detail == {"argument": "p_streams", "given": 100_000}
    assert worker.beat() == []
    assert fleet.view("repairs") == []


def test_a_report_of_ten_thousand_streams_is_absorbed_and_disturbs_no_other(fleet: Fleet) -> None:
    worker, other = fleet.start(50, 50, streams=100)
    before = fleet.owners()
    nonsense = dict.fromkeys(range(100001, 100001 + 10000 - 50), 1)
    worker.running |= nonsense
    commands = worker.report_streams()
    assert {row["stream_id"] for row in commands} == nonsense.keys()
    difference = _difference(fleet)
    assert difference["counts"] == {"unknown": 9950}
    assert difference["unknown"] == list(range(100_001, 100_101))
    worker.follow(commands)
    assert (worker.beat(), other.beat()) == ([], [])
    assert fleet.owners() == before


def test_a_big_report_is_compared_by_hashing_and_not_pair_by_pair(fleet: Fleet) -> None:
    """However often the same session has called it: no plan of its statements compares each with each."""
    worker, _ = fleet.start(1000, 1000, streams=1000)
    worker.running |= dict.fromkeys(range(100001, 109501), 1)
    fleet.worker_conn.execute("set statement_timeout = '10s'")  # pair by pair it would be minutes
    for _ in range(8):
        worker.report_streams()
