"""Several workers over one connection: it is one, its loss is a loss to all, and one may leave it to the others."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import pytest

from tests.shim.support import PATIENCE, Fleet, Recorder, in_step, until
from worker_shim import Refused, Worker, run_workers_async

NAMES = ("fingerv7-001", "fingerv7-002", "fingerv7-003")
Together = dict[str, tuple[Worker, Recorder]]


@pytest.fixture
async def together(fleet: Fleet) -> AsyncIterator[Together]:
    """Three workers on one connection, with two streams each."""
    fleet.add_streams(6)
    recorders = {name: Recorder() for name in NAMES}
    workers = {name: fleet.worker(name, recorder) for name, recorder in recorders.items()}
    running = asyncio.create_task(run_workers_async(list(workers.values())))
    try:
        for name in NAMES:
            await in_step(fleet, name, recorders[name], 2)
        yield {name: (workers[name], recorders[name]) for name in NAMES}
    finally:
        for worker in workers.values():
            worker.stop()
        with contextlib.suppress(Refused):
            await asyncio.wait_for(running, PATIENCE)


def _connections(fleet: Fleet) -> int:
    return len(
        fleet.query(
            "select 1 from pg_stat_activity"
            " where application_name = 'worker_shim ' || %(name)s and datname = current_database()",
            name=f"{fleet.names.api}.{NAMES[0]}+2",
        )
    )


async def test_each_hears_its_own_notifications_over_the_one_connection(fleet: Fleet, together: Together) -> None:
    assert (_connections(fleet), fleet.sessions()) == (1, 3)
    (one, mine), (_, its) = together[NAMES[0]], together[NAMES[1]]
    stream = min(mine.running)
    fleet.query("select * from {api}.move_stream(%(stream)s, %(name)s)", stream=stream, name=NAMES[1])
    await until(lambda: stream in its.running)
    await until(lambda: fleet.assignments()[stream][2] == "running")
    assert stream not in mine.running and len(one.streams) == 1


async def test_a_lost_connection_brings_all_of_them_back_and_none_is_lost(fleet: Fleet, together: Together) -> None:
    """R5.1"""
    starts = {name: list(recorder.starts) for name, (_, recorder) in together.items()}
    assert fleet.cut_workers() == 1
    fleet.drive()
    await fleet.until(lambda: fleet.sessions() == 3, "all sessions")
    assert _connections(fleet) == 1
    for name, (_, recorder) in together.items():
        await in_step(fleet, name, recorder, 2)
        assert recorder.starts == starts[name] and not recorder.ends
        await fleet.until(lambda name=name: fleet.instance(name)["status"] == "active")  # type: ignore[misc]  # mypy infers no type for a default
        assert fleet.instance(name)["incarnation"] == 1


async def test_one_may_leave_and_the_others_keep_their_sessions(fleet: Fleet, together: Together) -> None:
    together[NAMES[0]][0].stop()  # whose connection it is
    await fleet.until(lambda: fleet.sessions() == 2, "the session that was given back")
    assert _connections(fleet) == 1
    for name in NAMES[1:]:
        await in_step(fleet, name, together[name][1], 3)


async def test_one_that_suspends_can_be_started_again_elsewhere(fleet: Fleet, together: Together) -> None:
    together[NAMES[1]][0].stop("suspend")
    await fleet.until(lambda: fleet.sessions() == 2, "the session that was given back")
    again = Recorder()
    async with fleet.work(NAMES[1], again):
        await in_step(fleet, NAMES[1], again, 2)


async def test_one_that_is_refused_leaves_the_others_alone(fleet: Fleet, together: Together) -> None:
    fleet.query("select * from {api}.remove_instance(%(name)s)", name=NAMES[2])
    await fleet.until(lambda: not together[NAMES[2]][1].running, "the end of the removed one")
    for name in NAMES[:2]:
        await in_step(fleet, name, together[name][1], 3)
    await fleet.until(lambda: fleet.sessions() == 2, "the return of the others")


async def test_workers_of_different_fleets_share_nothing(fleet: Fleet) -> None:
    other = fleet.worker("fingerv7-002", Recorder(), network_timeout=5)
    with pytest.raises(ValueError, match="same DSN"):
        await run_workers_async([fleet.worker("fingerv7-001", Recorder()), other])
    with pytest.raises(ValueError, match="same name"):
        await run_workers_async([fleet.worker("fingerv7-001", Recorder()), fleet.worker("fingerv7-001", Recorder())])


async def test_every_worker_looks_at_the_clock_when_the_process_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = [Worker("host=127.0.0.1 port=1 dbname=x", f"fv-{n}", 1, Recorder(), on_exit="leave") for n in (1, 2, 3)]
    looked: set[str] = set()
    for worker in workers:
        monkeypatch.setattr(worker, "look_at_the_clock", lambda *_, name=worker.instance_id: looked.add(name))
    before = signal.getsignal(signal.SIGCONT)
    running = asyncio.create_task(run_workers_async(workers, signals=True))
    try:
        await until(lambda: signal.getsignal(signal.SIGCONT) != before)
        os.kill(os.getpid(), signal.SIGCONT)
        await until(lambda: looked == {"fv-1", "fv-2", "fv-3"})
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running, 20)
        signal.signal(signal.SIGCONT, before)
