from collections.abc import Iterator

import pytest
from psycopg import sql

from orchestrator import templates
from tests.fleet import Fleet
from tests.sql.conftest import login
from tests.sql.diagnose.diagnosis import Diagnosis
from tests.support import Clock, Database

__all__ = ["login"]  # the fixture of tests/sql


@pytest.fixture
def fleet(database: Database, clock: Clock) -> Iterator[Fleet]:
    """A fleet without instances. The test's own clock is no drift; every job has just run, those of drivers too."""
    conn = database.connect()
    with conn.transaction():
        conn.execute("set local search_path = pg_catalog")
        conn.execute(sql.SQL(templates.render("runner/record_objects.sql", database.names)))
    fleet = Fleet(database, clock)
    fleet.query(
        "update {p}.job set last_started_at = {p}.now(), next_run_at = {p}.now() + '1 day' where runs_in = 'driver'"
    )
    fleet.run_due_jobs()
    yield fleet
    fleet.check_counts()


@pytest.fixture
def diagnosis(fleet: Fleet) -> Diagnosis:
    return Diagnosis(fleet)
