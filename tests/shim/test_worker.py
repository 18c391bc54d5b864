"""A worker and the database: what is held and what is assigned become equal, through all that happens on the way."""

import asyncio
import logging
import os
import threading
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.shim.support import Fleet, Recorder, held, in_step, until
from worker_shim import Context, Refused, Stop, Stream, Worker
from worker_shim.clock import clock
from worker_shim.connection import Listener

# -- Start and commands ----------------------------------------------------------


async def test_a_worker_gets_its_streams_starts_each_once_and_confirms_them(fleet: Fleet) -> None:
    fleet.add_streams(5)
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder) as worker:
        await in_step(fleet, "fingerv7-001", recorder, 5)
        assert worker.streams == set(recorder.running.values())
        stream = recorder.running[min(recorder.running)]
        assert (stream.name, stream.url, dict(stream.metadata)) == ("Radio 1", "http://station.example/1", {})
        assert fleet.instance("fingerv7-001")["session_key"] is not None
    assert len(recorder.starts) == 5 and recorder.running == {}


async def test_a_login_in_the_role_of_workers_may_do_all_that_a_worker_does(fleet: Fleet) -> None:
    login = f"shim_{os.getpid()}"
    fleet.create_worker_login(login)
    try:
        fleet.add_streams(2)
        recorder, other = Recorder(), Recorder()
        dsn = make_conninfo(fleet.dsn, user=login)
        async with fleet.work("fingerv7-001", recorder, dsn=dsn):
            await in_step(fleet, "fingerv7-001", recorder, 2)
            assert await recorder.contexts[min(recorder.running)].is_current()
            async with fleet.work("fingerv7-002", other, dsn=dsn, on_exit="suspend"):
                await in_step(fleet, "fingerv7-002", other, 1)
    finally:
        fleet.drop_login(login)


async def test_a_notification_brings_a_new_stream_long_before_the_next_beat(fleet: Fleet) -> None:
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder):
        await fleet.until(lambda: fleet.query("select 1 from {private}.heartbeat where in_step"))
        await asyncio.sleep(2)  # past the beat that checks the registration: the next one is in 30 s
        fleet.add_streams(2)
        await fleet.until(lambda: len(recorder.running) == 2, "the notified streams", patience=10)


async def test_with_every_notification_lost_a_worker_converges_with_its_next_beat(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listener, "hint", lambda listener: None)
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder):
        await fleet.until(lambda: fleet.query("select 1 from {private}.heartbeat"))
        fleet.add_streams(3)
        await in_step(fleet, "fingerv7-001", recorder, 3)


def _has_beaten(worker: Worker) -> bool:
    return worker._protocol.beats.due > 0


async def test_with_every_notification_lost_the_next_owner_beats_until_the_stream_is_there(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listener, "hint", lambda listener: None)
    # each worker beats when the test says so, and not again before the test is over
    for name, value in (
        ("removal_timeout", "3 hours"),
        ("heartbeat_timeout", "2 hours"),
        ("heartbeat_warning", "1 hour"),
        ("max_lease", "1 hour"),
    ):
        fleet.configure(name, value)
    fleet.configure("heartbeat_interval", "10 minutes")
    (stream_id,) = fleet.add_streams(1)
    one, two = Recorder(), Recorder()
    async with fleet.work("fingerv7-001", one) as owner:
        await in_step(fleet, "fingerv7-001", one, 1)
        async with fleet.work("fingerv7-002", two) as next_owner:
            await fleet.until(
                lambda: next_owner._protocol.beats.due > clock() + 60 and owner._protocol.beats.due > clock() + 60
            )
            fleet.query("select * from {api}.move_stream(%(id)s, 'fingerv7-002')", id=stream_id)
            for worker in (next_owner, owner):
                worker._protocol.beats.due = 0.0
                worker._loop.wake.set()
                await fleet.until(partial(_has_beaten, worker), "a beat")
            await in_step(fleet, "fingerv7-002", two, 1)


async def test_a_notified_worker_waits_for_no_beat(fleet: Fleet) -> None:
    recorder, other = Recorder(), Fleet(fleet.dsn, fleet.names)
    async with fleet.work("fingerv7-001", recorder) as worker:
        await fleet.until(lambda: worker._protocol.beats.due > clock() + 5, "the beat that checks the registration")
        other.query("begin")
        other.query("select from {private}.heartbeat for update")  # no beat gets through
        fleet.add_streams(1)
        await fleet.until(lambda: len(recorder.running) == 1, "the notified stream", patience=10)
        other.query("commit")
        await in_step(fleet, "fingerv7-001", recorder, 1)
    other.close()


