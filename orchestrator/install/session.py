"""The installer's view of a database: what server it is, who asks, and files sent to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from psycopg import sql

from orchestrator.database import db
from orchestrator.database.retry import is_retryable
from orchestrator.errors import OrchestratorError, from_database
from orchestrator.install.program import File, MigrationError, Program

OLDEST_SERVER = 150000


@dataclass(frozen=True)
class Facts:
    server_version: int
    database_name: str
    encoding: str
    login: str
    installed: bool
    missing_roles: list[str]
    may_create_roles: bool
    is_owner: bool


def require_server(facts: Facts) -> None:
    if facts.server_version < OLDEST_SERVER:
        raise MigrationError(
            f"the server is PostgreSQL {_release(facts.server_version)}; 15 is the oldest that works",
            hint="upgrade the server; 15 to 18 are supported",
        )
    # One that psql brought here before this was asked stays as it is.
    if facts.encoding != "UTF8" and not facts.installed:
        raise MigrationError(
            f"the encoding of the database is {facts.encoding}; only UTF8 holds every station's name",
            hint="create one that is: create database … encoding 'UTF8' template template0",
        )


def require_roles(program: Program, facts: Facts) -> None:
    by_hand = (
        f"let an administrator run: orchestrator db roles --schema {program.names.api} --login {facts.login} | psql"
    )
    if facts.missing_roles and not facts.may_create_roles:
        raise MigrationError(
            f"{facts.login} may not create the roles {', '.join(facts.missing_roles)}",
            detail={"missing_roles": facts.missing_roles, "login": facts.login},
            hint=by_hand,
        )
    if not facts.missing_roles and not facts.is_owner and not facts.may_create_roles:
        raise MigrationError(
            f"{facts.login} may not act as {program.names.owner}, which owns the fleet",
            detail={"owner": program.names.owner, "login": facts.login},
            hint=by_hand,
        )


@contextmanager
def reading(dsn: str | None, program: Program) -> Iterator[tuple[db.Connection, Facts]]:
    """A transaction that may read the history; refused when the login may not."""
    with (
        db.connect(dsn, schema=program.names.api, application_name="migrate") as conn,
        read_transaction(conn, program) as facts,
    ):
        require_server(facts)
        if facts.installed and not facts.is_owner:
            raise MigrationError(
                f"{facts.login} may not read the history of migrations",
                hint=f"use a superuser, or a login that is a member of {program.names.owner}",
            )
        yield conn, facts


@contextmanager
def read_transaction(conn: db.Connection, program: Program) -> Iterator[Facts]:
    with conn.transaction():
        execute(conn, program.runner_file("transaction.sql"))
        row = execute(conn, program.runner_file("facts.sql")).fetchone()
        assert row is not None
        facts = Facts(**row)
        if facts.is_owner:
            conn.execute(sql.SQL("set local role {}").format(sql.Identifier(program.names.owner)))
        yield facts


def execute(conn: db.Connection, file: File) -> psycopg.Cursor[db.Row]:
    """Send a whole file at once; an error says in which line of it."""
    try:
        return conn.execute(cast(Any, file.text))
    except psycopg.Error as raised:
        error = from_database(raised)
        if is_retryable(error) or is_concurrent_change(error):
            raise error from raised
        position = raised.diag.statement_position
        line = file.text.count("\n", 0, int(position)) + 1 if position else None
        place = f"{file.path}:{line}" if line else file.path
        raise MigrationError(
            f"{place}: {error.message}", code=error.code, detail=error.detail, hint=error.hint
        ) from raised


def is_concurrent_change(error: OrchestratorError) -> bool:
    """Another program changed the same row of the catalog at once. That has no code of its own, and its words are not
    translated; any other internal error would come again."""
    return error.code == "XX000" and error.message.startswith("tuple concurrently ")


def _release(server_version: int) -> str:
    return f"{server_version // 10000}.{server_version % 10000}"
