"""One server for the session, one migrated template database, one clone of it per test.

The server is the embedded one. So that the same tests run on any version, ORCHESTRATOR_TEST_PROGRAMS may name the
directory of another PostgreSQL's programs, or ORCHESTRATOR_TEST_SERVER_DSN a superuser on a running server.
ORCHESTRATOR_TEST_SCHEMA runs them under another schema name.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pytest_postgresql import factories
from pytest_postgresql.executors import NoopExecutor
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]  # it carries no types

from orchestrator.install.migrate import migrate
from orchestrator.lab.server import fast_directory, temporary_server
from orchestrator.names import Names
from tests.kept import Kept
from tests.support import Clock, Database, Server

SCHEMA = os.environ.get("ORCHESTRATOR_TEST_SCHEMA", "orchestrator")

# What may be lost when the machine stops is worth nothing here.
_FAST_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
    # a database that many tests use would be vacuumed while one of them looks
    "autovacuum_naptime": "1d",
}


_ONE_PROCESS_EACH = (
    "tests/dashboard/",
    "tests/explorer/",
    "tests/security/test_hostile_texts.py",
    "tests/security/test_planted_code.py",
    "tests/security/test_roles.py",
    "tests/sql/diagnose/test_database.py",
)

# Minutes altogether, most of them waiting for other programs.
_LONG = (
    *_ONE_PROCESS_EACH,
    "tests/alerts/test_delivery.py",
    "tests/cli/test_completion.py",
    "tests/docs/",
    "tests/driver/",
    "tests/e2e/",
    "tests/http/test_access.py",
    "tests/http/test_openapi.py",
    "tests/migrate/test_migrate.py",
    "tests/migrate/test_render.py",
    "tests/properties/",
    "tests/sql/test_crash_loops.py",
)


class _OneProcessPerModule(LoadGroupScheduling):  # type: ignore[misc]  # as above
    """What a module of these rooms builds for all its tests takes seconds (a browser, a server, logins), so one process
    runs it. Others go one by one.

    (xdist's own marks for this write to node ids, which pytest 9.2 does not read any more.)
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if module.startswith(_ONE_PROCESS_EACH) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _OneProcessPerModule:
    return _OneProcessPerModule(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no process is left alone with it in the end."""
    items.sort(key=lambda item: not (item.get_closest_marker("slow") or item.nodeid.startswith(_LONG)))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server and a superuser on it."""
    if given := os.environ.get("ORCHESTRATOR_TEST_SERVER_DSN"):
        parts = conninfo_to_dict(given)
        yield Server(
            host=str(parts["host"]),
            port=str(parts.get("port", 5432)),
            user=str(parts.get("user", "postgres")),
            password=parts.get("password"),  # type: ignore[arg-type]  # libpq's dictionary is typed for all keys at once
        )
        return
    programs = os.environ.get("ORCHESTRATOR_TEST_PROGRAMS")
    with temporary_server(
        within=fast_directory(), settings=_FAST_SETTINGS, programs=Path(programs) if programs else None
    ) as embedded:
        yield Server(host=str(embedded.socket_directory), port="5432", user="postgres")


def _migrate_template(*, host: str, port: str, user: str, dbname: str, password: str | None, **_: object) -> None:
    migrate(make_conninfo(host=host, port=port, user=user, dbname=dbname, password=password), SCHEMA)


template = factories.postgresql_noproc(dbname="template_orchestrator", depends_on="server", load=[_migrate_template])
_numbers = count(1)


@pytest.fixture(scope="session")
def names() -> Names:
    return Names.for_schema(SCHEMA)


@pytest.fixture(scope="session")
def kept(server: Server, template: NoopExecutor, names: Names) -> Iterator[Kept]:
    """Databases that tests use one after the other."""

    def create() -> tuple[str, Callable[[], None]]:
        stack = ExitStack()
        dbname = stack.enter_context(_fresh_database(server, template.template_dbname))
        return server.dsn(dbname), stack.close

    kept = Kept(create, names)
    yield kept
    kept.close()


@pytest.fixture
def database(request: pytest.FixtureRequest, names: Names) -> Iterator[Database]:
    """The migrated template as it was made; a clone of the test's own if it is marked `own_database`."""
    with ExitStack() as stack:
        if request.node.get_closest_marker("own_database"):
            server, template = request.getfixturevalue("server"), request.getfixturevalue("template")
            dbname = stack.enter_context(_fresh_database(server, template.template_dbname))
            database = Database(server.dsn(dbname), names)
            stack.callback(database.close)
        else:
            kept: Kept = request.getfixturevalue("kept")
            database = stack.enter_context(kept.database(with_clock="clock" in request.fixturenames))
        # The template may be minutes old; a fleet whose jobs did not run for so long would raise an alert.
        database.connect().execute(
            sql.SQL("update {}.job set next_run_at = clock_timestamp()").format(sql.Identifier(names.private))
        )
        yield database


@pytest.fixture
def empty_database(server: Server) -> Iterator[str]:
    """The DSN of a database with nothing in it."""
    with _fresh_database(server, None) as dbname:
        yield server.dsn(dbname)


@pytest.fixture
def clock(request: pytest.FixtureRequest, database: Database) -> Clock:
    """Replaces the database's clock by one that stands still until the test moves it."""
    clock = Clock(database.connect())
    if request.node.get_closest_marker("own_database"):
        clock.install()
    return clock


@contextmanager
def _fresh_database(server: Server, template_dbname: str | None) -> Iterator[str]:
    conn = _maintenance(server.dsn())
    dbname = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{next(_numbers)}"
    # Copying files takes a third of the time of writing each block to the WAL. The cache of the catalog is copied, too.
    conn.execute(
        sql.SQL("create database {} template {} strategy file_copy").format(
            sql.Identifier(dbname), sql.Identifier(template_dbname or "template1")
        )
    )
    try:
        yield dbname
    finally:
        # Where a session has yet to end, PostgreSQL looks again after 100 ms; most take one.
        sessions = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
        deadline = time.monotonic() + 1
        while conn.execute(sessions, [dbname]).rowcount and time.monotonic() < deadline:
            time.sleep(0.001)
        conn.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(dbname)))


@cache
def _maintenance(dsn: str) -> psycopg.Connection[Any]:
    """The session in which this process makes and drops all its databases."""
    return psycopg.connect(dsn, autocommit=True)


@pytest.fixture
def superuser(server: Server) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the server's maintenance database."""
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        yield conn