async def test_a_removed_stream_is_stopped_and_confirmed(fleet: Fleet) -> None:
    first, second = fleet.add_streams(2)
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder):
        await in_step(fleet, "fingerv7-001", recorder, 2)
        fleet.query("select * from {api}.remove_stream(%(id)s, 'gone')", id=first)
        await fleet.until(lambda: set(recorder.running) == {second})
        await fleet.until(lambda: not fleet.query("select 1 from {private}.withdrawal"))
        await fleet.until(lambda: fleet.instance("fingerv7-001")["status"] == "active")


async def test_a_handover_never_has_two_listeners_and_comes_with_a_new_epoch(fleet: Fleet) -> None:
    fleet.add_streams(8)
    one = Recorder()
    two = Recorder(beside=one)
    one.beside = two
    async with fleet.work("fingerv7-001", one):
        await in_step(fleet, "fingerv7-001", one, 8)
        before = dict(one.starts)
        async with fleet.work("fingerv7-002", two):
            await in_step(fleet, "fingerv7-002", two, 4)
            await in_step(fleet, "fingerv7-001", one, 4)
            assert all(stream.epoch > before[stream.stream_id] for stream in two.running.values())
            assert len(one.starts) == 8 and len(two.starts) == 4
        await in_step(fleet, "fingerv7-001", one, 8)
    assert not one.doubled and not two.doubled


async def test_a_handover_waits_for_a_handler_that_is_slow_to_end(fleet: Fleet) -> None:
    fleet.add_streams(2)
    let_end = asyncio.Event()
    two = Recorder()

    async def slow(stream: Stream, context: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await let_end.wait()

    async with fleet.work("fingerv7-001", slow):
        await fleet.until(lambda: len(fleet.confirmed("fingerv7-001")) == 2)
        async with fleet.work("fingerv7-002", two):
            await fleet.until(lambda: "releasing" in {state for _, _, state in fleet.assignments().values()})
            for _ in range(20):
                fleet.drive()
                await asyncio.sleep(0.02)
            assert two.running == {}
            let_end.set()
            await in_step(fleet, "fingerv7-002", two, 1)


async def test_many_starts_are_acknowledged_in_few_calls(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    call = Listener.call

    async def noted(listener: Listener, function: str, **parameters: Any) -> Any:
        calls.append(function)
        return await call(listener, function, **parameters)

    monkeypatch.setattr(Listener, "call", noted)
    fleet.add_streams(100)
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder, max_streams=100):
        await in_step(fleet, "fingerv7-001", recorder, 100)
    assert calls.count("acknowledge") <= 3


async def test_acknowledgements_that_got_lost_with_a_whole_round_of_tries_are_sent_again(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Listener.call
    lost: list[dict[str, Any]] = []

    async def lossy(listener: Listener, function: str, **parameters: Any) -> Any:
        if function == "acknowledge" and len(lost) < 6 and (parameters["stopped"] or parameters["started"]):
            lost.append(parameters)
            raise psycopg.OperationalError("lost on the way")
        return await call(listener, function, **parameters)

    monkeypatch.setattr(Listener, "call", lossy)
    (stream_id,) = fleet.add_streams(1)
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder):
        await in_step(fleet, "fingerv7-001", recorder, 1)
        assert len(lost) == 6
        lost.clear()
        fleet.query("select * from {api}.set_stream_active(%(id)s, false)", id=stream_id)
        await fleet.until(lambda: len(lost) == 6 and fleet.assignments()[stream_id][2] == "idle")
        await fleet.until(lambda: not fleet.query("select 1 from {private}.withdrawal"))


# -- In step ---------------------------------------------------------------------


async def test_a_stream_that_is_held_and_not_assigned_is_stopped_and_nothing_else(fleet: Fleet) -> None:
    """R3.1, R3.4"""
    fleet.add_streams(3)
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder) as worker:
        await in_step(fleet, "fingerv7-001", recorder, 3)
        incarnation = fleet.instance("fingerv7-001")["incarnation"]
        worker._assignments.supervisor.start(Stream(999, 1, "Ghost", "http://ghost/", {}))
        await until(lambda: 999 in recorder.running)
        await in_step(fleet, "fingerv7-001", recorder, 3)
        assert recorder.ends == [(999, 1)]
        assert fleet.instance("fingerv7-001")["incarnation"] == incarnation


