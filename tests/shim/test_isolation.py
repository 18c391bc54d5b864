"""A worker that the database cannot hear: it goes on, or it has stopped before others may begin."""

import asyncio
import itertools
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from orchestrator.database.embedded import Embedded
from tests.shim.isolated import LEASE, STOP_TIMEOUT
from tests.shim.support import Fleet, Recorder, Wire, held, in_step, until
from worker_shim import Context, Stream, Worker
from worker_shim.isolation import EXIT_STATUS, Isolation

ONE, TWO = "fingerv7-001", "fingerv7-002"
STOP = {"on_isolation": "stop", "lease": LEASE, "stop_timeout": STOP_TIMEOUT}


# -- The inequality --------------------------------------------------------------


def _isolation(lease: float, stop_timeout: float) -> Isolation:
    return Isolation(lease, stop_timeout, lambda: False, lambda: float("inf"), lambda: None)


def test_handlers_begin_to_stop_early_enough_to_have_stopped_before_the_lease_is_over() -> None:
    """R5.2"""
    defaults = _isolation(90, 10)
    assert (defaults.stop_after, defaults.stop_within) == (78, 89)
    for lease, stop_timeout in itertools.product((30, 90, 333.333333, 3600), (0, 1, 5, 10)):
        isolation = _isolation(lease, stop_timeout)
        assert isolation.stop_after + stop_timeout < isolation.stop_within <= lease - max(1, lease / 100)


def test_a_lease_too_short_to_stop_in_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        Worker("", ONE, 10, Recorder(), on_isolation="stop", lease=10, stop_timeout=10)


async def test_the_database_agrees_to_every_timing_that_the_worker_computes(fleet: Fleet) -> None:
    fleet.configure("heartbeat_interval", "1 second")
    fleet.configure("max_lease", "2 hours")
    for lease in (4.5, 6, 7.3, 99.999999, 333.333333, 4000):
        async with fleet.work(ONE, Recorder(), on_isolation="stop", lease=lease, stop_timeout=0.2):
            await fleet.until(lambda: fleet.query("select 1 from {private}.instance where status = 'active'"))
            promised = fleet.instance(ONE)["stop_within"].total_seconds()
            assert promised < lease - 0.9


# -- The database away -----------------------------------------------------------


async def test_an_isolated_worker_with_a_lease_stops_before_the_lease_is_over_and_comes_back(
    breakable_fleet: Fleet, breakable_server: Embedded
) -> None:
    """R5.2"""
    fleet = breakable_fleet
    fleet.add_streams(3)
    fleet.configure("heartbeat_interval", "1 second")
    recorder = Recorder()
    async with fleet.work(ONE, recorder, **STOP):
        await in_step(fleet, ONE, recorder, 3)
        old = list(recorder.contexts.values())
        assert all(context.valid for context in old)
        (beat,) = fleet.query("select beat_at from {private}.heartbeat")
        fleet.close()
        await asyncio.to_thread(breakable_server.stop)
        await until(lambda: not recorder.running, patience=LEASE)
        await asyncio.to_thread(breakable_server.start)
        (row,) = fleet.query("select now() - %(beat_at)s as silent", **beat)
        assert row["silent"].total_seconds() < LEASE
        await in_step(fleet, ONE, recorder, 3)
        assert len(recorder.starts) == 6
        assert all(context.valid for context in recorder.contexts.values())
        # what a handler of before may still have in hand does not count, though the worker is back
        assert not any(context.valid for context in old)


# -- A partition -----------------------------------------------------------------


@dataclass
class Times(Recorder):
    """Also remembers when."""

    first_start: float = float("inf")
    last_end: float = 0.0

    async def __call__(self, stream: Stream, context: Context) -> None:
        self.first_start = min(self.first_start, time.monotonic())
        try:
            await super().__call__(stream, context)
        finally:
            self.last_end = time.monotonic()


