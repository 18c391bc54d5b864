"""Hypothesis: repeatable, unless ORCHESTRATOR_EXAMPLES asks for a longer, random search.

Its value is the number of examples of a test; ORCHESTRATOR_STEPS is how long a random life of a fleet is. What fails
is shrunk only if ORCHESTRATOR_SHRINK is set: that takes minutes.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from pytest_postgresql.executors import NoopExecutor

from orchestrator.names import Names
from tests.conftest import _fresh_database
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


@pytest.fixture(scope="module")
def shared_database(server: Server, template: NoopExecutor, names: Names) -> Iterator[Database]:
    """A clone of the migrated template for a whole module: examples are many, and clones take time."""
    with _fresh_database(server, template.template_dbname) as dbname:
        database = Database(server.dsn(dbname), names)
        yield database
        database.close()
