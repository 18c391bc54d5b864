"""`worker-shim run`: real worker processes with a real program per stream."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from tests.shim.support import Fleet, Recorder, in_step, until
from worker_shim.cli import main

# Says that it runs by a file with its pid, and takes the file away when it is asked to end.
PROGRAM = """
import os, pathlib, signal, sys, time
me = pathlib.Path(sys.argv[1]) / sys.argv[2]
signal.signal(signal.SIGTERM, lambda *_: (me.unlink(), sys.exit(0)))
me.write_text(str(os.getpid()))
time.sleep(600)
"""


@dataclass
class Process:
    """A worker process, the directory in which its programs say that they run, and its log."""

    process: asyncio.subprocess.Process
    directory: Path
    log: Path

    def running(self) -> set[str]:
        return {path.name for path in self.directory.iterdir()}

    def pids(self) -> list[int]:
        return [int(path.read_text() or 0) for path in self.directory.iterdir()]


Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(fleet: Fleet, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts worker processes, and ends what is left of them."""
    started: list[Process] = []
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    async def start(instance_id: str, *options: str) -> Process:
        directory = tmp_path / f"{instance_id}-{len(started)}"
        directory.mkdir()
        log = tmp_path / f"{directory.name}.log"
        with log.open("w") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "worker_shim", "run", "--instance-id", instance_id, "--max-streams", "10"),
                *("--exec", f"{sys.executable} {program} {directory} {{stream_id}}-{{epoch}}"),
                *("--dsn", fleet.dsn, "--schema", fleet.names.api, "--stop-timeout", "5", *options),
                stderr=output,
                cwd=Path(__file__).parents[2],
            )
        started.append(Process(process, directory, log))
        return started[-1]

    yield start
    for worker in started:
        children = psutil.Process(worker.process.pid).children() if worker.process.returncode is None else []
        if worker.process.returncode is None:
            worker.process.kill()
            await worker.process.wait()
        for child in children:
            if child.is_running():
                child.kill()


def names(fleet: Fleet, instance_id: str) -> set[str]:
    """What the programs of an instance should be called, from what it has confirmed."""
    return {f"{stream_id}-{epoch}" for stream_id, epoch in fleet.confirmed(instance_id)}


async def all_run(fleet: Fleet, worker: Process, instance_id: str, count: int) -> None:
    def is_so() -> bool:
        confirmed = names(fleet, instance_id)  # once: it may change between two questions
        return len(confirmed) == count and worker.running() == confirmed

    await fleet.until(is_so, f"{count} programs of {instance_id}")


async def test_a_program_runs_per_stream_and_sigterm_hands_all_of_them_over(fleet: Fleet, start: Start) -> None:
    fleet.add_streams(4)
    worker = await start("fingerv7-001", "--on-exit", "drain")
    await all_run(fleet, worker, "fingerv7-001", 4)
    other = Recorder()
    async with fleet.work("fingerv7-002", other):
        await in_step(fleet, "fingerv7-002", other, 2)
        await all_run(fleet, worker, "fingerv7-001", 2)
        worker.process.send_signal(signal.SIGTERM)
        await in_step(fleet, "fingerv7-002", other, 4)
        assert await asyncio.wait_for(worker.process.wait(), 20) == 0
    assert worker.running() == set()
    assert fleet.instance("fingerv7-001")["status"] == "removed"


async def test_a_killed_worker_takes_its_programs_with_it_and_others_get_its_streams(
    fleet: Fleet, start: Start
) -> None:
    """R1.2"""
    fleet.configure("disconnect_grace", "1 second")
    fleet.add_streams(4)
    other = Recorder()
    async with fleet.work("fingerv7-002", other):
        worker = await start("fingerv7-001")
        await all_run(fleet, worker, "fingerv7-001", 2)
        pids = worker.pids()
        worker.process.send_signal(signal.SIGKILL)
        await until(lambda: not any(_lives(pid) for pid in pids), "the end of the programs")
        await in_step(fleet, "fingerv7-002", other, 4)


