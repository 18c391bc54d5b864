"""One process is one process, also when several were made of one that had its Worker already."""

import asyncio
import multiprocessing
import os
from pathlib import Path

import pytest

from tests.shim.support import Fleet, until
from worker_shim import Context, Refused, Stream, Worker
from worker_shim.identity import Identity

FORK = multiprocessing.get_context("fork")


def _work(worker: Worker, refusals: Path) -> None:
    try:
        worker.run()
    except Refused as error:
        with refusals.open("a") as file:
            file.write(f"{error.code}\n")


async def test_two_children_of_a_process_that_made_its_worker_are_two_processes(fleet: Fleet, tmp_path: Path) -> None:
    heard, refusals = tmp_path / "heard", tmp_path / "refusals"
    fleet.add_streams(4)

    async def listen(stream: Stream, context: Context) -> None:
        while True:
            if context.valid:
                with heard.open("a") as file:
                    file.write(f"{os.getpid()} {stream.stream_id}\n")
            await asyncio.sleep(0.02)

    worker = Worker(fleet.dsn, "fv-1", 10, listen, schema=fleet.names.api, on_exit="leave")
    children = [FORK.Process(target=_work, args=(worker, refusals)) for _ in range(2)]
    try:
        for child in children:
            child.start()
        await fleet.until(refusals.exists, "one of them is refused")
        await fleet.until(lambda: heard.exists() and len(set(heard.read_text().splitlines())) == 4, "four are heard")
        await until(lambda: sum(child.is_alive() for child in children) == 1, "the other one is gone")
        await asyncio.sleep(1)  # many beats of what would be a quarrel
    finally:
        for child in children:
            child.kill()
            child.join()
    assert refusals.read_text() == "OR104\n"
    assert len({line.split()[0] for line in heard.read_text().splitlines()}) == 1, "one process hears them all"


def test_what_registers_again_is_the_same_process() -> None:
    identity = Identity()
    assert identity.as_metadata() == identity.as_metadata()
    assert identity.as_metadata()["process"] != Identity().as_metadata()["process"]


@pytest.mark.parametrize("key", ["host", "pid"])
async def test_a_program_may_say_itself_where_it_runs(fleet: Fleet, key: str) -> None:
    """In a container it knows better."""
    worker = Worker(fleet.dsn, "fv-1", 10, _never, schema=fleet.names.api, metadata={key: "elsewhere"})
    task = asyncio.create_task(worker.run_async())
    await until(lambda: worker.is_registered, "it is registered")
    [row] = fleet.query("select metadata from {private}.instance")
    worker.stop("leave")
    await task
    assert row["metadata"][key] == "elsewhere"


async def _never(stream: Stream, context: Context) -> None:
    await asyncio.Event().wait()
