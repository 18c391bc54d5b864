"""However a worker with on_isolation = stop leaves, it has stopped a stream before another process starts it (R5.2)."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.shim.leaving import LEASE
from tests.shim.support import Fleet, Recorder, in_step
from worker_shim import Context, Stream
from worker_shim.isolation import EXIT_STATUS
from worker_shim.resilient_worker_client import create_resilient_worker_client

ONE, TWO, MATE = "fingerv7-001", "fingerv7-002", "fingerv7-003"


@dataclass
class Starts(Recorder):
    """Also remembers when each stream was started last."""

    at: dict[int, float] = field(default_factory=dict)

    async def __call__(self, stream: Stream, context: Context) -> None:
        self.at[stream.stream_id] = time.monotonic()
        await super().__call__(stream, context)


@dataclass
class Leaving:
    """The process of tests/shim/leaving.py."""

    process: asyncio.subprocess.Process
    file: Path

    def last_heard(self) -> dict[int, float]:
        """When it last heard each stream."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return {int(stream_id): float(at) for at, stream_id in (line.split() for line in lines)}


@asynccontextmanager
async def _leaving(fleet: Fleet, file: Path, kind: str, on_exit: str, *ids: str) -> AsyncIterator[Leaving]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.shim.leaving", kind, fleet.dsn, fleet.names.api, str(file), on_exit, *ids)
    )
    try:
        yield Leaving(process, file)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


TERM, KILL, RELEASE, FAIL = signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1, signal.SIGUSR2

WAYS: list[tuple[str, str, list[signal.Signals], list[str]]] = [
    ("thread", "suspend", [TERM], []),
    ("thread", "suspend", [TERM], [MATE]),
    ("thread", "suspend", [TERM, TERM], []),
    ("thread", "leave", [TERM], []),
    ("thread", "leave", [TERM, TERM], []),
    ("thread", "leave", [TERM, TERM], [MATE]),
    ("thread", "drain", [TERM], []),
    ("thread", "drain", [TERM, TERM], []),
    ("thread", "leave", [RELEASE], []),
    ("thread", "leave", [FAIL], []),
    ("coroutine", "suspend", [TERM], []),
    ("coroutine", "leave", [TERM, TERM], []),
    ("program", "suspend", [TERM], []),
    ("program", "leave", [TERM, TERM], []),
    ("program", "leave", [KILL], []),
]


@pytest.mark.parametrize(
    ("kind", "on_exit", "signals", "mates"),
    WAYS,
    ids=[" ".join([kind, how, *(each.name for each in signals), *mates]) for kind, how, signals, mates in WAYS],
)
async def test_no_other_process_starts_what_one_that_leaves_still_hears(
    fleet: Fleet, tmp_path: Path, kind: str, on_exit: str, signals: list[signal.Signals], mates: list[str]
) -> None:
    """Another instance, or the next process of the same one."""
    fleet.configure("heartbeat_interval", "1 second")
    fleet.configure("refusal_time", "1 hour")
    fleet.configure("restart_grace", "1 second")  # with a mate most of the fleet is silent together
    again, two = Starts(), Starts()
    ids = [ONE, *mates]
    async with (
        _leaving(fleet, tmp_path / "heard", kind, on_exit, *ids) as leaving,
        fleet.work(TWO, two),
    ):
        count = len(ids) + 1
        await fleet.until(
            lambda: len(fleet.query("select 1 from {private}.instance where status = 'active'")) == count,
            "all instances",
        )
        fleet.add_streams(2 * count)
        await in_step(fleet, TWO, two, 2)
        await fleet.until(lambda: all(len(fleet.confirmed(each)) == 2 for each in ids), "their streams")
        await fleet.until(lambda: len(leaving.last_heard()) == 2 * len(ids), "that they hear")
        old = set(leaving.last_heard())
        for number in signals:
            leaving.process.send_signal(number)
            await asyncio.sleep(0.3)
        async with fleet.work(ONE, again, wait_for_id=60) if signals != [RELEASE] else fleet.work(MATE, again):
            await fleet.until(lambda: old <= again.at.keys() | two.at.keys(), "what it had", patience=60)
            started = {each: min(times.at[each] for times in (again, two) if each in times.at) for each in old}
            await fleet.until(lambda: max(leaving.last_heard()[each] for each in old) < time.monotonic() - 1, "silence")
            doubled = max(leaving.last_heard()[each] - started[each] for each in old)
            print(f"heard twice for {doubled:.2f} s")
            assert doubled < 0


async def test_a_process_that_does_not_stop_a_stream_in_two_leases_ends_itself_before_the_stream_is_given_away(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet.configure("heartbeat_interval", "1 second")
    fleet.configure("handoff_timeout", "1 second")
    (stream_id,) = fleet.add_streams(1)
    two = Starts()
    async with _leaving(fleet, tmp_path / "heard", "ignoring", "leave", ONE) as stubborn:
        await fleet.until(lambda: len(fleet.confirmed(ONE)) == 1, "its stream")
        async with fleet.work(TWO, two):
            await fleet.until(lambda: fleet.query("select 1 from {private}.instance where status = 'active' offset 1"))
            fleet.query("select * from {api}.move_stream(%(id)s, %(to)s)", id=stream_id, to=TWO)
            began = time.monotonic()
            await in_step(fleet, TWO, two, 1)
            assert await asyncio.wait_for(stubborn.process.wait(), 5) == EXIT_STATUS
            assert stubborn.last_heard()[stream_id] < two.at[stream_id] <= began + 3 * LEASE


async def test_what_is_still_ending_is_part_of_what_a_worker_says_it_runs(fleet: Fleet) -> None:
    fleet.configure("heartbeat_interval", "1 second")
    streams = fleet.add_streams(2)
    let_end = asyncio.Event()

    async def listen(stream: Stream, context: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await let_end.wait()

    async with fleet.work(ONE, listen, on_isolation="stop", lease=6, stop_timeout=1) as worker:
        await fleet.until(lambda: len(fleet.confirmed(ONE)) == 2)
        fleet.query("select * from {api}.set_stream_active(%(id)s, false)", id=streams[0])
        await fleet.until(lambda: len(worker.streams) == 1)
        assert {stream.stream_id for stream in worker._assignments.may_run()} == set(streams)
        let_end.set()
        await fleet.until(lambda: {stream.stream_id for stream in worker._assignments.may_run()} == {streams[1]})
        assert worker._assignments.supervisor.ending_since == float("inf")


async def test_what_could_not_be_given_back_is_heard_again(fleet: Fleet) -> None:
    (stream_id,) = fleet.add_streams(1)
    recorder = Recorder()
    async with fleet.work(ONE, recorder, on_isolation="stop", lease=90) as worker:
        await in_step(fleet, ONE, recorder, 1)
        with pytest.raises(Exception, match="bad argument"):
            await asyncio.wrap_future(worker.release([stream_id], reason="x" * 1001))
        await in_step(fleet, ONE, recorder, 1)
        assert len(recorder.starts) == 2


def test_a_host_that_cannot_stop_a_stream_cannot_promise_to() -> None:
    with pytest.raises(ValueError, match="on_streams_taken"):
        create_resilient_worker_client("dbname=x", ONE, 10, on_isolation="stop")
