"""Hypothesis: repeatable, unless ORCHESTRATOR_EXAMPLES asks for a longer, random search.

Its value is the number of examples of a test; ORCHESTRATOR_STEPS is how long a random life of a fleet is. What fails
is shrunk only if ORCHESTRATOR_SHRINK is set: that takes minutes.
"""

import os
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, settings
from pytest_postgresql.executors import NoopExecutor
from pytest_postgresql.janitor import DatabaseJanitor

from orchestrator.names import Names
from tests.support import Database, Server

_SLOW_ON_PURPOSE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    max_examples=20,
    phases=(Phase.explicit, Phase.generate),
    print_blob=True,
    suppress_health_check=_SLOW_ON_PURPOSE,
)
settings.register_profile(
    "search",
    deadline=None,
    max_examples=int(os.environ.get("ORCHESTRATOR_EXAMPLES") or 20),
    phases=(Phase.explicit, Phase.generate, *([Phase.shrink] if os.environ.get("ORCHESTRATOR_SHRINK") else [])),
    print_blob=True,
    suppress_health_check=_SLOW_ON_PURPOSE,
)
settings.load_profile("search" if os.environ.get("ORCHESTRATOR_EXAMPLES") else "repeatable")

_numbers = count(1)


@pytest.fixture(scope="module")
def shared_database(server: Server, template: NoopExecutor, names: Names) -> Iterator[Database]:
    """A clone of the migrated template for a whole module: examples are many, and clones take time."""
    janitor = DatabaseJanitor(
        user=server.user,
        host=server.host,
        port=server.port,
        password=server.password,
        dbname=f"properties_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{next(_numbers)}",
        template_dbname=template.template_dbname,
    )
    with janitor:
        database = Database(server.dsn(janitor.dbname), names)
        yield database
        database.close()