@asynccontextmanager
async def _wire(fleet: Fleet) -> AsyncIterator[Wire]:
    with TemporaryDirectory(prefix="orch-wire-", dir="/tmp") as directory:
        wire = Wire(fleet.dsn, directory)
        async with wire.open():
            yield wire


async def test_a_partitioned_worker_that_stops_has_stopped_before_the_next_one_starts(fleet: Fleet) -> None:
    """R5.2"""
    fleet.add_streams(4)
    fleet.configure("heartbeat_interval", "1 second")
    one, two = Times(), Times()
    async with _wire(fleet) as wire, fleet.work(ONE, one, dsn=wire.dsn, network_timeout=2, **STOP):
        await in_step(fleet, ONE, one, 4)
        wire.freeze()
        async with fleet.work(TWO, two):
            await in_step(fleet, TWO, two, 4)
            assert one.running == {}
            assert one.last_end < two.first_start
            print(f"stopped {two.first_start - one.last_end:.2f} s before the next start")
            wire.thaw()
            await in_step(fleet, ONE, one, 2)
            await in_step(fleet, TWO, two, 2)


async def test_a_partitioned_worker_that_continues_stops_no_handler_and_its_old_epochs_are_refused(
    fleet: Fleet,
) -> None:
    """R5.2"""
    fleet.add_streams(4)
    fleet.configure("heartbeat_interval", "1 second")
    one, two = Times(), Times()
    async with _wire(fleet) as wire, fleet.work(ONE, one, dsn=wire.dsn, network_timeout=2, lease=3):
        await in_step(fleet, ONE, one, 4)
        before = held(one)
        wire.freeze()
        async with fleet.work(TWO, two):
            await in_step(fleet, TWO, two, 4)
            assert held(one) == before and one.ends == []
            current = "select {api}.is_current(%(stream_id)s, %(epoch)s) as current"
            for stream_id, epoch in before:
                assert fleet.query(current, stream_id=stream_id, epoch=epoch) == [{"current": False}]
            wire.thaw()
            await in_step(fleet, ONE, one, 2)
            await in_step(fleet, TWO, two, 2)
            assert not held(one) & before


# -- Frozen processes ------------------------------------------------------------


@dataclass
class Isolated:
    """A worker in a process of its own (tests/shim/isolated.py)."""

    process: asyncio.subprocess.Process
    file: Path

    def pieces(self) -> list[tuple[float, int, int, bool]]:
        """Time, stream, epoch and validity of each piece that was heard."""
        lines = [line.split() for line in self.lines() if not line.startswith("program")]
        return [(float(at), int(stream_id), int(epoch), valid == "1") for at, stream_id, epoch, valid in lines]

    def programs(self) -> list[int]:
        """Their process ids."""
        return [int(line.split()[1]) for line in self.lines() if line.startswith("program")]

    def lines(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []

    def heard(self) -> set[int]:
        return {stream_id for _, stream_id, _, _ in self.pieces()}


@asynccontextmanager
async def _isolated(kind: str, fleet: Fleet, dsn: str, instance_id: str, file: Path) -> AsyncIterator[Isolated]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.shim.isolated", kind, dsn, fleet.names.api, instance_id, str(file))
    )
    try:
        yield Isolated(process, file)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            await process.wait()


