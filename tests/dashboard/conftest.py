from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pytest_postgresql.executors import NoopExecutor

from orchestrator.names import Names
from tests.conftest import _fresh_database
from tests.dashboard.site import Site, chromium, populate
from tests.fleet import Fleet
from tests.http.conftest import PASSWORD, login_dsn, serve
from tests.support import Clock, Database, Server

__all__ = ["login_dsn", "serve"]  # the fixtures of tests/http


@pytest.fixture(scope="module")
def site(
    server: Server, template: NoopExecutor, names: Names, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A populated fleet, a server that needs a key, whose login is an administrator, and a browser."""
    with chromium() as browser, _fresh_database(server, template.template_dbname) as dbname:
        database = Database(server.dsn(dbname), names)
        clock = Clock(database.connect())
        clock.install()
        clock.set(datetime.now(UTC) - timedelta(hours=1))
        fleet = Fleet(database, clock)
        populate(fleet)
        login = database.create_login("worker", "reader", "admin", password=PASSWORD)
        log = tmp_path_factory.mktemp("dashboard") / "server.log"
        site = Site(fleet, login, log, browser)
        yield site
        site.face.stop()
        database.close()
        assert "Traceback" not in log.read_text()
        assert PASSWORD not in log.read_text()
