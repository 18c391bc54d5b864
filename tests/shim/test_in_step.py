"""What a worker does when it cannot get in step, and what else a beat's answer tells it."""

import logging
from typing import Any

import pytest

from tests.shim.support import Fleet, Recorder, in_step, until
from worker_shim import Stream
from worker_shim.connection import Listener

ONE = "fingerv7-001"


async def test_a_worker_that_gets_in_step_by_nothing_registers_anew_less_and_less_often(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """R3.1, R3.2"""
    fleet.add_streams(3)
    fleet.configure("heartbeat_interval", "1 second")
    monkeypatch.setattr("worker_shim.beats.CHECK_AFTER", 0.05)
    recorder = Recorder()
    async with fleet.work(ONE, recorder) as worker:
        await in_step(fleet, ONE, recorder, 3)
        with caplog.at_level(logging.WARNING, "worker_shim"), monkeypatch.context() as wrong:
            wrong.setattr("worker_shim.protocol.digest", lambda streams: 42)
            await fleet.until(lambda: caplog.text.count("registering anew") == 4)
            first, *others = [r.created for r in caplog.records if r.getMessage().startswith("registering anew")]
            for least, at in zip((0.5, 1, 2), others, strict=True):
                assert at - first >= least
                first = at
            beat = fleet.instance(ONE)["beat_at"]
            await fleet.until(lambda: fleet.instance(ONE)["beat_at"] > beat)  # it is heard meanwhile
        await fleet.until(lambda: fleet.query("select 1 from {private}.heartbeat where in_step"))
        await until(lambda: worker._protocol.renewals.count == 0)
        assert len(recorder.starts) == 3 and recorder.ends == []
        repairs = fleet.query("select repaired_by, attempt, repaired_at from {private}.repair order by repair_id")
        assert {row["repaired_by"] for row in repairs} == {"commands", "new registration"}
        assert all(row["repaired_at"] is not None for row in repairs)


async def test_a_stream_too_many_and_an_older_epoch_are_put_right(fleet: Fleet) -> None:
    """R3.1, R3.4: behind the worker's back."""
    fleet.add_streams(3)
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    async with fleet.work(ONE, recorder) as worker:
        await in_step(fleet, ONE, recorder, 3)
        worker._assignments.supervisor.start(Stream(999, 1, "Ghost", "http://ghost/"))
        fleet.query(
            "update {private}.assignment set epoch = epoch + 5, state = 'assigned' where stream_id = %(id)s",
            id=min(recorder.running),
        )
        await until(lambda: 999 in recorder.running)
        await fleet.until(lambda: 999 not in recorder.running)
        await in_step(fleet, ONE, recorder, 3)
        assert fleet.instance(ONE)["incarnation"] == 1


async def test_a_worker_that_owns_nothing_stops_what_it_runs(fleet: Fleet) -> None:
    """As after a restore from before it had anything: there is nothing to tell it by name."""
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    async with fleet.work(ONE, recorder) as worker:
        await fleet.until(lambda: fleet.query("select 1 from {private}.heartbeat where in_step and beats > 0"))
        supervisor = worker._assignments.supervisor
        supervisor.start(Stream(999, 1, "Ghost", "http://ghost/"))
        await until(lambda: 999 in recorder.running)
        await fleet.until(lambda: not recorder.running, "the ghost is gone")
        await fleet.until(lambda: fleet.query("select 1 from {private}.heartbeat where in_step"))
        assert fleet.instance(ONE)["incarnation"] == 1


async def test_a_database_restored_from_a_backup_goes_on_above_the_epochs_that_its_workers_hold(fleet: Fleet) -> None:
    """R3.3: under an older epoch the fence of another database would refuse the owner for ever."""
    (stream_id, *_) = fleet.add_streams(3)
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    async with fleet.work(ONE, recorder):
        await in_step(fleet, ONE, recorder, 3)
        fleet.query("update {private}.assignment set epoch = epoch + 7, state = 'assigned'")
        await in_step(fleet, ONE, recorder, 3)
        held_before = recorder.running[stream_id].epoch
        # no step leads back; a backup does
        fleet.query("alter table {private}.assignment disable trigger check_updated_assignments")
        fleet.query("update {private}.assignment set epoch = epoch - 7")
        fleet.query("alter table {private}.assignment enable trigger check_updated_assignments")
        await fleet.until(
            lambda: fleet.assignments()[stream_id][1] > held_before, "an epoch above the one that is held"
        )
        await in_step(fleet, ONE, recorder, 3)
        epochs = [epoch for started, epoch in recorder.starts if started == stream_id]
        assert epochs == sorted(set(epochs))  # never an older one
        assert fleet.instance(ONE)["incarnation"] == 1


async def test_a_worker_is_told_how_often_to_beat_and_spreads_the_first_beat_after_that(fleet: Fleet) -> None:
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    async with fleet.work(ONE, recorder) as worker:
        await fleet.until(lambda: worker._protocol.beats.interval == 1)
        fleet.configure("heartbeat_interval", "2 seconds")
        await fleet.until(lambda: worker._protocol.beats.interval == 2)
        worker._protocol.beats.spread_next = True
        first = []
        for _ in range(200):
            worker._protocol.beats.spread_next = True
            first.append(worker._protocol.beats.until_next(polls=False, leaves=False))
        assert min(first) < 0.5 and max(first) <= 2
        assert all(1.8 <= worker._protocol.beats.until_next(polls=False, leaves=False) <= 2 for _ in range(200))


async def test_that_no_driver_runs_is_said_once_loudly_and_again_when_one_does(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    """R4: the beat notices, who else is left?"""
    fleet.configure("heartbeat_interval", "1 second")
    fleet.configure("no_driver_alert", "10 seconds")
    recorder = Recorder()
    async with fleet.work(ONE, recorder):
        await until(lambda: fleet.query("select 1 from {private}.heartbeat where in_step"))
        fleet.query("update {private}.job set next_run_at = now() - interval '1 hour', claimed_until = null")
        with caplog.at_level(logging.INFO, "worker_shim"):
            await until(lambda: "no driver runs" in caplog.text)
            for _ in range(2):
                beat = fleet.instance(ONE)["beat_at"]
                await until(lambda beat=beat: fleet.instance(ONE)["beat_at"] > beat)  # type: ignore[misc]  # mypy infers no type for a default
            assert caplog.text.count("no driver runs") == 1
            assert [r.levelname for r in caplog.records if "no driver runs" in r.getMessage()] == ["CRITICAL"]
            await fleet.until(lambda: "jobs run again" in caplog.text)


async def test_an_action_of_a_later_version_is_said_once_and_removes_nothing(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    call = Listener.call
    answered = 0

    async def later(listener: Listener, function: str, **parameters: Any) -> Any:
        nonlocal answered
        rows: list[dict[str, Any]] = list(await call(listener, function, **parameters))
        if function == "heartbeat":
            answered += 1
            rows.append({"action": "dance", "stream_id": min(recorder.running), "epoch": 1, "metadata": None})
        return rows

    fleet.add_streams(2)
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    async with fleet.work(ONE, recorder):
        await in_step(fleet, ONE, recorder, 2)
        monkeypatch.setattr(Listener, "call", later)
        await fleet.until(lambda: answered == 3)
        await in_step(fleet, ONE, recorder, 2)
        assert recorder.ends == [] and caplog.text.count("action=dance") == 1
        assert fleet.instance(ONE)["incarnation"] == 1