async def test_a_stream_that_is_assigned_and_not_held_is_started_again(fleet: Fleet) -> None:
    """R3.1"""
    stream_id, _, _ = fleet.add_streams(3)
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder) as worker:
        await in_step(fleet, "fingerv7-001", recorder, 3)
        worker._assignments.supervisor.stop(stream_id, tell=False)
        await until(lambda: recorder.ends)
        await in_step(fleet, "fingerv7-001", recorder, 3)
        assert len(recorder.ends) == 1


async def test_what_three_attempts_do_not_repair_is_registered_anew_and_no_handler_notices(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """R3.1, R3.2"""
    fleet.add_streams(3)
    fleet.configure("heartbeat_interval", "1 second")
    monkeypatch.setattr("worker_shim.beats.CHECK_AFTER", 0.1)
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder):
        await in_step(fleet, "fingerv7-001", recorder, 3)
        with caplog.at_level(logging.INFO, "worker_shim"), monkeypatch.context() as wrong:
            caplog.clear()
            wrong.setattr("worker_shim.protocol.digest", lambda streams: 42)
            await fleet.until(lambda: fleet.instance("fingerv7-001")["incarnation"] == 3)
        told = [r.getMessage().split(" instance_id")[0] for r in caplog.records if "instance_id=f" in r.getMessage()]
        assert told[:4] == [
            "out of step, reporting all streams",
            "out of step, reporting all streams",
            "registering anew",
            "registered",
        ]
        await in_step(fleet, "fingerv7-001", recorder, 3)
        assert len(recorder.starts) == 3 and recorder.ends == []


async def test_a_stale_incarnation_is_registered_anew_and_no_handler_notices(fleet: Fleet) -> None:
    fleet.add_streams(3)
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder):
        await in_step(fleet, "fingerv7-001", recorder, 3)
        fleet.query("update {private}.instance set incarnation = incarnation + 5")
        await fleet.until(lambda: fleet.instance("fingerv7-001")["incarnation"] == 7)
        await in_step(fleet, "fingerv7-001", recorder, 3)
        assert len(recorder.starts) == 3 and recorder.ends == []


async def test_a_new_epoch_of_a_running_stream_restarts_only_that_handler(fleet: Fleet) -> None:
    stream_id, _ = fleet.add_streams(2)
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder):
        await in_step(fleet, "fingerv7-001", recorder, 2)
        fleet.query(
            "update {private}.assignment set epoch = epoch + 1, state = 'assigned' where stream_id = %(id)s",
            id=stream_id,
        )
        await in_step(fleet, "fingerv7-001", recorder, 2)
        await fleet.until(lambda: len(recorder.starts) == 3)
        await in_step(fleet, "fingerv7-001", recorder, 2)
        assert [s for s, _ in recorder.ends] == [stream_id] and not recorder.doubled


# -- Handlers --------------------------------------------------------------------


async def test_a_failing_stream_is_reported_and_goes_to_another_instance(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker_shim.supervisor.RESTART_FIRST", 0.05)
    (stream_id,) = fleet.add_streams(1)

    async def failing(stream: Stream, context: Context) -> None:
        raise OSError("station refused")

    two = Recorder()
    async with fleet.work("fingerv7-001", failing):
        await fleet.until(lambda: fleet.confirmed("fingerv7-001"))
        async with fleet.work("fingerv7-002", two):
            await fleet.until(lambda: stream_id in two.running)
    (refusal,) = fleet.query("select * from {private}.refusal")
    assert refusal["instance_id"] == "fingerv7-001" and "OSError: station refused" in refusal["reason"]


async def test_what_handlers_count_what_the_machine_does_and_how_long_the_last_beat_took_is_in_the_beat(
    fleet: Fleet,
) -> None:
    fleet.configure("heartbeat_interval", "1 second")
    (stream_id,) = fleet.add_streams(1)
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder):
        await in_step(fleet, "fingerv7-001", recorder, 1)
        recorder.contexts[stream_id].processed(41)
        recorder.contexts[stream_id].processed()
        recorder.contexts[stream_id].error(ValueError("bad frame"))
        await fleet.until(lambda: fleet.instance("fingerv7-001")["processed_count"] == 42)
        await fleet.until(lambda: fleet.instance("fingerv7-001")["beats"] >= 2, "the beat that tells of the one before")
        beat = fleet.instance("fingerv7-001")
        assert beat["error_count"] == 1 and beat["current_streams"] == 1
        assert 0 <= beat["cpu_usage"] <= 100 and 0 < beat["memory_usage"] <= 100
        assert 0 < beat["round_trip"] < 10