@pytest.fixture
async def station() -> AsyncIterator[str]:
    """A radio that sends a little all the time to its listeners."""

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"." * 100)
                await asyncio.sleep(0.01)
        finally:
            writer.close()

    server = await asyncio.start_server(send, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    server.close()


@pytest.mark.parametrize("kind", ["async", "unwatched", "thread"])
async def test_a_worker_that_wakes_past_its_limit_hears_nothing_more_under_the_old_epochs(
    fleet: Fleet, station: str, tmp_path: Path, kind: str
) -> None:
    """R5.2: SIGSTOP while another gets its streams, then SIGCONT."""
    fleet.configure("heartbeat_interval", "1 second")
    for number in range(4):
        fleet.query("select * from {api}.add_stream(%(url)s || %(number)s::text)", url=station, number=number)
    two = Times()
    async with _isolated(kind, fleet, fleet.dsn, ONE, tmp_path / "pieces") as frozen:
        await fleet.until(lambda: len(frozen.heard()) == 4 and len(fleet.confirmed(ONE)) == 4)
        old = fleet.confirmed(ONE)
        frozen.process.send_signal(signal.SIGSTOP)
        async with fleet.work(TWO, two):
            await in_step(fleet, TWO, two, 4)
            before = len(frozen.pieces())
            frozen.process.send_signal(signal.SIGCONT)
            # it comes back, and gets its share under new epochs
            await fleet.until(lambda: len(fleet.confirmed(ONE)) == 2 and not fleet.confirmed(ONE) & old)
            await fleet.until(lambda: len({piece[1] for piece in frozen.pieces()[before:]}) == 2)
            after = {(stream_id, epoch) for _, stream_id, epoch, _ in frozen.pieces()[before:]}
            assert not after & old
            assert frozen.process.returncode is None


async def test_a_short_freeze_stops_nothing(fleet: Fleet, station: str, tmp_path: Path) -> None:
    fleet.configure("heartbeat_interval", "1 second")
    fleet.query("select * from {api}.add_stream(%(url)s)", url=station)
    async with _isolated("async", fleet, fleet.dsn, ONE, tmp_path / "pieces") as frozen:
        await fleet.until(lambda: frozen.heard() and fleet.confirmed(ONE))
        frozen.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.5)
        before = len(frozen.pieces())
        frozen.process.send_signal(signal.SIGCONT)
        await fleet.until(lambda: len(frozen.pieces()) > before + 100)
        assert len({epoch for _, _, epoch, _ in frozen.pieces()}) == 1 and all(piece[3] for piece in frozen.pieces())


# -- A promise is a promise ------------------------------------------------------


@pytest.mark.parametrize("kind", ["ignoring", "blocking"])
async def test_a_process_whose_handlers_do_not_stop_ends_itself_before_the_next_worker_starts(
    fleet: Fleet, tmp_path: Path, kind: str
) -> None:
    """R5.2: a thread that ignores its stop; a handler that blocks the loop, beside a program that ignores SIGTERM."""
    fleet.configure("heartbeat_interval", "1 second")
    fleet.add_streams(4)
    two = Times()
    async with _wire(fleet) as wire, _isolated(kind, fleet, wire.dsn, ONE, tmp_path / "pieces") as isolated:
        await fleet.until(lambda: len(fleet.confirmed(ONE)) == 4)
        if kind == "blocking":
            await until(lambda: len(isolated.programs()) == 2)
            isolated.process.send_signal(signal.SIGUSR1)
        wire.freeze()
        ends: list[float] = []
        ended = asyncio.create_task(isolated.process.wait())
        ended.add_done_callback(lambda _: ends.append(time.monotonic()))
        async with fleet.work(TWO, two):
            await in_step(fleet, TWO, two, 4)
            assert await asyncio.wait_for(ended, 5) == EXIT_STATUS == 75
            assert ends[0] < two.first_start
            assert all(piece[0] < two.first_start for piece in isolated.pieces())
            assert not any(map(_is_alive, isolated.programs()))


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_worker_that_leaves_with_a_handler_still_running_says_no_goodbye(fleet: Fleet, tmp_path: Path) -> None:
    fleet.configure("heartbeat_interval", "1 second")
    fleet.add_streams(2)
    async with _isolated("ignoring", fleet, fleet.dsn, ONE, tmp_path / "pieces") as isolated:
        await fleet.until(lambda: len(fleet.confirmed(ONE)) == 2 and fleet.instance(ONE)["status"] == "active")
        isolated.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(isolated.process.wait(), 20) == 0
        assert fleet.instance(ONE)["status"] == "active" and len(fleet.confirmed(ONE)) == 2
        two = Times()
        async with fleet.work(TWO, two):
            await in_step(fleet, TWO, two, 2)
            assert max(piece[0] for piece in isolated.pieces()) < two.first_start
