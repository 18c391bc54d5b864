"""What the tests of the shim share: waiting for a condition, a handler that remembers, and a fleet to work in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from orchestrator.names import Names
from tests.support import query
from worker_shim import Context, Stream, Worker

PATIENCE = 30.0


async def until(condition: Callable[[], object], what: str = "", patience: float = PATIENCE) -> None:
    """Wait for a condition; a test that waits in vain fails and says for what."""
    deadline = asyncio.get_running_loop().time() + patience
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain for {what or condition}"
        await asyncio.sleep(0.02)


@dataclass
class Recorder:
    """A handler that runs until it is cancelled, and a memory of what was started and ended."""

    running: dict[int, Stream] = field(default_factory=dict)
    starts: list[tuple[int, int]] = field(default_factory=list)
    ends: list[tuple[int, int]] = field(default_factory=list)
    contexts: dict[int, Context] = field(default_factory=dict)
    doubled: bool = False
    beside: "Recorder | None" = None  # another worker's: a stream in both at once is heard twice

    async def __call__(self, stream: Stream, context: Context) -> None:
        self.doubled |= stream.stream_id in self.running
        self.doubled |= self.beside is not None and stream.stream_id in self.beside.running
        self.running[stream.stream_id] = stream
        self.contexts[stream.stream_id] = context
        self.starts.append((stream.stream_id, stream.epoch))
        try:
            await asyncio.Event().wait()
        finally:
            del self.running[stream.stream_id]
            self.ends.append((stream.stream_id, stream.epoch))


class Wire:
    """A wire that can be frozen: connections stay, nothing comes through, as behind a firewall that forgot them."""

    def __init__(self, dsn: str, directory: str) -> None:
        parts = conninfo_to_dict(dsn)
        self._target = f"{parts['host']}/.s.PGSQL.{parts['port']}"
        self._path = f"{directory}/.s.PGSQL.5432"
        self.dsn = make_conninfo(dsn, host=directory, port=5432)
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def freeze(self) -> None:
        self._flows.clear()

    def thaw(self) -> None:
        """New connections get through; what was on the frozen ones is lost."""
        for task in self._tasks:
            task.cancel()
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        there, back = await asyncio.open_unix_connection(self._target)
        for source, sink in ((reader, back), (there, writer)):
            self._tasks.add(asyncio.create_task(self._copy(source, sink)))

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._flows.wait()
                sink.write(data)
        finally:
            sink.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_unix_server(self._serve, self._path)
        try:
            yield
        finally:
            server.close()
            self.thaw()
            await asyncio.gather(*self._tasks, return_exceptions=True)


class Fleet:
    """A migrated database, seen by an administrator who also drives its jobs, and the workers of one test."""

    def __init__(self, dsn: str, names: Names) -> None:
        self.dsn = dsn
        self.names = names
        self._connection: psycopg.Connection[dict[str, Any]] | None = None

    def query(self, text: LiteralString, **parameters: Any) -> list[dict[str, Any]]:
        """Rows of a query in which {api} and {private} stand for the schemas; reconnects after a restart."""
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row)
        return query(self._connection, text, self.names, parameters)

    def configure(self, name: str, value: str) -> None:
        self.query("select * from {api}.set_setting(%(name)s, %(value)s)", name=name, value=value)

    def add_streams(self, count: int) -> list[int]:
        """Streams called Radio 1, Radio 2, …; returns their ids."""
        rows = self.query(
            "select s.stream_id from generate_series(1, %(count)s) as n,"
            " {api}.add_stream('http://station.example/' || n + %(before)s, 'Radio ' || n + %(before)s) as s",
            count=count,
            before=len(self.assignments()),
        )
        return [row["stream_id"] for row in rows]

    def drive(self) -> None:
        """What a driver does: run the jobs that are due."""
        self.query("select * from {api}.run_due_jobs()")

    async def until(self, condition: Callable[[], object], what: str = "", patience: float = PATIENCE) -> None:
        """Drive until a condition holds."""

        def driven() -> object:
            self.drive()
            return condition()

        await until(driven, what, patience)

    def assignments(self) -> dict[int, tuple[str | None, int, str]]:
        """stream_id → (owner, epoch, state)"""
        rows = self.query("select stream_id, instance_id, epoch, state from {private}.assignment")
        return {row["stream_id"]: (row["instance_id"], row["epoch"], row["state"]) for row in rows}

    def confirmed(self, instance_id: str) -> set[tuple[int, int]]:
        """(stream_id, epoch) that an instance has confirmed as running."""
        return {
            (stream_id, epoch)
            for stream_id, (owner, epoch, state) in self.assignments().items()
            if owner == instance_id and state == "running"
        }

    def instance(self, instance_id: str) -> dict[str, Any]:
        """What is known of an instance, with its last beat."""
        (row,) = self.query(
            "select i.*, h.beat_at, h.in_step, h.current_streams, h.processed_count, h.error_count, h.cpu_usage,"
            " h.memory_usage, h.progressing, h.breaker, h.breaker_opened, h.beats, h.round_trip"
            " from {private}.instance as i join {private}.heartbeat as h using (instance_id)"
            " where i.instance_id = %(instance_id)s",
            instance_id=instance_id,
        )
        return row

    def create_worker_login(self, login: str) -> None:
        """A login that may do what workers may, and nothing else."""
        self._execute(sql.SQL("create role {} login in role {}"), login, self.names.worker)

    def drop_login(self, login: str) -> None:
        self._execute(sql.SQL("drop role {}"), login)

    def _execute(self, text: sql.SQL, *identifiers: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(text.format(*map(sql.Identifier, identifiers)))

    def sessions(self) -> int:
        """How many workers' sessions are tied to their instances now."""
        return len(self.query("select 1 from {private}.held_sessions()"))

    def cut_workers(self) -> int:
        """End the session of every worker, as a firewall or an administrator does; returns how many there were."""
        rows = self.query(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
            " where application_name like 'worker_shim %%' and datname = current_database()"
        )
        return len(rows)

    def worker(self, instance_id: str, handler: Any, **options: Any) -> Worker:
        """A worker of this fleet, not yet started."""
        defaults: dict[str, Any] = {"dsn": self.dsn, "schema": self.names.api, "max_streams": 10, "stop_timeout": 2}
        defaults["on_exit"] = "leave"
        return Worker(instance_id=instance_id, handler=handler, **(defaults | options))

    @asynccontextmanager
    async def work(self, instance_id: str, handler: Any, **options: Any) -> AsyncIterator[Worker]:
        """A worker in this process, which leaves at the end; what ended it before is raised."""
        worker = self.worker(instance_id, handler, **options)
        task = asyncio.create_task(worker.run_async())
        try:
            yield worker
        finally:
            worker.stop()
            await asyncio.wait_for(task, PATIENCE)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def held(recorder: Recorder) -> set[tuple[int, int]]:
    """(stream_id, epoch) of the handlers that run now."""
    return {(stream.stream_id, stream.epoch) for stream in recorder.running.values()}


async def in_step(fleet: Fleet, instance_id: str, recorder: Recorder, count: int) -> None:
    """Wait until so many handlers run, and all are confirmed under their epochs."""
    await fleet.until(
        lambda: len(recorder.running) == count and fleet.confirmed(instance_id) == held(recorder),
        f"{count} streams of {instance_id}",
    )
