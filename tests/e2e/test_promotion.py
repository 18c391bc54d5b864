"""A real standby takes over from a primary that crashed: the fleet goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.database.embedded import PORT, USER, Embedded
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_directory
from orchestrator.names import Names
from tests.shim.support import Fleet, Recorder, held, in_step, until
from tests.standby import configure, promote, start_standby

pytestmark = pytest.mark.slow

WORKERS = ("fingerv7-001", "fingerv7-002", "fingerv7-003")
STREAMS = 12


class Pair:
    """A primary, its streaming standby, and a DSN that finds whichever of them may be written."""

    def __init__(self, directory: Path, names: Names, stack: ExitStack) -> None:
        self.primary = Embedded(directory / "primary", settings={"fsync": "off"})
        stack.callback(self.primary.stop, immediate=True)
        self.primary.start()
        migrate(self.primary.dsn(), names.api)
        self.standby = start_standby(self.primary, directory / "standby")
        stack.callback(self.standby.stop, immediate=True)
        self.dsn = make_conninfo(
            host=f"{self.primary.socket_directory},{self.standby.socket_directory}",
            port=PORT,
            user=USER,
            dbname="postgres",
            target_session_attrs="read-write",
        )

    def cut_off(self) -> None:
        """From now on the standby misses everything, and the primary does not wait for it."""
        configure(self.primary, "alter system set synchronous_standby_names = ''")
        configure(self.standby, "alter system set primary_conninfo = ''")
        with psycopg.connect(self.standby.dsn(), autocommit=True) as conn:
            while conn.execute("select 1 from pg_stat_wal_receiver").fetchone() is not None:
                time.sleep(0.05)

    def promote(self) -> None:
        """The standby becomes the primary; returns when it may be written."""
        promote(self.standby)


@pytest.fixture
def pair(names: Names) -> Iterator[Pair]:
    with temporary_directory() as directory, ExitStack() as stack:
        yield Pair(directory, names, stack)


@pytest.fixture
def fleet(pair: Pair, names: Names) -> Iterator[Fleet]:
    fleet = Fleet(pair.dsn, names)
    fleet.configure("settle_window", "0 seconds")
    yield fleet
    fleet.close()


def owners(assignments: dict[int, tuple[str | None, int, str]]) -> dict[int, str | None]:
    """A database that was away begins a new generation: new epochs, and the same owners."""
    return {stream_id: owner for stream_id, (owner, _, _) in assignments.items()}


async def test_a_promoted_standby_moves_nothing_and_stops_no_handler(
    fleet: Fleet, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    """R5.2, and the law that a database which was away moves nothing."""
    fleet.add_streams(STREAMS)
    recorders = {worker: Recorder() for worker in WORKERS}
    async with AsyncExitStack() as at_work:
        for worker, recorder in recorders.items():
            await at_work.enter_async_context(fleet.work(worker, recorder))
        for worker in WORKERS:
            await in_step(fleet, worker, recorders[worker], STREAMS // len(WORKERS))
        # Without the rule for promotions, all would be lost by the first look at the new primary.
        fleet.configure("disconnect_grace", "0 seconds")
        fleet.drive()  # and this server's life is known
        before = fleet.assignments()

        pair.primary.stop(immediate=True)
        with pytest.raises(psycopg.OperationalError):
            fleet.drive()  # the driver's session died with it, too
        # so long that the workers pause between their rounds, and the driver is back before them
        away = len(WORKERS) * 4
        await until(lambda: caplog.text.count("database away") >= away, "the workers to notice")
        pair.promote()
        await fleet.until(lambda: fleet.sessions() == len(WORKERS), "the return of every worker")
        fleet.drive()

        assert owners(fleet.assignments()) == owners(before)
        assert [recorder.ends for recorder in recorders.values()] == [[], [], []]
        # and the new primary is obeyed
        fleet.add_streams(3)
        for worker in WORKERS:
            await in_step(fleet, worker, recorders[worker], STREAMS // len(WORKERS) + 1)
        assert sum(len(held(recorder)) for recorder in recorders.values()) == STREAMS + 3


async def test_a_standby_that_missed_the_last_changes_is_brought_in_step_by_its_workers(
    fleet: Fleet, pair: Pair
) -> None:
    """R3.3, R3.4: what the fleet runs is ahead of what the new primary knows."""
    fleet.configure("heartbeat_interval", "1 second")
    streams = fleet.add_streams(STREAMS)
    recorders = {worker: Recorder() for worker in WORKERS}
    async with AsyncExitStack() as at_work:
        for worker, recorder in recorders.items():
            await at_work.enter_async_context(fleet.work(worker, recorder))
        for worker in WORKERS:
            await in_step(fleet, worker, recorders[worker], STREAMS // len(WORKERS))
        pair.cut_off()
        one, two, _ = WORKERS
        moved = next(stream_id for stream_id in streams if stream_id in recorders[one].running)
        for target in (two, one, two):
            fleet.query("select * from {api}.move_stream(%(stream_id)s, %(target)s)", stream_id=moved, target=target)
            await fleet.until(partial(_is_running, fleet, moved, target), f"the move to {target}")
        (unknown,) = fleet.add_streams(1)
        await fleet.until(lambda: any(unknown in recorder.running for recorder in recorders.values()), "the new stream")
        highest = recorders[two].running[moved].epoch

        pair.primary.stop(immediate=True)
        with pytest.raises(psycopg.OperationalError):
            fleet.drive()
        pair.promote()

        def heard_once() -> bool:
            assignments = fleet.assignments()
            running = sorted((s, e, worker) for worker, recorder in recorders.items() for s, e in held(recorder))
            return running == sorted((s, epoch, owner) for s, (owner, epoch, _) in assignments.items())

        await fleet.until(heard_once, "every stream heard by its owner, under its epoch, and by no other")
        owner, epoch, _ = fleet.assignments()[moved]
        assert (owner, epoch > highest) == (one, True)  # or the fence of another database would refuse it for ever
        assert unknown not in fleet.assignments()
        repairs = fleet.query("select found_by, difference from {api}.repairs order by repair_id")
        assert any(row["found_by"] == "report_streams" and str(moved) in str(row["difference"]) for row in repairs)


def _is_running(fleet: Fleet, stream_id: int, instance_id: str) -> bool:
    owner, _, state = fleet.assignments()[stream_id]
    return (owner, state) == (instance_id, "running")
