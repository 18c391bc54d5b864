"""The server's clock steps under a real fleet: nothing moves for it, and what breaks later is noticed in time."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest

from orchestrator.database.embedded import Embedded
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_directory
from orchestrator.names import Names
from tests.driver.conftest import StartDriver
from tests.shim.support import Fleet, Recorder, until
from tests.stepping_clock import SteppingClock

pytestmark = pytest.mark.slow

PROGRAMS = Path(sys.executable).parent
WORKERS = ("fingerv7-001", "fingerv7-002", "fingerv7-003")
STREAMS = 9
MINUTE, HOUR = 60, 3600


class Stepped:
    """A server, and its clock."""

    def __init__(self, directory: Path, names: Names) -> None:
        self.clock = SteppingClock(directory)
        self.server = Embedded(directory / "pg", settings={"fsync": "off"})
        self.start()
        migrate(self.server.dsn(), names.api)

    def start(self) -> None:
        with self.clock.loaded():
            self.server.start()


@pytest.fixture
def stepped(names: Names) -> Iterator[Stepped]:
    with temporary_directory() as directory:
        stepped = Stepped(directory, names)
        yield stepped
        stepped.server.stop(immediate=True)


@pytest.fixture
def fleet(stepped: Stepped, names: Names) -> Iterator[Fleet]:
    fleet = Fleet(stepped.server.dsn(), names)
    fleet.configure("settle_window", "0 seconds")
    fleet.configure("disconnect_grace", "2 seconds")
    fleet.configure("restart_grace", "5 seconds")
    fleet.configure("heartbeat_interval", "1 second")
    yield fleet
    fleet.close()


@pytest.fixture
def victims(fleet: Fleet, names: Names, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a worker as a process of its own, that can be killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        name = f"victim-{len(started) + 1}"
        with (tmp_path / f"{name}.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    [
                        *(PROGRAMS / "worker-shim", "run", "--instance-id", name, "--max-streams", "10"),
                        *("--dsn", fleet.dsn, "--schema", names.api, "--exec", "sleep 600"),
                    ],
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _runs(fleet: Fleet) -> int:
    [row] = fleet.query("select runs from {api}.jobs where job = 'watch_instances'")
    runs = row["runs"]
    assert isinstance(runs, int)
    return runs


async def _jobs_go_on(fleet: Fleet, patience: float = 5) -> None:
    runs = _runs(fleet)
    await until(lambda: _runs(fleet) > runs + 1, "jobs to go on", patience)


def _steps(fleet: Fleet) -> list[float]:
    rows = fleet.query(
        "select extract(epoch from step)::float8 as seconds from {api}.clock_steps order by clock_step_id"
    )
    return [row["seconds"] for row in rows]


def _is_recorded(fleet: Fleet, number: int) -> bool:
    assert len(_steps(fleet)) <= number, _steps(fleet)
    return len(_steps(fleet)) == number


def _said(fleet: Fleet) -> tuple[str, str, str]:
    """What health, diagnose and the alert say of the clock."""
    [health] = fleet.query("select status, finding from {api}.health() where component = 'clock'")
    assert health["status"] == "degraded"
    [finding] = fleet.query("select finding from {api}.diagnose() where code = 'clock_stepped'")
    [alert] = fleet.query("select message from {api}.alerts where code = 'clock_stepped'")
    return health["finding"], finding["finding"], alert["message"]


async def test_steps_move_nothing_and_hide_nothing(
    fleet: Fleet, stepped: Stepped, start_driver: StartDriver, victims: Callable[[], subprocess.Popen[bytes]]
) -> None:
    fleet.add_streams(STREAMS)
    recorders = {worker: Recorder() for worker in WORKERS}
    start_driver(dsn=fleet.dsn)
    start_driver(dsn=fleet.dsn)
    async with AsyncExitStack() as at_work:
        for worker, recorder in recorders.items():
            await at_work.enter_async_context(fleet.work(worker, recorder))
        await until(lambda: all(len(fleet.confirmed(worker)) == 3 for worker in WORKERS), "all to hear theirs")
        before = fleet.assignments()

        for number, seconds in enumerate((-HOUR, MINUTE, -MINUTE, HOUR, -8 * HOUR, 8 * HOUR)):
            stepped.clock.step(seconds)
            await until(partial(_is_recorded, fleet, number + 1), f"the step by {seconds} s to be recorded", 5)
            assert _steps(fleet)[-1] == pytest.approx(seconds, abs=1)
            await _jobs_go_on(fleet)
            assert fleet.assignments() == before

        # while the server is down
        stepped.server.stop(immediate=True)
        stepped.clock.step(-HOUR)
        stepped.start()
        with pytest.raises(psycopg.OperationalError):
            fleet.query("select 1")
        await until(partial(_is_recorded, fleet, 7), "the step to be recorded", 20)
        await until(lambda: fleet.sessions() == len(WORKERS), "the return of every worker")
        await _jobs_go_on(fleet, 20)
        # a server that was started begins a new generation: new epochs for the same owners
        after = fleet.assignments()
        assert {s: owner for s, (owner, _, _) in after.items()} == {s: owner for s, (owner, _, _) in before.items()}
        assert [recorder.ends for recorder in recorders.values()] == [[], [], []]

        await until(lambda: fleet.query("select code from {api}.alerts where code = 'clock_stepped'"), "the alert")
        for said in _said(fleet):
            assert "stepped by -3600." in said or "stepped by -3599." in said
        assert not fleet.query("select * from {api}.alerts where code <> 'clock_stepped'")
        assert not fleet.query("select * from {api}.decisions where rule in ('silence', 'session lost')")


@pytest.mark.parametrize("seconds", [-8 * HOUR, -HOUR, -MINUTE, MINUTE, HOUR, 8 * HOUR])
async def test_who_is_killed_after_a_step_is_lost_in_time(
    fleet: Fleet,
    stepped: Stepped,
    start_driver: StartDriver,
    victims: Callable[[], subprocess.Popen[bytes]],
    seconds: int,
) -> None:
    """R1.2"""
    fleet.add_streams(4)
    start_driver(dsn=fleet.dsn)
    recorder = Recorder()
    victim = victims()
    await until(lambda: len(fleet.confirmed("victim-1")) == 4, "the victim to hear all")
    async with fleet.work("survivor", recorder):
        await until(lambda: len(fleet.confirmed("survivor")) == 2, "both to hear their share")
        stepped.clock.step(seconds)
        os.killpg(victim.pid, signal.SIGKILL)
        await until(lambda: len(fleet.confirmed("survivor")) == 4, "the survivor to hear all", 30)
        [last] = fleet.query("select rule from {api}.decisions order by decision_id desc limit 1")
        assert last["rule"] == "session lost"


async def test_a_driver_that_starts_right_after_a_step_does_not_undo_it(
    fleet: Fleet, stepped: Stepped, start_driver: StartDriver
) -> None:
    """Its first reading is of the new time; the step is recorded by another since."""
    first = start_driver(dsn=fleet.dsn)
    await until(lambda: _runs(fleet) > 1, "jobs to run")
    first.send(signal.SIGSTOP)
    stepped.clock.step(-HOUR)
    second = start_driver(dsn=fleet.dsn)
    second.wait_for_line(event="connected")
    first.send(signal.SIGCONT)
    await until(lambda: _steps(fleet), "the step to be recorded")
    await _jobs_go_on(fleet)
    assert len(_steps(fleet)) == 1
