"""SIGTERM while the database is away: every worker ends before what runs containers would kill it."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from orchestrator.database.embedded import Embedded
from orchestrator.names import Names
from tests.shim.support import Fleet, Recorder, Wire, in_step, until

PROMISED = 25.0  # seconds; Kubernetes kills at 30
SCALE = 0.25
BUSY = 5.0  # seconds more for a machine that has other things to do

Leave = tuple[str, str, int]  # handler, on_exit, workers in the process

WAYS: list[Leave] = [
    ("good", "drain", 1),
    ("good", "suspend", 1),
    ("good", "leave", 1),
    ("good", "drain", 2),
    ("thread", "drain", 1),
    ("coroutine", "leave", 1),
    ("program", "drain", 1),
    ("promise", "suspend", 1),
]


@asynccontextmanager
async def _process(
    dsn: str, schema: str, way: Leave, scale: float, *ids: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    handler, on_exit, _ = way
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.shim.away", handler, dsn, schema, on_exit, str(scale), *ids),
        stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _time_to_end(process: asyncio.subprocess.Process) -> float:
    began = asyncio.get_running_loop().time()
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 2 * PROMISED) == 0
    return asyncio.get_running_loop().time() - began


@contextmanager
def _frozen_server(server: Embedded) -> Iterator[None]:
    """No process of the server runs: connections are taken by the kernel, and nothing answers."""
    postmaster = int((server.data_directory / "postmaster.pid").read_text().splitlines()[0])
    processes = [postmaster, *(child.pid for child in psutil.Process(postmaster).children())]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGCONT)


@pytest.fixture
def wire_directory() -> Iterator[str]:
    with TemporaryDirectory(prefix="orch-wire-", dir="/tmp") as directory:
        yield directory


async def _times(
    fleet: Fleet, dsn: str, ways: list[Leave], scale: float, go_away: Callable[[], object]
) -> dict[Leave, float]:
    """How long each process takes from SIGTERM to its end, all of them told at once."""
    ids = {way: [f"w-{number}-{each}" for each in range(way[2])] for number, way in enumerate(ways)}
    everyone = [name for names in ids.values() for name in names]
    fleet.add_streams(len(everyone))
    async with contextlib.AsyncExitStack() as stack:
        each = [_process(dsn, fleet.names.api, way, scale, *names) for way, names in ids.items()]
        processes = [await stack.enter_async_context(process) for process in each]
        await fleet.until(lambda: all(len(fleet.confirmed(name)) == 1 for name in everyone), "a handler of each", 60)
        fleet.close()
        await asyncio.to_thread(go_away)
        took = await asyncio.gather(*map(_time_to_end, processes))
    return dict(zip(ways, took, strict=True))


@pytest.mark.parametrize("away", ["stopped", "frozen", "cut off"])
async def test_however_a_worker_leaves_it_ends_soon_while_the_database_is_away(
    breakable_fleet: Fleet, breakable_server: Embedded, wire_directory: str, away: str
) -> None:
    """R5.2: refused connections, a server that answers nothing, a network that delivers nothing."""
    wire = Wire(breakable_fleet.dsn, wire_directory)
    async with wire.open():
        with contextlib.ExitStack() as frozen:
            go: dict[str, Callable[[], object]] = {
                "stopped": breakable_server.stop,
                "frozen": lambda: frozen.enter_context(_frozen_server(breakable_server)),
                "cut off": wire.freeze,
            }
            dsn = wire.dsn if away == "cut off" else breakable_fleet.dsn
            took = await _times(breakable_fleet, dsn, WAYS, SCALE, go[away])
    late = {way: round(seconds, 1) for way, seconds in took.items() if seconds > PROMISED * SCALE + BUSY}
    assert late == {}


async def test_with_the_defaults_a_worker_whose_handler_does_not_stop_ends_within_25_seconds(
    breakable_fleet: Fleet, wire_directory: str
) -> None:
    wire = Wire(breakable_fleet.dsn, wire_directory)
    async with wire.open():
        took = await _times(breakable_fleet, wire.dsn, [("thread", "drain", 1)], 1, wire.freeze)
    assert list(took.values()) < [PROMISED]


@pytest.mark.parametrize("way", [("good", "drain", 1), ("looking up", "drain", 1)], ids=["no answer", "no address"])
async def test_a_worker_that_never_reached_its_database_ends_as_soon(names: Names, way: Leave) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = "db.example.org" if way[0] == "looking up" else "127.0.0.1"
        dsn = f"host={host} port={silent.getsockname()[1]} dbname=nowhere user=me"
        async with _process(dsn, names.api, way, SCALE, "w-1") as process:
            # it has begun when the signal ends it no more by itself
            await until(lambda: _catches_sigterm(process.pid), "a worker that has begun")
            assert await _time_to_end(process) < PROMISED * SCALE + BUSY


async def test_a_worker_that_is_suspended_while_the_database_is_away_keeps_its_streams(
    breakable_fleet: Fleet, breakable_server: Embedded
) -> None:
    """It could not say so, and says no goodbye either."""
    fleet = breakable_fleet
    fleet.add_streams(1)
    recorder = Recorder()
    worker = fleet.worker("w-1", recorder, on_exit="suspend")
    running = asyncio.create_task(worker.run_async())
    await in_step(fleet, "w-1", recorder, 1)
    with _frozen_server(breakable_server):
        worker.stop()
        await asyncio.sleep(0.2)
    await asyncio.wait_for(running, PROMISED)
    assert fleet.instance("w-1")["suspended_until"] is not None and fleet.assignments()[1][0] == "w-1"


def _catches_sigterm(pid: int) -> bool:
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
