import os
from collections.abc import Callable, Iterator
from itertools import count

import psycopg
import pytest
from psycopg import sql

from orchestrator import db
from orchestrator.names import Names
from tests.sql.fleet import Fleet
from tests.support import Clock, Database

Login = Callable[[str], db.Connection]

_numbers = count(1)


@pytest.fixture
def fleet(database: Database, clock: Clock) -> Iterator[Fleet]:
    """A fleet without instances; whatever a test did to it, its counts must equal a recount in the end."""
    fleet = Fleet(database, clock)
    yield fleet
    fleet.check_counts()


@pytest.fixture
def login(database: Database, names: Names, superuser: psycopg.Connection) -> Iterator[Login]:
    """Makes a login that is a member of one role ("admin", "worker", "reader") and connects as it."""
    made: list[sql.Identifier] = []

    def make(role: str) -> db.Connection:
        name = sql.Identifier(f"{names.api}_test_{role}_{os.getpid()}_{next(_numbers)}")
        member_of = sql.Identifier(getattr(names, role))
        superuser.execute(sql.SQL("create role {} login in role {}").format(name, member_of))
        made.append(name)
        conn = database.connect()
        conn.execute(sql.SQL("set session authorization {}").format(name))
        return conn

    yield make
    for name in made:
        superuser.execute(sql.SQL("drop role {}").format(name))
