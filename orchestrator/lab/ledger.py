"""The database music_log: the company's table of streams, the fence, the ledger and the report on it."""

from __future__ import annotations

from typing import Any, cast

from psycopg import sql

from orchestrator import templates
from orchestrator.database import db
from orchestrator.names import Names

DATABASE = "music_log"
SCHEMA = "music_log"
FENCE = "orchestrator_fence"

_FILES = ("demo/tables.sql", "demo/record.sql", "demo/report.sql")


def create_database(server: db.Connection, database: str) -> None:
    """Create an empty database on the server of this connection."""
    _execute(server, "demo/database.sql", database=database)


def install(dsn: str) -> None:
    """Put the tables, the fence and the functions into an empty database."""
    with connect(dsn, "install") as conn, conn.transaction():
        install_fence(conn)
        for path in _FILES:
            _execute(conn, path)


def install_fence(conn: db.Connection) -> None:
    """Put the fence into a database of results; what it knows already stays."""
    _execute(conn, "fence/fence.sql")


def connect(dsn: str, application_name: str) -> db.Connection:
    """A connection whose calls and views are the ledger's."""
    return db.connect(dsn, schema=SCHEMA, application_name=f"demo {application_name}")


async def connect_async(dsn: str, application_name: str) -> db.AsyncConnection:
    """`connect` for asyncio."""
    return await db.connect_async(dsn, schema=SCHEMA, application_name=f"demo {application_name}")


def _execute(conn: db.Connection, path: str, *, database: str = DATABASE) -> None:
    text = templates.render(path, Names.for_schema(SCHEMA), fence=FENCE, database=database)
    with db.translated_errors():
        conn.execute(sql.SQL(cast(Any, text)))
