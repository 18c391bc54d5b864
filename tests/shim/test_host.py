"""`python -m worker_shim.host`: real worker processes around a handler that is only named."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.shim.support import Fleet, until
from worker_shim.host import main

# Writes down what happens to it; imports nothing of the shim, as it must not need to.
MODULE = """
import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

@asynccontextmanager
async def create(directory, *words, instance_id):
    said = (Path(directory) / "said").open("w", buffering=1)
    print("begin", *words, instance_id, file=said)

    async def listen(stream, context):
        print("hear", stream.name, file=said)
        try:
            await asyncio.Event().wait()
        finally:
            print("end", stream.name, file=said)

    yield listen
    print("flush", file=said)

async def fail_when_asked(directory):
    while not (Path(directory) / "fail").exists():
        await asyncio.sleep(0.02)
    raise OSError("the disk is full")

@asynccontextmanager
async def create_with_task(directory, *, instance_id):
    async with create(directory, instance_id=instance_id) as listen, asyncio.TaskGroup() as tasks:
        tasks.create_task(fail_when_asked(directory))
        yield listen
"""

Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start(fleet: Fleet, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a worker process around a factory of the module above, and ends what is left of it."""
    started: list[asyncio.subprocess.Process] = []
    (tmp_path / "listening.py").write_text(MODULE)

    async def start(factory: str, *words: str) -> asyncio.subprocess.Process:
        with (tmp_path / "log").open("w") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "worker_shim.host", f"listening:{factory}"),
                *("--instance-id", "fv-1", "--max-streams", "10", "--on-exit", "leave"),
                *("--dsn", fleet.dsn, "--schema", fleet.names.api, *words),
                stderr=output,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(["", str(tmp_path), *sys.path])},
                cwd=Path(__file__).parents[2],
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


def said(directory: Path) -> list[str]:
    path = directory / "said"
    return path.read_text().splitlines() if path.exists() else []


async def test_a_factory_gets_its_arguments_and_is_left_when_every_handler_has_ended(
    fleet: Fleet, start: Start, tmp_path: Path
) -> None:
    fleet.add_streams(1)
    process = await start("create", "--", str(tmp_path), "--loud", "twice")
    await fleet.until(lambda: "hear Radio 1" in said(tmp_path) and fleet.confirmed("fv-1"))
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == 0
    assert said(tmp_path) == ["begin --loud twice fv-1", "hear Radio 1", "end Radio 1", "flush"]
    assert re.search("category=INSTANCE event=.registered", (tmp_path / "log").read_text())


async def test_a_task_of_the_factory_that_fails_ends_the_worker(fleet: Fleet, start: Start, tmp_path: Path) -> None:
    fleet.add_streams(1)
    process = await start("create_with_task", "--", str(tmp_path))
    await fleet.until(lambda: "hear Radio 1" in said(tmp_path))
    (tmp_path / "fail").touch()
    assert await asyncio.wait_for(process.wait(), 30) == 1
    assert said(tmp_path)[-1] == "end Radio 1"
    assert "the disk is full" in (tmp_path / "log").read_text()


async def test_its_options_are_those_of_the_worker(fleet: Fleet, start: Start, tmp_path: Path) -> None:
    await start("create", "--lease", "70", "--make-before-break", "--", str(tmp_path))

    def registered() -> list[dict[str, object]]:
        return fleet.query(
            "select lease = interval '70 seconds' and stop_within is not null as with_lease,"
            " metadata->>'make_before_break' as make_before_break from {private}.instance"
        )

    await until(registered, "the registration")
    assert registered() == [{"with_lease": True, "make_before_break": "true"}]


async def test_a_worker_that_is_refused_says_why(fleet: Fleet, start: Start, tmp_path: Path) -> None:
    fleet.query("select * from {api}.register_instance('fv-1', 5)")
    fleet.query("select * from {api}.remove_instance('fv-1')")
    process = await start("create", "--", str(tmp_path))
    assert await asyncio.wait_for(process.wait(), 30) == 1
    assert "OR404" in (tmp_path / "log").read_text()
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("listening", "not of the form MODULE:FACTORY"),
        ("no_such.module:create", "there is no module 'no_such.module'"),
        ("worker_shim.stream:create", "the module 'worker_shim.stream' has no 'create'"),
    ],
)
def test_a_name_that_leads_nowhere_is_a_mistake_in_the_command(name: str, words: str) -> None:
    result = CliRunner().invoke(main, [name, "--instance-id", "fv-1", "--max-streams", "10"])
    assert result.exit_code == 2
    assert words in result.output