async def test_the_fence_is_asked_of_the_database_and_of_the_worker_itself(fleet: Fleet) -> None:
    (stream_id,) = fleet.add_streams(1)
    recorder = Recorder()
    async with fleet.work("fingerv7-001", recorder) as worker:
        await in_step(fleet, "fingerv7-001", recorder, 1)
        context = recorder.contexts[stream_id]
        assert await context.is_current()
        fleet.query("update {private}.assignment set epoch = epoch + 1, state = 'assigned'")
        assert not await context.is_current()
        worker._assignments.supervisor.stop(stream_id, tell=False)
        assert not await context.is_current()


async def test_a_synchronous_program_embeds_the_worker_in_a_background_thread(fleet: Fleet) -> None:
    fleet.add_streams(3)
    listening: set[int] = set()
    current: list[bool] = []

    def listen(stream: Stream, stop: Stop) -> None:
        listening.add(stream.stream_id)
        current.append(stop.is_current())
        while not stop.wait(0.01):
            stop.processed()
        listening.discard(stream.stream_id)

    worker = fleet.worker("fingerv7-001", listen)
    worker.start()
    await fleet.until(lambda: len(listening) == 3 == len(fleet.confirmed("fingerv7-001")) == len(current))
    worker.stop()
    await asyncio.to_thread(worker.join, 20)
    assert current == [True] * 3 and listening == set()
    assert fleet.instance("fingerv7-001")["status"] == "removed"


async def test_a_program_with_threads_of_its_own_is_told_by_callbacks(fleet: Fleet) -> None:
    fleet.add_streams(2)
    mine: dict[int, int] = {}
    threads: set[str] = set()

    def on_start(stream: Stream) -> None:
        threads.add(threading.current_thread().name)
        mine[stream.stream_id] = stream.epoch

    def on_stop(stream: Stream) -> None:
        del mine[stream.stream_id]

    async with fleet.work("fingerv7-001", None, on_start=on_start, on_stop=on_stop):
        await fleet.until(lambda: set(mine.items()) == fleet.confirmed("fingerv7-001") and len(mine) == 2)
    assert mine == {} and "MainThread" not in threads


def test_a_worker_without_a_handler_is_refused() -> None:
    with pytest.raises(ValueError, match="handler"):
        Worker("", "fingerv7-001", 10)  # type: ignore[call-overload]  # which is what a type checker says, too


# -- Refusals --------------------------------------------------------------------


async def test_a_second_process_with_the_same_id_is_refused(fleet: Fleet) -> None:
    fleet.add_streams(2)
    one, two = Recorder(), Recorder()
    async with fleet.work("fingerv7-001", one):
        await in_step(fleet, "fingerv7-001", one, 2)
        with pytest.raises(Refused) as refused:
            await asyncio.wait_for(fleet.worker("fingerv7-001", two).run_async(), 10)
        assert refused.value.code == "OR104" and refused.value.hint
        assert two.starts == []
        await in_step(fleet, "fingerv7-001", one, 2)
    assert len(one.starts) == 2


async def test_a_second_process_may_wait_until_the_id_is_free(fleet: Fleet) -> None:
    fleet.add_streams(2)
    one, two = Recorder(), Recorder()
    second = fleet.worker("fingerv7-001", two, wait_for_id=30)
    async with fleet.work("fingerv7-001", one):
        await in_step(fleet, "fingerv7-001", one, 2)
        waiting = asyncio.create_task(second.run_async())
        await asyncio.sleep(0.5)
        assert not waiting.done()
    await in_step(fleet, "fingerv7-001", two, 2)
    second.stop()
    await asyncio.wait_for(waiting, 10)


async def test_an_impossible_registration_is_refused_with_a_hint(fleet: Fleet) -> None:
    for options, code in (({"capabilities": ["dancing"]}, "OR105"), ({"lease": 1}, "OR101")):
        with pytest.raises(Refused) as refused:
            await asyncio.wait_for(fleet.worker("fingerv7-001", Recorder(), **options).run_async(), 10)
        assert refused.value.code == code and refused.value.hint


