import secrets
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from orchestrator.database import db
from tests.fleet import Fleet
from tests.support import Clock, Database

Login = Callable[[str], db.Connection]

_numbers = count(1)


@pytest.fixture
def fleet(database: Database, clock: Clock) -> Iterator[Fleet]:
    """A fleet without instances; after each test its counts must equal a recount."""
    fleet = Fleet(database, clock)
    yield fleet
    fleet.check_counts()


@pytest.fixture
def login(database: Database) -> Login:
    """Makes a login that is a member of one role ("admin", "worker", "reader") and connects as it."""
    return lambda role: database.connect_as(database.create_login(role, password=secrets.token_hex()))