async def test_several_instances_in_one_process_are_drained_one_by_one_and_lost_together(
    fleet: Fleet, start: Start
) -> None:
    fleet.configure("disconnect_grace", "1 second")
    fleet.configure("restart_grace", "1 second")  # two of three sessions vanish together
    fleet.add_streams(6)
    other = Recorder()
    worker = await start("fingerv7-001", "--instance-id", "fingerv7-002")

    def run(*counts: int) -> bool:
        """So many streams of each of the two, each with its program, and no other program."""
        ours = [names(fleet, instance_id) for instance_id in ("fingerv7-001", "fingerv7-002")]
        return tuple(map(len, ours)) == counts and worker.running() == ours[0] | ours[1]

    await fleet.until(lambda: run(3, 3), "streams of both")
    untouched = names(fleet, "fingerv7-002")
    async with fleet.work("fingerv7-003", other):
        await in_step(fleet, "fingerv7-003", other, 2)
        await fleet.until(lambda: run(2, 2), "two streams of each")
        kept = names(fleet, "fingerv7-002")
        assert kept < untouched
        fleet.query("select * from {api}.drain_instance('fingerv7-001')")
        await fleet.until(lambda: run(0, 6 - len(other.running)), "the drain of one")
        assert kept <= names(fleet, "fingerv7-002")
        pids = worker.pids()
        worker.process.send_signal(signal.SIGKILL)
        await until(lambda: not any(_lives(pid) for pid in pids), "the end of the programs")
        await in_step(fleet, "fingerv7-003", other, 6)
    assert {fleet.instance(each)["status"] for each in ("fingerv7-001", "fingerv7-002")} <= {"inactive", "removed"}


async def test_a_worker_that_was_killed_and_started_again_gets_the_same_streams_under_new_epochs(
    fleet: Fleet, start: Start
) -> None:
    fleet.add_streams(4)
    other = Recorder()
    async with fleet.work("fingerv7-002", other):
        worker = await start("fingerv7-001")
        await all_run(fleet, worker, "fingerv7-001", 2)
        before = {int(name.split("-")[0]): name for name in worker.running()}
        worker.process.send_signal(signal.SIGKILL)
        again = await start("fingerv7-001", "--wait-for-id", "10")
        await all_run(fleet, again, "fingerv7-001", 2)
        assert {int(name.split("-")[0]) for name in again.running()} == before.keys()
        assert again.running().isdisjoint(before.values())
        assert len(other.running) == 2


async def test_a_second_worker_with_the_same_id_ends_with_status_1_and_a_hint(fleet: Fleet, start: Start) -> None:
    fleet.add_streams(2)
    first = await start("fingerv7-001")
    await all_run(fleet, first, "fingerv7-001", 2)
    second = await start("fingerv7-001")
    assert await asyncio.wait_for(second.process.wait(), 20) == 1
    said = second.log.read_text()
    assert "worker-shim: the instance id is in use by another live process (OR104)\ndetail: " in said
    assert "\nhint: stop the other process" in said
    assert "Traceback" not in said and second.running() == set()
    await all_run(fleet, first, "fingerv7-001", 2)


@pytest.mark.parametrize(
    ("instance_id", "options", "code", "said"),
    [
        ("two words", [], "OR101", '"argument": "p_instance_id"}\nhint: an id of'),
        ("fingerv7-001", ["--schema", "nowhere"], "3F000", "hint: the schema is not installed"),
    ],
)
async def test_a_refusal_has_a_code_and_a_hint(
    start: Start, instance_id: str, options: list[str], code: str, said: str
) -> None:
    worker = await start(instance_id, *options)
    assert await asyncio.wait_for(worker.process.wait(), 20) == 1
    told = worker.log.read_text().partition("worker-shim: ")[2]
    assert f"({code})" in told and said in told


async def test_a_second_sigterm_ends_a_drain_at_once(fleet: Fleet, start: Start) -> None:
    fleet.add_streams(2)
    worker = await start("fingerv7-001", "--drain-timeout", "600")
    await all_run(fleet, worker, "fingerv7-001", 2)
    worker.process.send_signal(signal.SIGTERM)
    await until(lambda: "leaving" in worker.log.read_text())
    worker.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(worker.process.wait(), 10) == 0
    assert worker.running() == set() and fleet.instance("fingerv7-001")["status"] == "removed"


async def test_a_worker_that_never_reaches_its_database_still_ends_on_sigterm(start: Start) -> None:
    worker = await start("fingerv7-001", "--dsn", "host=127.0.0.1 port=1 dbname=nowhere password=hunter2")
    await until(lambda: "database away" in worker.log.read_text())
    worker.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(worker.process.wait(), 15) == 0
    assert "hunter2" not in worker.log.read_text() and "Traceback" not in worker.log.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-streams", "0"], "0 is not in the range 1<=x<=1000"),
        (["--max-streams", "1001"], "1001 is not in the range"),
        (["--dsn", "postgres//me:secret@host"], "the DSN cannot be parsed"),
        (["--exec", ""], "the command is empty"),
        (["--log-level", "loud"], "'loud' is not one of"),
        (["--on-isolation", "stop", "--lease", "5"], "too short"),
        (["--lease", "nan"], "'nan' is no number of seconds"),
        (["--drain-timeout", "1e300"], "'1e300' is no number of seconds"),
    ],
)
def test_a_mistake_on_the_command_line_is_status_2_and_a_sentence(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["run", "--instance-id", "a", "--max-streams", "5", "--exec", "true", *arguments])
    assert result.exit_code == 2
    assert said in result.output and "secret" not in result.output and "Traceback" not in result.output


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
