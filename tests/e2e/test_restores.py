"""What was restored, copied or started from older files gives no epoch twice, and owners go on."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.database.embedded import Embedded, program_path
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_directory
from orchestrator.names import Names
from tests.shim.support import Fleet, Recorder, held, until

pytestmark = pytest.mark.slow

WORKERS = ("fingerv7-001", "fingerv7-002", "fingerv7-003")
STREAMS = 9


class Restorable:
    """A server whose fleet has a database of its own, which can be put back."""

    def __init__(self, directory: Path, names: Names) -> None:
        self.directory = directory
        self.server = Embedded(directory / "pg", settings={"fsync": "off"}).start()
        self.dsn = make_conninfo(self.server.dsn(), dbname="fleet")
        self._administer("create database fleet")
        migrate(self.dsn, names.api)

    def _administer(self, *statements: str) -> None:
        with psycopg.connect(self.server.dsn(), autocommit=True) as conn:
            for statement in statements:
                conn.execute(statement.encode())

    def _replace(self, by: str) -> None:
        self._administer(
            "alter database fleet allow_connections false",
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = 'fleet'",
            "drop database if exists before with (force)",
            "alter database fleet rename to before",
            f"alter database {by} rename to fleet",
        )

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([str(program_path(program)), *arguments], check=True, capture_output=True)

    # -- backups -----------------------------------------------------------------

    def dump(self) -> None:
        self._run("pg_dump", "--format=custom", f"--file={self.directory / 'dump'}", "--dbname", self.dsn)

    def restore_dump(self) -> None:
        self._administer("create database restored")
        target = make_conninfo(self.server.dsn(), dbname="restored")
        self._run(
            "pg_restore", "--exit-on-error", "--single-transaction", "--dbname", target, f"{self.directory / 'dump'}"
        )
        self._replace("restored")

    def keep_copy(self) -> None:
        """A copy within the server; nobody may be connected while it is made."""
        self._administer(
            "alter database fleet allow_connections false",
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = 'fleet'",
            "drop database if exists kept",
            "create database kept template fleet",
            "alter database fleet allow_connections true",
        )

    def restore_copy(self) -> None:
        self._administer("create database copied template kept")
        self._replace("copied")

    def keep_files(self) -> None:
        self.server.stop()
        shutil.rmtree(self.directory / "kept", ignore_errors=True)
        shutil.copytree(self.directory / "pg", self.directory / "kept", symlinks=True)
        self.server.start()

    def restore_files(self) -> None:
        self.server.stop(immediate=True)
        owner = (self.directory / "pg").stat()
        shutil.rmtree(self.directory / "pg")
        shutil.copytree(self.directory / "kept", self.directory / "pg", symlinks=True)
        for path in (self.directory / "pg", *(self.directory / "pg").rglob("*")):
            shutil.chown(path, owner.st_uid, owner.st_gid)
        self.server.start()

    def keep_rows(self) -> None:
        self._run(
            "pg_dump", "--format=custom", "--data-only", f"--file={self.directory / 'rows'}", "--dbname", self.dsn
        )

    def restore_rows(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            conn.execute(
                "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
                " where datname = 'fleet' and pid <> pg_backend_pid()"
            )
            tables = conn.execute(
                "select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables"
                " where schemaname like 'orchestrator%'"
            ).fetchone()
            assert tables is not None
            conn.execute(f"truncate {tables[0]} cascade".encode())
        self._run(
            "pg_restore", "--exit-on-error", "--single-transaction", "--disable-triggers", "--dbname", self.dsn,
            f"{self.directory / 'rows'}",
        )  # fmt: skip


@pytest.fixture
def restorable(names: Names) -> Iterator[Restorable]:
    with temporary_directory() as directory:
        restorable = Restorable(directory, names)
        yield restorable
        restorable.server.stop(immediate=True)


@pytest.fixture
def fleet(restorable: Restorable, names: Names) -> Iterator[Fleet]:
    fleet = Fleet(restorable.dsn, names)
    fleet.configure("settle_window", "0 seconds")
    fleet.configure("heartbeat_interval", "1 second")
    yield fleet
    fleet.close()


class Given:
    """Which process was ever seen to run which stream under which epoch."""

    def __init__(self, recorders: dict[str, Recorder]) -> None:
        self._recorders = recorders
        self._holders: dict[tuple[int, int], set[str]] = defaultdict(set)

    def look(self) -> None:
        for worker, recorder in self._recorders.items():
            for ownership in held(recorder):
                self._holders[ownership].add(worker)

    def check(self) -> None:
        twice = {ownership: holders for ownership, holders in self._holders.items() if len(holders) > 1}
        assert twice == {}


def _is_heard_by_its_owner(fleet: Fleet, recorders: dict[str, Recorder]) -> bool:
    running = sorted((s, e, worker) for worker, recorder in recorders.items() for s, e in held(recorder))
    owned = sorted((s, epoch, owner) for s, (owner, epoch, state) in fleet.assignments().items() if state == "running")
    return running == owned and len(owned) == STREAMS


def _drive(fleet: Fleet, condition: Callable[[], bool], given: Given) -> Callable[[], bool]:
    """What a driver does, over whatever connection can be had; what is held is looked at all the time."""

    def driven() -> bool:
        given.look()
        try:
            fleet.drive()
            return condition()
        except psycopg.OperationalError:
            return False

    return driven


KINDS = {
    "dump": (Restorable.dump, Restorable.restore_dump),
    "template": (Restorable.keep_copy, Restorable.restore_copy),
    "files": (Restorable.keep_files, Restorable.restore_files),
    "rows": (Restorable.keep_rows, Restorable.restore_rows),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_no_epoch_is_given_twice_and_every_owner_passes_the_fence(
    fleet: Fleet, restorable: Restorable, kind: str
) -> None:
    keep, put_back = KINDS[kind]
    fleet.add_streams(STREAMS)
    recorders = {worker: Recorder() for worker in WORKERS}
    given = Given(recorders)
    async with AsyncExitStack() as at_work:
        for worker, recorder in recorders.items():
            await at_work.enter_async_context(fleet.work(worker, recorder))

        async def come_to_rest(what: str) -> None:
            await until(_drive(fleet, lambda: _is_heard_by_its_owner(fleet, recorders), given), what, 60)

        await come_to_rest("each to hear its share")
        keep(restorable)
        await come_to_rest("each to hear its share after the backup")
        for _ in range(2):  # twice from the same backup
            # what is forgotten: streams change hands
            for stream_id, (owner, _, _) in sorted(fleet.assignments().items())[:4]:
                to = WORKERS[(WORKERS.index(str(owner)) + 1) % len(WORKERS)]
                fleet.query("select * from {api}.move_stream(%(stream_id)s, %(to)s)", stream_id=stream_id, to=to)
            await come_to_rest("the moves")
            highest = max(epoch for recorder in recorders.values() for _, epoch in held(recorder))
            ended = {worker: len(recorder.ends) for worker, recorder in recorders.items()}
            stayed = {s for s, (owner, epoch, _) in fleet.assignments().items() if s > 4}
            put_back(restorable)
            await come_to_rest("the fleet after the restore")
            assert min(epoch for _, epoch, _ in fleet.assignments().values()) > highest
            for recorder in recorders.values():
                for stream_id, epoch in held(recorder):
                    [row] = fleet.query("select {api}.is_current(%(s)s, %(e)s) as passes", s=stream_id, e=epoch)
                    assert row["passes"]
            # who had it before and after goes on hearing it
            stopped = {s for worker, recorder in recorders.items() for s, _ in recorder.ends[ended[worker] :]}
            assert not stopped & stayed
    given.check()
    assert not any(recorder.doubled for recorder in recorders.values())
