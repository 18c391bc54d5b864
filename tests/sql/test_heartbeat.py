"""heartbeat: a beat says that an instance lives, and its answer repairs what differs."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrator.database import db
from orchestrator.errors import OrchestratorError
from tests.fleet import Fleet, refused
from tests.support import digest_of


def test_the_digest_is_what_its_definition_says(fleet: Fleet) -> None:
    """Design §4: both sides compute it."""
    fleet.start(10, streams=3)
    rows = fleet.view("assignments")
    assert len(rows) == 3
    expected = digest_of((row["stream_id"], row["epoch"]) for row in rows)
    assert fleet.value("select digest from {p}.instance_load") == expected
    assert digest_of([]) == 0


def test_the_digest_leaves_out_what_is_being_handed_over(fleet: Fleet) -> None:
    first, _ = fleet.start(10, 10, streams=4)
    leaving, staying = first.running
    fleet.admin("move_stream", stream_id=leaving, instance_id="fv-2")
    assert [row["stream_id"] for row in first.assignments()] == [staying]
    digest = fleet.value("select digest from {p}.instance_load where instance_id = 'fv-1'")
    assert digest == digest_of([(staying, first.running[staying])])


def test_an_instance_in_step_is_told_nothing(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=3)
    assert worker.beat() == []
    assert worker.row["in_step"] is True


def test_new_streams_are_added_with_everything_that_a_handler_needs(fleet: Fleet) -> None:
    """R3.4: an answer brings the worker in step."""
    worker = fleet.register("fv-1")
    [stream_id] = fleet.add_streams(1, name="Radio One", metadata={"genre": "news"})
    [command] = worker.beat()
    assert command == {
        "action": "add",
        "stream_id": stream_id,
        "epoch": 1,
        "name": "Radio One",
        "url": "http://radio.example/1",
        "metadata": {"genre": "news"},
    }
    assert worker.row["in_step"] is False
    worker.follow([command])
    assert worker.beat() == []
    assert fleet.stream(stream_id)["state"] == "running"


def test_only_the_new_streams_are_said_when_the_rest_is_confirmed(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=3)
    [new] = fleet.add_streams(1, first=4)
    assert [(row["action"], row["stream_id"]) for row in worker.beat()] == [("add", new)]


def test_everything_is_said_again_to_a_worker_that_lost_what_it_had_confirmed(fleet: Fleet) -> None:
    """R3.1"""
    [worker] = fleet.start(10, streams=3)
    lost = worker.running
    worker.running = {}
    assert {row["stream_id"]: row["epoch"] for row in worker.obey()} == lost
    assert worker.beat() == []


def test_a_worker_with_an_old_epoch_is_told_the_present_one(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=1)
    [(stream_id, epoch)] = worker.running.items()
    worker.running = {stream_id: epoch - 1}
    [command] = worker.obey()
    assert (command["action"], command["epoch"]) == ("add", epoch)
    assert worker.beat() == []


def test_a_removed_stream_is_taken_from_its_worker(fleet: Fleet) -> None:
    [worker] = fleet.start(10, streams=2)
    gone, kept = worker.running
    fleet.admin("remove_stream", stream_id=gone)
    [command] = worker.beat()
    assert (command["action"], command["stream_id"], command["epoch"]) == ("remove", gone, worker.running[gone])
    assert (command["name"], command["url"], command["metadata"]) == (None, None, None)
    worker.follow([command])
    assert worker.beat() == []
    assert list(worker.running) == [kept]


def test_removals_come_before_additions(fleet: Fleet) -> None:
    [worker] = fleet.start(2, streams=2)
    fleet.admin("remove_stream", stream_id=next(iter(worker.running)))
    fleet.add_streams(1, first=3)
    assert [row["action"] for row in worker.beat()] == ["remove", "add"]


def test_a_stream_that_must_go_before_it_was_started_is_let_go_at_once(fleet: Fleet) -> None:
    """The digests agree, for the worker never heard of it; and yet the next owner waits for its word."""
    first, second = fleet.register("fv-1"), fleet.register("fv-2")
    [stream_id] = fleet.add_streams(1)
    assert fleet.streams_of("fv-1") == [stream_id]
    fleet.admin("move_stream", stream_id=stream_id, instance_id="fv-2")
    assert [row["action"] for row in first.obey()] == ["remove"]
    assert [row["action"] for row in second.obey()] == ["add"]


def test_a_first_beat_makes_an_instance_active(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    assert worker.status == "registered"
    worker.beat()
    assert worker.status == "active"


def test_a_late_instance_is_warned_of_and_becomes_active_with_its_next_beat(fleet: Fleet) -> None:
    """The life of an instance: active → warning → active; nothing moves."""
    worker, _ = fleet.start(10, 10, streams=2)
    before = fleet.owners()
    fleet.clock.advance("89 seconds")
    assert "watch_instances" not in fleet.run_due_jobs()
    fleet.workers["fv-2"].beat()
    assert fleet.pass_time("1 second")["watch_instances"] == {"late": ["fv-1"]}
    assert worker.status == "warning"
    assert worker.beat() == []
    assert worker.status == "active"
    assert fleet.owners() == before


def test_a_lost_instance_comes_back_through_recovering_and_is_told_what_was_given_away(fleet: Fleet) -> None:
    """R3.3, R4.1: the streams that it still listens to belong to others now."""
    first, second = fleet.start(10, 10, streams=6)
    had = sorted(first.running)
    fleet.clock.advance("299 seconds")
    second.beat()
    fleet.pass_time("1 second")
    assert first.status == "inactive"
    assert fleet.loads() == {"fv-1": 0, "fv-2": 6}
    second.obey()

    commands = first.beat()
    assert first.status == "recovering"
    assert [(row["action"], row["stream_id"]) for row in commands] == [("remove", stream_id) for stream_id in had]
    first.follow(commands)
    assert first.beat() == []
    assert first.status == "active"
    fleet.settle()
    assert fleet.loads() == {"fv-1": 3, "fv-2": 3}


def test_what_was_given_away_is_said_only_until_the_worker_is_in_step(fleet: Fleet) -> None:
    first, second = fleet.start(10, 10, streams=6)
    fleet.clock.advance("299 seconds")
    second.beat()
    fleet.pass_time("1 second")
    second.obey()
    first.obey()
    fleet.settle()
    [new] = fleet.add_streams(1, first=7)
    worker = fleet.workers[str(fleet.owners()[new])]
    assert [row["stream_id"] for row in worker.beat()] == [new]
    assert fleet.query("select instance_id from {p}.instance where lost_by_decision_id is not null") == []


@pytest.mark.parametrize("losses", [2, 3])
def test_what_was_given_away_is_said_through_any_number_of_losses(fleet: Fleet, losses: int) -> None:
    """It is heard once after each, and the answer does not arrive."""
    first, second = fleet.start(10, 10, streams=6)
    had = sorted(first.running)
    fleet.admin("pause_balancing", reason="night")
    for _ in range(losses):
        for _ in range(6):
            fleet.clock.advance("50 seconds")
            second.beat()
        fleet.pass_time("1 second")
        assert first.status == "inactive"
        second.obey()
        lost = first.beat()
        assert [(row["action"], row["stream_id"]) for row in lost] == [("remove", stream_id) for stream_id in had]
    first.follow(lost)
    assert first.beat() == []
    assert fleet.query("select stream_id from {p}.withdrawal where instance_id = 'fv-1'") == []


def test_a_beat_out_of_step_is_never_answered_with_nothing(fleet: Fleet) -> None:
    """As after a restore: the worker runs what it does not own, owns nothing, and no record says that it ever did."""
    _, second = fleet.start(10, 10, streams=6)
    fleet.admin("pause_balancing", reason="night")
    running = dict(second.running)
    second.call("deregister_instance")
    fleet.settle()
    again = fleet.register("fv-2", 10, process="2")
    again.running = running
    commands = again.beat(current_streams=3)
    assert [(row["action"], row["stream_id"]) for row in commands] == [("remove", 0)]
    again.acknowledge(stopped=[0])
    assert {(row["action"], row["stream_id"]) for row in again.report_streams()} == {
        ("remove", stream_id) for stream_id in running
    }


def test_the_number_that_a_worker_says_counts_beside_its_digest(fleet: Fleet) -> None:
    """A digest is an exclusive or, and can be made equal on purpose."""
    [worker] = fleet.start(10, streams=3)
    fleet.clock.advance("40 seconds")
    assert worker.beat(current_streams=3) == []
    assert {row["action"] for row in worker.beat(current_streams=4)} == {"add"}
    assert fleet.view("repairs")[0]["difference"]["reported_streams"] == 4
    assert worker.beat(current_streams=3) == []


def test_a_beat_of_an_old_incarnation_is_refused(fleet: Fleet) -> None:
    """OR301: the worker must register again."""
    worker = fleet.register("fv-1")
    fleet.register("fv-1", process="2", takeover=True)
    with refused("OR301") as refusal:
        worker.beat()
    assert refusal.value.detail == {
        "instance_id": "fv-1",
        "incarnation": 1,
        "present_incarnation": 2,
        "status": "registered",
    }
    for incarnation in (None, 0, 3):
        with refused("OR301"):
            db.call(fleet.worker_conn, "heartbeat", instance_id="fv-1", incarnation=incarnation)


def test_a_beat_of_an_unknown_instance_is_refused(fleet: Fleet) -> None:
    for instance_id in (None, "", "fv-9"):
        with refused("OR103"):
            db.call(fleet.worker_conn, "heartbeat", instance_id=instance_id, incarnation=1)


def test_a_report_is_kept(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    worker.beat(
        status="active",
        current_streams=3,
        processed_count=100,
        error_count=7,
        cpu_usage=12.5,
        memory_usage=40,
        last_activity="2026-03-01T11:59:58+00:00",
        timestamp="2026-03-01T11:59:59Z",
    )
    row = worker.row
    assert (row["processed_count"], row["error_count"]) == (100, 7)
    assert (row["cpu_usage"], row["memory_usage"]) == (12.5, 40)
    assert fleet.clock.now - row["last_activity"] == timedelta(seconds=2)
    worker.beat()  # says nothing of the counts: they stay
    assert (worker.row["processed_count"], worker.row["error_count"]) == (100, 7)


def test_a_report_that_cannot_be_read_is_refused_and_is_no_beat(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    fleet.clock.advance("10 seconds")
    bad: list[dict[str, Any]] = [
        {"current_streams": "many"},
        {"processed_count": 1.5},
        {"cpu_usage": "high"},
        {"cpu_usage": 1e300},
        {"last_activity": "yesterday noon"},
        {"timestamp": "2026-13-01T00:00:00Z"},
        {"error_count": 10**20},
        {"processed_count": 10**18},  # two of these are more than a bigint
        {"current_streams": -1},
        {"cpu_usage": "NaN"},
        {"memory_usage": "-Infinity"},
        {"last_activity": "infinity"},  # no client could read the view of instances any more
        {"timestamp": "0044-03-15 12:00:00 BC"},
        {"heartbeat_interval": 0},
        {"heartbeat_interval": -30},
        {"heartbeat_interval": "soon"},
        {"heartbeat_interval": 1e9},
        {"progressing": -1},
        {"progressing": "some"},
        {"breaker": "broken"},
        {"breaker_opened": -1},
        {"breaker_opened": 0.5},
        {"stalled": {}},
        {"stalled": 3},
        {"stalled": ["1"]},
        {"stalled": [{"stream_id": 1, "epoch": 1}]},
        {"stalled": [{"stream_id": 1, "silent_for": 60}]},
        {"stalled": [{"stream_id": "one", "epoch": 1, "silent_for": 60}]},
        {"stalled": [{"stream_id": 1.5, "epoch": 1, "silent_for": 60}]},
        {"stalled": [{"stream_id": 1, "epoch": 2**63, "silent_for": 60}]},
        {"stalled": [{"stream_id": 1, "epoch": 1, "silent_for": -1}]},
        {"stalled": [{"stream_id": 1, "epoch": 1, "silent_for": "NaN"}]},
        {"stalled": [{"stream_id": n, "epoch": 1, "silent_for": 60} for n in range(1001)]},
        {"status": "x" * 101},
    ]
    for report in bad:
        with refused("OR101"):
            worker.beat(**report)
    assert worker.row["silent_for"] == timedelta(seconds=10)
    assert worker.status == "registered"


def test_a_beat_without_digest_or_report_is_only_a_beat(fleet: Fleet) -> None:
    """Instances that speak HTTP only know no digest."""
    worker = fleet.register("fv-1")
    fleet.add_streams(1)
    assert worker.call("heartbeat") == []
    assert worker.call("heartbeat", digest=None, report=None) == []
    assert worker.status == "active"


def test_a_worker_that_reports_draining_is_emptied(fleet: Fleet) -> None:
    first, _ = fleet.start(10, 10, streams=6)
    first.beat(status="draining")
    assert first.status == "draining"
    first.beat(status="draining")  # says it again and again
    fleet.settle()
    assert fleet.loads() == {"fv-1": 0, "fv-2": 6}
    assert fleet.register("fv-1").status == "registered"  # its own drain ends with its process
    fleet.settle()
    assert fleet.loads() == {"fv-1": 3, "fv-2": 3}


def test_a_new_worker_may_ask_to_be_drained_with_its_first_beat(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    worker.beat(status="draining")
    assert worker.status == "draining"


def test_a_beat_takes_no_decision_lock(fleet: Fleet) -> None:
    """R2.1: a decision that takes its time keeps no worker waiting, not even one that comes back."""
    worker = fleet.register("fv-1")
    deciding = fleet.database.connect(autocommit=False)
    deciding.execute(f"select {fleet.database.names.private}.lock_decisions()")
    worker.beat()
    worker.beat(status="draining")
    assert worker.status == "draining"
    deciding.rollback()


@pytest.mark.own_database  # the server counts what others do to the table, too
def test_a_beat_is_one_hot_update(fleet: Fleet) -> None:
    """Design §2: a beat that updated an index would bloat the table."""
    worker = fleet.register("fv-1")
    for _ in range(20):
        worker.beat(current_streams=0, processed_count=5)
    fleet.worker_conn.execute("select pg_stat_force_next_flush()")
    [stats] = fleet.query(
        "select n_tup_upd as updates, n_tup_hot_upd as hot from pg_stat_user_tables "
        "where relid = format('%%I.heartbeat', %s::text)::regclass",
        fleet.database.names.private,
    )
    assert stats["updates"] == stats["hot"] == 20


def test_a_refused_report_is_said_again_only_when_it_is_short(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    with refused("OR101") as refusal:
        worker.beat(breaker="broken")
    assert refusal.value.detail is not None
    assert refusal.value.detail["given"] == {"breaker": "broken"}
    with refused("OR101") as refusal:
        worker.beat(breaker="x" * 100_000)
    assert refusal.value.detail is not None
    assert refusal.value.detail["given"] == "too long to be said again"


def test_what_a_worker_says_of_its_breaker_and_its_progress_is_kept(fleet: Fleet) -> None:
    worker = fleet.register("fv-1")
    worker.beat(heartbeat_interval=30, progressing=2, breaker="half-open", breaker_opened=3)
    row = worker.row
    assert (row["breaker"], row["breaker_opened"], row["progressing"]) == ("half-open", 3, 2)
    assert row["progress_at"] == fleet.clock.now
    worker.beat()
    assert (worker.row["breaker"], worker.row["progressing"], worker.row["stalled_streams"]) == (None, None, 0)


def test_beats_from_the_past_and_the_future_are_absorbed(fleet: Fleet) -> None:
    """When it came is what counts, and not when it says that it was sent."""
    worker, *others = fleet.start(10, 10, 10, streams=3)
    before = fleet.owners()
    for timestamp in ("2001-01-01T00:00:00Z", "2999-12-31T23:59:59+00:00"):
        assert worker.beat(timestamp=timestamp, last_activity=timestamp) == []
        assert worker.row["silent_for"] == timedelta(0)
        assert worker.status == "active"
    sent = fleet.value("select sent_at from {p}.heartbeat where instance_id = 'fv-1'")
    assert sent.year == 2999
    for seconds, lost in ((299, None), (1, ["fv-1"])):
        fleet.clock.advance(f"{seconds} seconds")
        for other in others:
            other.beat()
        assert (fleet.run_due_jobs().get("watch_instances") or {}).get("lost") == lost
    assert fleet.owners() != before  # its late clock buys it no time


def test_a_digest_of_the_wrong_width_is_refused_and_is_no_beat(fleet: Fleet) -> None:
    """As unsigned 64 bits, as 128 bits, as text, as a fraction: the driver and psql both say what p_digest is."""
    worker = fleet.register("fv-1")
    fleet.clock.advance("10 seconds")
    for digest in (2**64 - 1, 2**127, -(2**63) - 1, 0.5, "18446744073709551615", "abc"):
        with pytest.raises(OrchestratorError) as caught:
            worker.call("heartbeat", digest=digest)
        assert caught.value.code in ("22003", "22P02", "42883"), caught.value
        assert "bigint" in caught.value.message or "p_digest" in caught.value.message, caught.value.message
    assert worker.row["silent_for"] == timedelta(seconds=10)
    assert worker.status == "registered"
