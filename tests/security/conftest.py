import os
import secrets
from collections.abc import Iterator
from itertools import count

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pytest_postgresql.executors import NoopExecutor

from orchestrator.names import Names
from tests.conftest import _fresh_database
from tests.security.target import ROLES, Target, act, close, connect
from tests.support import Database, Server

_numbers = count(1)


@pytest.fixture(scope="module")
def target(server: Server, template: NoopExecutor, names: Names) -> Iterator[Target]:
    """A fleet and real logins. When a module's tests are over, its objects and roles are as they were before."""
    mark = f"{names.api}_sec_{os.getpid()}_{next(_numbers)}"
    groups = {
        "victim": [names.worker],
        "outsider": [f"{mark}_{role}" for role in ("admin", "worker", "reader", "owner")],
        **{role: [getattr(names, role)] for role in ("worker", "reader", "admin")},
    }
    made = []
    with psycopg.connect(server.dsn(), autocommit=True) as superuser:

        def make(name: str, options: str = "") -> None:
            superuser.execute(sql.SQL("create role {}").format(sql.Identifier(name)) + sql.SQL(f" {options}"))
            made.append(name)

        for group in groups["outsider"]:
            make(group)
        with _fresh_database(server, template.template_dbname) as dbname:
            database = Database(server.dsn(dbname), names)
            logins = {}
            for role in (*ROLES, "victim"):
                password = secrets.token_hex()
                make(f"{mark}_{role}_login", f"login password '{password}'")
                for group in groups.get(role, []):
                    superuser.execute(
                        sql.SQL("grant {} to {}").format(sql.Identifier(group), sql.Identifier(f"{mark}_{role}_login"))
                    )
                logins[role] = connect(make_conninfo(database.dsn, user=f"{mark}_{role}_login", password=password))
            # each has a schema of its own, the first of its search_path, to plant things in
            for conn in logins.values():
                login = sql.Identifier(conn.info.user)
                database.connect().execute(sql.SQL("create schema {} authorization {}").format(login, login))
            target = Target(database, logins, database.connect())
            act(target)
            before = target.catalog()
            yield target
            after = target.catalog()
            assert [row for row in after if row not in before] == [row for row in before if row not in after] == []
            close(target)
            database.close()
        for name in reversed(made):
            superuser.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
