import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pytest_postgresql.executors import NoopExecutor

from orchestrator.http.access import Limits
from orchestrator.http.server import Options
from orchestrator.names import Names
from tests.conftest import _fresh_database
from tests.http.clients import MainClient
from tests.http.processes import HttpServer
from tests.sql.conftest import fleet
from tests.support import Database, Server

__all__ = ["fleet"]  # the fixture of tests/sql

PASSWORD = "planted-" + secrets.token_hex(8)

LoginDsn = Callable[..., str]
Serve = Callable[..., HttpServer]


@pytest.fixture
def login_dsn(database: Database) -> LoginDsn:
    """Makes a login that is a member of these roles ("worker", "reader", "admin"); its DSN."""
    return partial(database.create_login, password=PASSWORD)


@pytest.fixture
def serve(login_dsn: LoginDsn, names: Names, tmp_path: Path) -> Iterator[Serve]:
    """Starts servers as a login of worker and reader, or as `dsn`."""
    started: list[HttpServer] = []

    def start(*, dsn: str | None = None, environment: Mapping[str, str] | None = None, **options: Any) -> HttpServer:
        server = HttpServer(
            dsn or login_dsn("worker", "reader"),
            names.api,
            tmp_path / f"server-{len(started)}.log",
            options=Options(**options),
            environment=environment,
        )
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()
        # Nothing broke unnoticed, and no password was written down.
        log = server.log.read_text()
        assert "Traceback" not in log, log
        assert PASSWORD not in log


@pytest.fixture
def face(serve: Serve) -> HttpServer:
    """Keyless, for this host."""
    return serve(limits=Limits(rate=0))


@pytest.fixture(scope="module")
def shared_face(
    server: Server, template: NoopExecutor, names: Names, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HttpServer]:
    """A server for tests that leave nothing behind; a superuser's, with an instance http-1."""
    with _fresh_database(server, template.template_dbname) as dbname:
        log = tmp_path_factory.mktemp("http") / "server.log"
        shared = HttpServer(server.dsn(dbname), names.api, log, options=Options(limits=Limits(rate=0)))
        MainClient(shared, "http-1").register()
        yield shared
        shared.stop()
        assert "Traceback" not in log.read_text()