async def test_an_instance_removed_by_an_administrator_stops_everything_and_says_so(fleet: Fleet) -> None:
    fleet.add_streams(2)
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    running = asyncio.create_task(fleet.worker("fingerv7-001", recorder).run_async())
    await in_step(fleet, "fingerv7-001", recorder, 2)
    fleet.query("select * from {api}.remove_instance('fingerv7-001', 'broken disk')")
    with pytest.raises(Refused) as refused:
        await asyncio.wait_for(running, 15)
    assert refused.value.code == "OR404"
    assert recorder.running == {}


async def test_a_database_without_the_orchestrator_is_refused_at_the_start(empty_database: str) -> None:
    worker = Worker(empty_database, "fingerv7-001", 10, Recorder())
    with pytest.raises(Refused, match="does not exist"):
        await asyncio.wait_for(worker.run_async(), 10)


async def test_a_password_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker("host=127.0.0.1 port=1 user=me password=hunter2 dbname=x", "fingerv7-001", 10, Recorder())
    with caplog.at_level(logging.DEBUG):
        running = asyncio.create_task(worker.run_async())
        await until(lambda: "database away" in caplog.text)
        worker.stop()
        await asyncio.wait_for(running, 10)
    assert "hunter2" not in caplog.text and "Connection refused" in caplog.text


# -- Leaving ---------------------------------------------------------------------


async def test_a_draining_worker_hands_everything_over_before_it_goes(fleet: Fleet) -> None:
    fleet.add_streams(6)
    one = Recorder()
    two = Recorder(beside=one)
    leaver = fleet.worker("fingerv7-001", one, on_exit="drain")
    running = asyncio.create_task(leaver.run_async())
    await in_step(fleet, "fingerv7-001", one, 6)
    async with fleet.work("fingerv7-002", two):
        await in_step(fleet, "fingerv7-002", two, 3)
        leaver.stop()
        await in_step(fleet, "fingerv7-002", two, 6)
        await fleet.until(running.done, "the end of the drained worker")
        await running
        assert fleet.instance("fingerv7-001")["status"] == "removed" and one.running == {}
    assert not two.doubled


async def test_a_drain_with_none_to_take_over_ends_with_its_limit(fleet: Fleet) -> None:
    fleet.add_streams(2)
    recorder = Recorder()
    worker = fleet.worker("fingerv7-001", recorder, on_exit="drain", drain_timeout=1.5)
    running = asyncio.create_task(worker.run_async())
    await in_step(fleet, "fingerv7-001", recorder, 2)
    worker.stop()
    await fleet.until(running.done)
    await running
    assert recorder.running == {} and fleet.instance("fingerv7-001")["status"] == "removed"


async def test_a_second_stop_leaves_at_once(fleet: Fleet) -> None:
    fleet.add_streams(2)
    recorder = Recorder()
    worker = fleet.worker("fingerv7-001", recorder, on_exit="drain", drain_timeout=300)
    running = asyncio.create_task(worker.run_async())
    await in_step(fleet, "fingerv7-001", recorder, 2)
    worker.stop()
    await asyncio.sleep(0.2)
    assert recorder.running
    worker.stop()
    await asyncio.wait_for(running, 5)
    assert recorder.running == {} and fleet.instance("fingerv7-001")["status"] == "removed"


async def test_a_suspended_worker_finds_its_streams_again_under_new_epochs(fleet: Fleet) -> None:
    fleet.add_streams(4)
    one, two, again = Recorder(), Recorder(), Recorder()
    async with fleet.work("fingerv7-002", two):
        async with fleet.work("fingerv7-001", one, on_exit="suspend"):
            await in_step(fleet, "fingerv7-001", one, 2)
            await in_step(fleet, "fingerv7-002", two, 2)
            mine = set(one.running)
            fleet.configure("disconnect_grace", "0 seconds")
        for _ in range(5):
            fleet.drive()
            await asyncio.sleep(0.1)
        assert len(two.running) == 2
        async with fleet.work("fingerv7-001", again):
            await in_step(fleet, "fingerv7-001", again, 2)
            assert set(again.running) == mine
            assert held(again).isdisjoint(one.starts)
