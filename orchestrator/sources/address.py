"""Where a source is: as the operators' variables say, or as an administrator does; never with a password."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.conninfo import make_conninfo

from orchestrator.conninfo import parse
from orchestrator.database import db
from orchestrator.errors import BadArgument
from orchestrator.redact import names_secret

ENVIRONMENT_SOURCE = "environment"
"""The name of the source that POSTGRES_* and DB_TABLE_NAME describe."""


@dataclass(frozen=True)
class TableSource:
    """A source that is to be added: where a table is. The address never holds a password."""

    name: str
    conninfo: str
    table_name: str


def source_from_environment(environment: Mapping[str, str]) -> TableSource | None:
    """The source that the operators' variables describe, or None when POSTGRES_HOST is not set.

    POSTGRES_PASSWORD is not part of it: it stays in the environment and is used when connecting.
    """
    present = {name: value.strip() for name, value in environment.items() if value.strip()}
    if "POSTGRES_HOST" not in present:
        return None
    port = present.get("POSTGRES_PORT", "5432")
    if not port.isdecimal():
        raise BadArgument(
            "POSTGRES_PORT is not a port number", detail={"POSTGRES_PORT": port}, hint="5432, for example"
        )
    parts: dict[str, Any] = {"host": present["POSTGRES_HOST"], "port": port}
    if "POSTGRES_DB" in present:
        parts["dbname"] = present["POSTGRES_DB"]
    if "POSTGRES_USER" in present:
        parts["user"] = present["POSTGRES_USER"]
    return TableSource(ENVIRONMENT_SOURCE, make_conninfo(**parts), present.get("DB_TABLE_NAME", "streams"))


def ensure_environment_source(conn: db.Connection, environment: Mapping[str, str] = os.environ) -> TableSource | None:
    """Create or update the source that the environment describes, if it does. What an administrator has set for it
    (columns, interval, part) stays."""
    wanted = source_from_environment(environment)
    if wanted is not None:
        db.call(conn, "add_source", source=wanted.name, conninfo=wanted.conninfo, table_name=wanted.table_name)
    return wanted


def _may_hide_password(name: str, value: str) -> bool:
    if name == "user":
        return ":" in value and "@" in value
    is_socket = name == "host" and value.startswith("@")  # one without a file
    return "@" in value[is_socket:] or (names_secret(name) and name != "passfile")


def address_without_password(dsn: str) -> str:
    """A DSN as it may be stored. One that holds a password is refused: it would be readable in the database."""
    parts = parse(dsn, "the DSN of the source")
    # of postgresql://me:12/secret@host/db libpq reads a port and a database
    if any(_may_hide_password(name, str(value)) for name, value in parts.items()):
        raise BadArgument(
            "the DSN of the source holds a password",
            hint="leave it out, and each @ but the one after the user; put it into the password file (PGPASSFILE, "
            "~/.pgpass) or the environment (PGPASSWORD) of every program that synchronises: the drivers, and this "
            "command line",
        )
    return make_conninfo(**parts)
