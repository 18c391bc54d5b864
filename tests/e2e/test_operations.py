"""The runbooks of docs/operating/operations.md, with the commands that stand there and real processes."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.database.embedded import PORT, USER, Embedded, program_path
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_directory
from orchestrator.names import Names
from tests.driver.conftest import StartDriver
from tests.driver.processes import ORCHESTRATOR, wait_until
from tests.rooms import path_of, sql_file_of
from tests.shim.conftest import fleet as fleet
from tests.shim.support import Fleet, Recorder, held, in_step, until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
WORKERS = ("fingerv7-001", "fingerv7-002", "fingerv7-003")


def runbook(heading: str, block: int, variables: Mapping[str, str | Path]) -> str:
    """Run a block of the runbook, as it stands there; returns what it says."""
    text = (ROOT / "docs" / "operating" / "operations.md").read_text()
    section = re.split(r"^## ", text, flags=re.MULTILINE)
    [chapter] = [part for part in section if part.startswith(f"{heading}\n")]
    script = re.findall(r"^```sh\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)[block - 1]
    programs = f"{ORCHESTRATOR.parent}:{program_path('psql').parent}"
    done = subprocess.run(
        ["sh", "-euc", script],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", **{k: str(v) for k, v in variables.items()}},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{heading}: {done.stdout}\n{done.stderr}"
    return done.stdout


def shim(fleet: Fleet, instance_id: str, log: Path) -> "subprocess.Popen[bytes]":
    command = ["run", "--instance-id", instance_id, "--max-streams", "10", "--exec", "sleep 600"]
    options = ["--dsn", fleet.dsn, "--schema", fleet.names.api, "--on-exit", "suspend", "--wait-for-id", "30"]
    with log.open("ab") as output:
        return subprocess.Popen([sys.executable, "-m", "worker_shim", *command, *options], stderr=output)


def test_instances_are_added_upgraded_drained_and_removed_and_nothing_moves_that_need_not(
    fleet: Fleet, start_driver: StartDriver, tmp_path: Path
) -> None:
    start_driver()
    fleet.add_streams(6)
    where = {"ORCHESTRATOR_DSN": fleet.dsn, "ORCHESTRATOR_SCHEMA": fleet.names.api}
    processes = {name: shim(fleet, name, tmp_path / name) for name in WORKERS[:2]}
    try:
        assert "Radio" in runbook("Add an instance", 1, {"INSTANCE": WORKERS[1], **where})
        wait_until(lambda: [len(fleet.confirmed(name)) for name in processes] == [3, 3], what="both have their share")
        before = fleet.assignments()

        for name in WORKERS[:2]:
            processes[name].send_signal(signal.SIGTERM)
            assert processes[name].wait(30) == 0
            processes[name] = shim(fleet, name, tmp_path / name)
            runbook("Upgrade the workers", 1, {"INSTANCE": name, **where})
        after = fleet.assignments()
        assert {stream: owner for stream, (owner, _, _) in after.items()} == {
            stream: owner for stream, (owner, _, _) in before.items()
        }
        assert all(after[stream][1] == epoch + 1 for stream, (_, epoch, _) in before.items())

        first, second = WORKERS[:2]
        runbook("Drain an instance", 1, {"INSTANCE": first, **where})
        assert {owner for owner, _, _ in fleet.assignments().values()} == {second}
        runbook("Drain an instance", 2, {"INSTANCE": first, **where})
        runbook("Remove an instance", 1, {"INSTANCE": second, **where})
        assert processes[second].wait(30) == 1, "it is told to go"
        assert {owner for owner, _, _ in fleet.assignments().values()} == {first}
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


async def test_an_upgrade_of_the_schema_moves_nothing_while_workers_and_a_driver_run(
    fleet: Fleet, start_driver: StartDriver, tmp_path: Path
) -> None:
    """A function that every beat calls is changed, and a table that it reads."""
    program = tmp_path / "new"
    for folder in ("orchestrator", "worker_shim", "sql", "migrations"):
        shutil.copytree(ROOT / folder, program / folder, ignore=shutil.ignore_patterns("__pycache__"))
    heartbeat = program / "sql" / path_of(sql_file_of("heartbeat"))
    heartbeat.write_text(heartbeat.read_text().replace("\nbegin\n", "\nbegin\n    -- the next version\n", 1))
    (program / "migrations" / "9999_next.sql").write_text(
        "alter table {{ private }}.instance add column next_version boolean;\n"
        "comment on column {{ private }}.instance.next_version is 'A test.';\n"
    )
    fleet.configure("heartbeat_interval", "1 second")
    fleet.add_streams(6)
    where = {"ORCHESTRATOR_DSN": fleet.dsn, "ORCHESTRATOR_SCHEMA": fleet.names.api}
    recorders = {worker: Recorder() for worker in WORKERS}
    async with AsyncExitStack() as at_work:
        for worker, recorder in recorders.items():
            await at_work.enter_async_context(fleet.work(worker, recorder))
        for worker, recorder in recorders.items():
            await in_step(fleet, worker, recorder, 2)
        driver = start_driver()
        await until(lambda: driver.lines(event="connected"), "the driver")
        before, decisions = fleet.assignments(), fleet.query("select count(*) from {api}.decisions")

        migrated = await asyncio.to_thread(runbook, "Upgrade the orchestrator", 1, {"PYTHONPATH": program, **where})

        assert "9999" in migrated
        moment = fleet.query("select clock_timestamp() as now")[0]["now"]
        for worker in WORKERS:
            await until(partial(_has_beaten_since, fleet, worker, moment), "a beat of the new version")
            assert fleet.instance(worker)["in_step"]
        assert fleet.assignments() == before
        assert fleet.query("select count(*) from {api}.decisions") == decisions
        assert [recorder.ends for recorder in recorders.values()] == [[], [], []]
        assert fleet.query("select 1 from {api}.repairs") == []
        assert not driver.lines(event="job failed")
        assert driver.process.poll() is None


@pytest.fixture
def servers(names: Names) -> Iterator[tuple[Embedded, Embedded]]:
    """The old server with a fleet in its database "orchestrator", and a new one that is not started yet."""
    with temporary_directory() as directory:
        old, new = (Embedded(directory / name, settings={"fsync": "off"}) for name in ("old", "new"))
        try:
            with psycopg.connect(old.start().dsn(), autocommit=True) as conn:
                conn.execute("create database orchestrator")
            migrate(old.dsn("orchestrator"), names.api)
            yield old, new
        finally:
            old.stop(immediate=True)
            new.stop(immediate=True)


async def test_a_backup_restored_into_a_new_server_is_brought_in_step_by_the_workers_and_none_is_owner_twice(
    servers: tuple[Embedded, Embedded], names: Names, tmp_path: Path
) -> None:
    """R3.3, R3.4, R5.2"""
    old, new = servers
    dsn = make_conninfo(
        host=f"{old.socket_directory},{new.socket_directory}",
        port=PORT,
        user=USER,
        dbname="orchestrator",
        target_session_attrs="read-write",
    )
    fleet = Fleet(dsn, names)
    for setting, value in (("settle_window", "0 s"), ("heartbeat_interval", "1 s")):
        fleet.configure(setting, value)
    where: dict[str, str | Path] = {"ORCHESTRATOR_DSN": old.dsn("orchestrator"), "ORCHESTRATOR_SCHEMA": names.api}
    backup: dict[str, str | Path] = {"BACKUP": tmp_path / "orchestrator.dump", "NEW_SERVER": new.dsn()}
    recorders = {worker: Recorder() for worker in WORKERS}
    one, two, _ = WORKERS
    async with AsyncExitStack() as at_work:
        for worker, recorder in recorders.items():
            await at_work.enter_async_context(fleet.work(worker, recorder))
        fleet.add_streams(12)
        for worker, recorder in recorders.items():
            await in_step(fleet, worker, recorder, 4)
        runbook("Back up", 1, where | backup)
        # what the backup does not know: streams that moved there and back, one that stayed there, and a new one
        moved, strayed = list(recorders[one].running)[:2]
        for stream, target in ((moved, two), (strayed, two), (moved, one), (moved, two), (moved, one)):
            fleet.query("select * from {api}.move_stream(%(stream)s, %(target)s)", stream=stream, target=target)
            await fleet.until(partial(_is_running, fleet, stream, target), f"the move to {target}")
        (unknown,) = fleet.add_streams(1)
        await fleet.until(lambda: any(unknown in recorder.running for recorder in recorders.values()), "the new one")
        highest = recorders[one].running[moved].epoch

        old.stop(immediate=True)
        heard = [held(recorder) for recorder in recorders.values()]
        new.start()
        await asyncio.to_thread(runbook, "Restore", 1, where | backup)
        assert [held(recorder) for recorder in recorders.values()] == heard, "all are heard meanwhile"
        fleet.close()

        def heard_once() -> bool:
            running = sorted((s, e, worker) for worker, recorder in recorders.items() for s, e in held(recorder))
            return running == sorted((s, epoch, owner) for s, (owner, epoch, _) in fleet.assignments().items())

        await fleet.until(heard_once, "every stream is heard by its owner, under its epoch, and by no other")
        owner, epoch, _ = fleet.assignments()[moved]
        assert (owner, epoch > highest) == (one, True), "or the fence of another database would refuse it for ever"
        assert fleet.assignments()[strayed][0] == one, "whose it was by the backup"
        assert unknown not in fleet.assignments()
        assert not any(recorder.doubled for recorder in recorders.values())
        fleet.drive()
        await asyncio.to_thread(runbook, "Restore", 2, where | {"ORCHESTRATOR_DSN": new.dsn("orchestrator")})
    fleet.close()


def _has_beaten_since(fleet: Fleet, instance_id: str, moment: datetime) -> bool:
    return bool(fleet.instance(instance_id)["beat_at"] > moment)


def _is_running(fleet: Fleet, stream_id: int, instance_id: str) -> bool:
    owner, _, state = fleet.assignments()[stream_id]
    return (owner, state) == (instance_id, "running")
