"""A pooler, and a fleet to be a worker in."""

from collections.abc import Iterator

import pytest

from orchestrator.database.embedded import Embedded
from orchestrator.install.migrate import migrate
from orchestrator.lab.server import temporary_server
from orchestrator.names import Names
from tests.pooler import Pooler, pgbouncer
from tests.shim.support import Fleet
from tests.support import Database, Server


@pytest.fixture
def fleet(database: Database, names: Names) -> Iterator[Fleet]:
    """A fleet whose jobs run whenever the test drives, and that settles at once."""
    fleet = Fleet(database.dsn, names)
    fleet.configure("settle_window", "0 seconds")
    yield fleet
    fleet.close()


@pytest.fixture
def breakable_server(names: Names) -> Iterator[Embedded]:
    """A server of the test's own, migrated, that it may stop and start."""
    with temporary_server(settings={"fsync": "off"}) as server:
        migrate(server.dsn(), names.api)
        yield server


@pytest.fixture
def breakable_fleet(breakable_server: Embedded, names: Names) -> Iterator[Fleet]:
    """A fleet on a server that the test may stop and start."""
    fleet = Fleet(breakable_server.dsn(), names)
    fleet.configure("settle_window", "0 seconds")
    yield fleet
    fleet.close()


@pytest.fixture
def pooler(server: Server) -> Iterator[Pooler]:
    """A PgBouncer in transaction mode before the server."""
    if pgbouncer() is None:
        pytest.skip("pgbouncer is not installed")
    with Pooler(server.host, server.port, server.user, server.password) as pooler:
        yield pooler
