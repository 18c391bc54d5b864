import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.database import db
from orchestrator.names import Names
from tests.sql.fleet import Fleet
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
def login(database: Database, names: Names, superuser: psycopg.Connection) -> Iterator[Login]:
    """Makes a login that is a member of one role ("admin", "worker", "reader") and connects as it."""
    with ExitStack() as cleaning:

        def make(role: str) -> db.Connection:
            name, password = f"{names.api}_test_{role}_{os.getpid()}_{next(_numbers)}", secrets.token_hex()
            statement = sql.SQL("create role {} login password {} in role {}")
            superuser.execute(
                statement.format(sql.Identifier(name), sql.Literal(password), sql.Identifier(getattr(names, role)))
            )
            cleaning.callback(superuser.execute, sql.SQL("drop role {}").format(sql.Identifier(name)))
            dsn = make_conninfo(database.dsn, user=name, password=password)
            return cleaning.enter_context(db.connect(dsn, schema=names.api, application_name=f"test {role}"))

        yield make
