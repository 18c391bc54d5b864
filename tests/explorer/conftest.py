"""One ground for all walks of a process: what they do is undone, and what is planted is taken out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pytest_postgresql.executors import NoopExecutor

from orchestrator.names import Names
from tests.conftest import _fresh_database
from tests.explorer.ground import Ground
from tests.explorer.walk import replay as replayed
from tests.explorer.world import Step
from tests.support import Clock, Database, Server

Replay = Callable[..., None]


@pytest.fixture(scope="session")
def ground(server: Server, template: NoopExecutor, names: Names) -> Iterator[Ground]:
    with _fresh_database(server, template.template_dbname) as dbname:
        database = Database(server.dsn(dbname), names)
        Clock(database.connect()).install()
        yield Ground(database)
        database.close()


@pytest.fixture
def replay(ground: Ground) -> Replay:
    """`replay(mode, step, …)`: these steps break no law, and the fleet comes to rest after them."""

    def check(mode: str, *steps: Step) -> None:
        if violation := replayed(ground, mode, steps):
            raise violation

    return check
