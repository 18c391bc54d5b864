"""Where a source is: as the operators' variables say, or as an administrator does; never with a password.

An administrator writes the address, and the machine that reads there has passwords. So each password goes to the server
that it was written down for, whatever the address says.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from psycopg.conninfo import make_conninfo

from orchestrator.conninfo import parse
from orchestrator.database import db
from orchestrator.errors import BadArgument
from orchestrator.redact import names_secret

ENVIRONMENT_SOURCE = "environment"
"""The name of the source that POSTGRES_* and DB_TABLE_NAME describe."""

# What an address may not have beside what; None: at all.
_ALONE: dict[str, frozenset[str] | None] = {
    "hostaddr": frozenset({"host"}),
    "service": frozenset({"host", "hostaddr", "port", "user"}),
    "servicefile": None,
    "sslkeylogfile": None,
}


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
    """A DSN as it may be stored. One that holds a password is refused: it would be readable in the database.

    Raises:
        BadArgument: it holds one, cannot be read, or names two servers.
    """
    parts = _parse(dsn)
    # of postgresql://me:12/secret@host/db libpq reads a port and a database
    if any(_may_hide_password(name, str(value)) for name, value in parts.items()):
        raise BadArgument(
            "the DSN of the source holds a password",
            hint="leave it out, and each @ but the one after the user; put it into the password file (PGPASSFILE, "
            "~/.pgpass) or the environment (PGPASSWORD) of every program that synchronises: the drivers, and this "
            "command line",
        )
    return make_conninfo(**parts)


def connection_to(conninfo: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """With what to connect to a source: its address, and the password that is meant for the server there.

    The rest is the password file's, whose lines say for which host, port, database and user they are.

    Raises:
        BadArgument: the address names two servers, or a file to write to.
    """
    parts = _parse(conninfo)
    if not parts.get("host") and not parts.get("hostaddr"):
        return parts  # a service of this machine, or the server that its variables name
    described = source_from_environment(environment)
    is_described = described is not None and _login(parts) == _login(parse(described.conninfo))
    password = environment.get("POSTGRES_PASSWORD") if is_described else None
    # Said even where there is none, so that libpq takes none from its variables, which are about our own database.
    own = {"password": password or environment.get("PGPASSWORD", ""), "hostaddr": ""}
    return {**own, **parts}


def environment_for(conninfo: str, environment: Mapping[str, str], conn: db.Connection) -> Mapping[str, str]:
    """Without the password that has opened our own database (`conn`), unless the source is there, under that login."""
    own = conn.info.host, str(conn.info.port), conn.info.user, None
    if not conn.pgconn.used_password or conn.info.password != environment.get("PGPASSWORD"):
        return environment
    with suppress(BadArgument):  # said when it is read
        if _login(_parse(conninfo)) == own:
            return environment
    return {name: value for name, value in environment.items() if name != "PGPASSWORD"}


def _parse(conninfo: str) -> dict[str, Any]:
    """The parts of an address that names one server: libpq finds a password by the host, and sends it to the hostaddr.

    Raises:
        BadArgument: it cannot be read, names two servers, or a file to write to.
    """
    parts = {name: value for name, value in parse(conninfo, "the DSN of the source").items() if value != ""}
    for name, others in _ALONE.items():
        if name in parts and (others is None or parts.keys() & others):
            raise BadArgument(
                f"the DSN of a source may not have {name}" + (" beside " + ", ".join(sorted(others)) if others else ""),
                hint="write where the server is in one way: host=…, hostaddr=… alone, or service=… alone",
            )
    return parts


def _login(parts: Mapping[str, Any]) -> tuple[Any, ...]:
    return parts.get("host"), str(parts.get("port", 5432)), parts.get("user"), parts.get("hostaddr")
