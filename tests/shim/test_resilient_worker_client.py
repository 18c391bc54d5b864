"""The face of the older client module, as a host uses it."""

import asyncio
import inspect
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

import worker_shim.resilient_worker_client as face
from tests.shim.support import Fleet, Recorder, in_step, until
from worker_shim import Worker, host_streams
from worker_shim.resilient_worker_client import ResilientWorkerClient, create_resilient_worker_client

FACE = {
    "register", "send_heartbeat", "request_streams", "get_all_assigned_streams", "release_streams", "health_check",
    "shutdown", "record_operation_result", "get_alert_summary", "release_all_streams", "is_registered",
}  # fmt: skip
PLAIN = {"get_all_assigned_streams", "record_operation_result", "get_alert_summary", "is_registered"}


@pytest.fixture(autouse=True)
def signals(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What a client would have sent to its own process."""
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: sent.append(number))
    monkeypatch.setattr(host_streams, "SETTLES", 0.3)
    return sent


def add_streams(fleet: Fleet, *numbers: int) -> None:
    for number in numbers:
        fleet.query(
            "select {api}.add_stream(%(url)s, p_metadata => jsonb_build_object('index', %(number)s::integer))",
            url=f"http://station.example.org/{number}",
            number=number,
        )


@asynccontextmanager
async def client_of(fleet: Fleet, name: str = "host", **options: Any) -> AsyncIterator[ResilientWorkerClient]:
    defaults: dict[str, Any] = {"max_streams": 10, "schema": fleet.names.api, "stop_timeout": 2}
    client = create_resilient_worker_client(fleet.dsn, name, **(defaults | options))
    try:
        yield client
    finally:
        await client.shutdown()


async def driven(fleet: Fleet, work: Coroutine[Any, Any, Any]) -> Any:
    """Await something while the fleet's jobs run."""
    task = asyncio.ensure_future(work)
    await fleet.until(task.done, "an answer")
    return task.result()


def owned(fleet: Fleet, name: str) -> int:
    return sum(owner == name and state == "running" for owner, _, state in fleet.assignments().values())


def is_active(fleet: Fleet, name: str) -> bool:
    rows = fleet.query("select status from {private}.instance where instance_id = %(name)s", name=name)
    return bool(rows) and rows[0]["status"] == "active"


def test_the_face_is_that_of_the_older_module() -> None:
    client = create_resilient_worker_client("host=db.example.org", "fingerv7-001", 60, 5, 60, 3, 1.0)
    assert {name for name in FACE if not hasattr(client, name)} == set()
    coroutines = {name for name in FACE if inspect.iscoroutinefunction(getattr(client, name))}
    assert coroutines == FACE - PLAIN
    assert (client.server_id, client.max_streams, client.assigned_streams) == ("fingerv7-001", 60, [])
    assert client.is_registered is False


def test_an_http_address_is_refused_with_the_variable_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORCHESTRATOR_DSN", raising=False)
    with pytest.raises(ValueError, match="ORCHESTRATOR_DSN"):
        create_resilient_worker_client("http://orchestrator.example.org:8001", "fingerv7-001")
    monkeypatch.setenv("ORCHESTRATOR_DSN", "host=db.example.org")
    create_resilient_worker_client("http://orchestrator.example.org:8001", "fingerv7-001")


async def test_a_host_gets_the_numbers_of_its_source_once_and_then_what_is_new(fleet: Fleet) -> None:
    add_streams(fleet, 0, 3, 6)
    async with client_of(fleet) as client:
        assert await client.register() and await client.register()
        assert await driven(fleet, client.request_streams()) == [0, 3, 6]
        assert await client.request_streams(5) == []
        add_streams(fleet, 9)
        await fleet.until(lambda: owned(fleet, "host") == 4)
        assert await client.request_streams(-6) == [9]
        assert client.get_all_assigned_streams() == client.assigned_streams == [0, 3, 6, 9]
        assert (await client.health_check())["status"] == "healthy"
        assert (await client.send_heartbeat({"cpu": 1}))["success"] is True
        stream = client.ownership_of(9)
        assert stream is not None
        assert fleet.assignments()[stream.stream_id] == ("host", stream.epoch, "running")


async def test_a_stream_without_a_number_is_reported_and_not_given(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.add_streams(1)
    async with client_of(fleet) as client:
        await client.register()
        await fleet.until(lambda: "--column metadata=index" in caplog.text, "the failure is logged")
        assert client.get_all_assigned_streams() == []


async def test_a_host_that_stops_streams_hands_them_over_when_it_has_stopped_them(fleet: Fleet) -> None:
    """What is told is stopped before the other may hear it; a function or a coroutine function, in the host's loop."""
    add_streams(fleet, *range(6))
    other, heard = Recorder(), set[int]()

    async def stop(numbers: list[int]) -> None:
        assert threading.current_thread() is threading.main_thread()
        await asyncio.sleep(0.1)
        assert not any(stream.url.endswith(f"/{number}") for number in numbers for stream in other.running.values())
        heard.difference_update(numbers)

    async with client_of(fleet, on_streams_taken=stop) as client:
        await client.register()
        heard |= set(await driven(fleet, client.request_streams()))
        assert len(heard) == 6
        async with fleet.work("other", other):
            await fleet.until(lambda: len(other.running) == 3, "the other has its share")
            assert len(heard) == 3
            assert heard == set(client.get_all_assigned_streams())


async def test_a_host_that_stops_none_keeps_its_streams_when_others_come(fleet: Fleet, signals: list[int]) -> None:
    add_streams(fleet, *range(6))
    other = Recorder()
    async with client_of(fleet) as client:
        await client.register()
        assert len(await driven(fleet, client.request_streams())) == 6
        fleet.configure("rebalance_cooldown", "0 seconds")
        async with fleet.work("other", other):
            await fleet.until(lambda: is_active(fleet, "other"), "the other is there")
            for _ in range(5):
                fleet.query("select * from {api}.rebalance()")
                fleet.drive()
            assert fleet.query("select * from {private}.withdrawal") == []
            assert owned(fleet, "host") == 6 and not other.running
            add_streams(fleet, 6, 7)  # what is new goes to who has less
            await in_step(fleet, "other", other, 2)
    assert signals == []


async def test_it_can_be_drained_by_nobody_but_by_its_end(fleet: Fleet) -> None:
    add_streams(fleet, 1, 2)
    other = Recorder()
    async with client_of(fleet) as client, fleet.work("other", other):
        await client.register()
        await driven(fleet, client.request_streams())
        before = owned(fleet, "host")
        fleet.query("select * from {api}.drain_instance('host')")
        for _ in range(5):
            fleet.drive()
        assert owned(fleet, "host") == before
        assert await driven(fleet, client.release_all_streams())
        await fleet.until(lambda: len(other.running) == 2, "the other has all")


async def test_what_others_were_given_ends_a_host_that_stops_none(fleet: Fleet, signals: list[int]) -> None:
    """It was lost without knowing it, and came back when others had its streams."""
    add_streams(fleet, *range(4))
    other = Recorder()
    async with client_of(fleet) as client:
        await client.register()
        await driven(fleet, client.request_streams())
        async with fleet.work("other", other):
            await fleet.until(lambda: is_active(fleet, "other"), "the other is there")
            fleet.query("select {private}.lock_decisions()")
            fleet.query(
                "select {private}.lose_instances(array['host'], 'lost', 'instance_lost', 'test', 'silent for long')"
            )
            await fleet.until(lambda: bool(signals), "the host is ended")
    assert set(signals) == {signal.SIGTERM}


async def test_a_stream_that_its_source_has_no_more_ends_no_host(
    fleet: Fleet, signals: list[int], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_streams(fleet, 1, 2)
    async with client_of(fleet) as client:
        await client.register()
        await driven(fleet, client.request_streams())
        monkeypatch.setattr(face, "THERE_FOR", 1.0)
        await asyncio.sleep(1)
        await client.request_streams()
        stream = client.ownership_of(2)
        assert stream is not None
        fleet.query("select * from {api}.set_stream_active(%(id)s, false)", id=stream.stream_id)
        await fleet.until(lambda: "stream was withdrawn" in caplog.text, "it is told")
        await asyncio.sleep(host_streams.BACK_WITHIN + 0.2)
    assert signals == []


async def test_some_are_given_back_and_go_to_others(fleet: Fleet, signals: list[int]) -> None:
    add_streams(fleet, 1, 2, 3)
    other = Recorder()
    async with client_of(fleet) as client:
        await client.register()
        await driven(fleet, client.request_streams())
        async with fleet.work("other", other):
            await fleet.until(lambda: is_active(fleet, "other"), "the other is there")
            assert await driven(fleet, client.release_streams(["2"]))
            await in_step(fleet, "other", other, 1)
            assert client.get_all_assigned_streams() == [1, 3]
            assert await client.request_streams() == []
            assert fleet.query("select * from {private}.repair") == []
    assert signals == []


async def test_what_cannot_be_given_back_is_still_the_hosts(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    add_streams(fleet, 1, 3)
    away: Future[None] = Future()
    away.set_exception(psycopg.OperationalError("not connected"))
    monkeypatch.setattr(Worker, "release", lambda *_: away)
    async with client_of(fleet) as client:
        await client.register()
        await driven(fleet, client.request_streams())
        assert not await client.release_streams([3])
        assert sorted(client.get_all_assigned_streams()) == [1, 3]
        assert await client.request_streams() == []


async def test_a_release_of_all_from_a_second_loop_is_its_goodbye(fleet: Fleet) -> None:
    """As a host does at its restart: the first loop stands still meanwhile. It can register again."""
    add_streams(fleet, 1, 2)
    async with client_of(fleet) as client:
        await client.register()
        numbers = await driven(fleet, client.request_streams())

        def release(numbers: list[int]) -> bool:
            return asyncio.run(client.release_streams(numbers))

        answers: list[bool] = []
        thread = threading.Thread(target=lambda: answers.append(release(numbers)))
        thread.start()
        thread.join()
        assert answers == [True]
        assert owned(fleet, "host") == 0
        assert not client.is_registered and client.get_all_assigned_streams() == []
        assert (await client.health_check())["status"] == "degraded"
        assert await client.register()
        assert await driven(fleet, client.request_streams()) == [1, 2]


async def test_an_id_that_is_in_use_is_no_registration(fleet: Fleet) -> None:
    async with client_of(fleet) as client, client_of(fleet, wait_for_id=0) as second:
        assert await client.register()
        assert not await second.register()
        assert not second.is_registered
        assert await second.request_streams() == []


async def test_operations_are_counted_and_failures_are_summed_up(fleet: Fleet) -> None:
    async with client_of(fleet) as client:
        await client.register()
        client.record_operation_result("identify", True)
        client.record_operation_result("identify", False, "no sound from http://user:secret@station.example.org/7")
        client.record_operation_result("write", False)
        worker = client._worker
        assert worker is not None
        assert (worker._assignments.counts.processed, worker._assignments.counts.errors) == (1, 2)
        summary = client.get_alert_summary(hours=1)
        assert summary["total_alerts"] == 2
        assert summary["alerts_by_type"] == {"identify": 1, "write": 1}
        assert "secret" not in str(client._failures)


async def test_a_host_that_does_not_stop_in_time_is_ended(
    fleet: Fleet, signals: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_streams, "TOLD_WITHIN", 0.5)
    add_streams(fleet, 1, 2)
    other = Recorder()
    stop: Callable[[list[int]], Any] = lambda _: asyncio.sleep(60)  # noqa: E731
    async with client_of(fleet, on_streams_taken=stop) as client:
        await client.register()
        await driven(fleet, client.request_streams())
        async with fleet.work("other", other):
            await fleet.until(lambda: bool(signals), "the host is ended")
    assert set(signals) == {signal.SIGTERM}


async def test_waiting_is_over_when_what_is_waited_for_is_there() -> None:
    began = asyncio.get_running_loop().time()
    await face._until(lambda: False, 0.1)
    assert 0.1 <= asyncio.get_running_loop().time() - began < 5
    await until(lambda: True)
