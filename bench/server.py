"""A server of the benchmark's own, fleets of any size in it, and one of them to measure in."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from psycopg import sql

from bench.measure import Sample
from orchestrator import templates
from orchestrator.database import db
from orchestrator.database.embedded import Embedded
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_server
from orchestrator.names import Names

_SQL = Path(__file__).parent / "sql"
_NO_LIMIT = db.Timeouts(statement_timeout=0, transaction_timeout=0, idle_in_transaction_session_timeout=0)

# As an operator would run it, safe against a crash; but nothing of the server's own housekeeping between two rounds.
SERVER_SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "8GB",
    "max_locks_per_transaction": "256",  # one session holds the locks of 5,000 workers
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "log_min_duration_statement": "-1",
    "track_functions": "none",
}


@dataclass(frozen=True)
class Size:
    """How many streams on how many instances; each instance could hold a quarter more."""

    streams: int
    instances: int

    @property
    def max_streams(self) -> int:
        return -(-self.streams * 5 // max(self.instances * 4, 1))

    def __str__(self) -> str:
        return f"{self.streams:,} / {self.instances:,}"


@dataclass
class MeasuredFleet:
    """One database with one fleet, our tables and the raw ones side by side."""

    dsn: str
    size: Size
    conn: db.Connection
    _opened: ExitStack = field(default_factory=ExitStack)

    def connect(self) -> db.Connection:
        return self._opened.enter_context(_connect(self.dsn))

    def close(self) -> None:
        self._opened.close()
        self.conn.close()

    def run(
        self,
        path: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        conn: db.Connection | None = None,
        **variables: object,
    ) -> list[db.Row]:
        """Run a file of bench/sql, unmeasured."""
        return _run(conn or self.conn, path, parameters, **variables)

    def timed(
        self,
        path: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        conn: db.Connection | None = None,
        **variables: object,
    ) -> tuple[list[db.Row], Sample]:
        """Run a file of bench/sql, and how long that took with its commit; the sample's rows are those changed."""
        query = statement(path, **variables)
        conn = conn or self.conn
        with self.stopwatch(conn) as stopwatch:
            cursor = conn.execute(query, parameters)
        rows = cursor.fetchall() if cursor.description else []
        changed = 0 if cursor.description else cursor.rowcount
        return rows, stopwatch.sample(rows=changed)

    def timed_call(self, function: str, **parameters: Any) -> tuple[list[db.Row], Sample]:
        """Call one of the public functions, and how long that took with its commit."""
        with self.stopwatch(self.conn) as stopwatch:
            rows = db.call(self.conn, function, **parameters)
        return rows, stopwatch.sample()

    @contextmanager
    def stopwatch(self, conn: db.Connection) -> Iterator["Stopwatch"]:
        stopwatch = Stopwatch()
        wal_before = self.wal_position()
        cpu_before = session_cpu_milliseconds(conn)
        started = time.perf_counter()
        yield stopwatch
        stopwatch.milliseconds = 1000 * (time.perf_counter() - started)
        stopwatch.cpu_milliseconds = session_cpu_milliseconds(conn) - cpu_before
        stopwatch.wal_bytes = self.wal_position() - wal_before

    def wal_position(self) -> int:
        return int(self.run("wal_position.sql")[0]["bytes"])

    def vacuum(self) -> None:
        self.conn.execute("vacuum (analyze)")


@dataclass
class Stopwatch:
    milliseconds: float = 0
    cpu_milliseconds: float = 0
    wal_bytes: int = 0

    def sample(self, *, rows: int = 0, runs: int = 1) -> Sample:
        """One of so many equal runs."""
        return Sample(self.milliseconds / runs, self.cpu_milliseconds / runs, round(self.wal_bytes / runs), rows)


class Server:
    """The embedded server with one waiting fleet for each size, as template databases."""

    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded
        self._admin = _connect(embedded.dsn())
        self._number = 0

    @property
    def pid(self) -> int:
        """The postmaster's."""
        assert self._embedded.pid is not None
        return self._embedded.pid

    def prepare(self, size: Size) -> str:
        """A database with a waiting fleet; returns its name."""
        dbname = f"fleet_{size.streams}_{size.instances}"
        self._admin.execute(sql.SQL("create database {}").format(sql.Identifier(dbname)))
        migrate(self._embedded.dsn(dbname))
        with _connect(self._embedded.dsn(dbname)) as conn:
            _run(
                conn,
                "build_fleet.sql",
                streams=size.streams,
                instances=size.instances,
                max_streams=size.max_streams,
            )
            _run(conn, "raw/tables.sql")
            conn.execute("vacuum (analyze)")
        return dbname

    @contextmanager
    def opened(self, dbname: str, size: Size) -> Iterator[MeasuredFleet]:
        """The prepared database itself, gone afterwards."""
        dsn = self._embedded.dsn(dbname)
        fleet = MeasuredFleet(dsn, size, _connect(dsn))
        try:
            yield fleet
        finally:
            fleet.close()
            self._admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(dbname)))

    @contextmanager
    def clone(self, template: str, size: Size) -> Iterator[MeasuredFleet]:
        self._number += 1
        dbname = f"run_{self._number}"
        self._admin.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(dbname), sql.Identifier(template))
        )
        with self.opened(dbname, size) as fleet:
            yield fleet

    def describe(self) -> db.Row:
        """Its version, and what is not as it was delivered."""
        return _run(self._admin, "server.sql")[0]

    def close(self) -> None:
        self._admin.close()


@contextmanager
def server(settings: Mapping[str, str] = SERVER_SETTINGS) -> Iterator[Server]:
    """A server in a directory of its own, gone afterwards."""
    with temporary_server("orch-bench-", settings=settings) as embedded:
        started = Server(embedded)
        try:
            yield started
        finally:
            started.close()


def statement(path: str, **variables: object) -> sql.SQL:
    text = templates.render(path, Names.for_schema(), root=_SQL, **variables)
    return sql.SQL(cast(Any, text))


def _run(
    conn: db.Connection, path: str, parameters: Mapping[str, Any] | None = None, **variables: object
) -> list[db.Row]:
    cursor = conn.execute(statement(path, **variables), parameters)
    return cursor.fetchall() if cursor.description else []


def session_cpu_milliseconds(conn: db.Connection) -> float:
    """What the server process of this session has been on a CPU for, from Linux's scheduler (man 5 proc)."""
    nanoseconds = Path(f"/proc/{conn.info.backend_pid}/schedstat").read_text().split()[0]
    return int(nanoseconds) / 1e6


def _connect(dsn: str) -> db.Connection:
    conn = db.connect(dsn, application_name="bench", timeouts=_NO_LIMIT)
    # as the public functions set it: a plan holds for one search_path, and a job called by itself would have another
    conn.execute("set search_path = pg_catalog, pg_temp")
    return conn
