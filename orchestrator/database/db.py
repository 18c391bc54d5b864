"""The calls of the orchestrator's functions: the only module that composes one. The face of this room.

>>> with connect(None, application_name="example") as conn:
...     call(conn, "move_stream", stream_id=7, instance_id="fingerv7-001")
[{'decision_id': 12, 'from_instance_id': 'fingerv7-002', 'to_instance_id': 'fingerv7-001', 'epoch': 4}]
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from orchestrator.conninfo import STANDARD_TIMEOUTS, Timeouts
from orchestrator.database import retry
from orchestrator.database.connection import (
    AsyncConnection,
    Connection,
    LimitedConnection,
    Row,
    answered,
    answered_async,
    complete_dsn,
    connect,
    connect_async,
    limit_async,
    resolve_dsn,
    translated_errors,
)
from orchestrator.errors import LockNotAvailable, OrchestratorError, from_database
from orchestrator.logs import log
from orchestrator.names import Names
from orchestrator.redact import redact_argument
from orchestrator.sqlstates import Reaction, reaction_to

__all__ = [
    "STANDARD_TIMEOUTS",
    "AsyncConnection",
    "Connection",
    "LimitedConnection",
    "Row",
    "Timeouts",
    "answered",
    "answered_async",
    "call",
    "call_async",
    "complete_dsn",
    "connect",
    "connect_async",
    "limit_async",
    "listen_async",
    "resolve_dsn",
    "translated_errors",
    "view",
    "view_async",
]

# Written as text, an interval or a time looks as the session likes it, and behind a pooler the session is another's.
_BINARY = True

_TOLD_OF_A_HOLDER = ("lock", "mode", "pid", "login", "application_name")


def call(conn: Connection, function: str, **parameters: Any) -> list[Row]:
    """Call a public function: `call(conn, "add_stream", url=…)` is `select * from <schema>.add_stream(p_url => …)`.

    A dict goes as jsonb; a list of dicts has to be wrapped in `psycopg.types.json.Jsonb`.

    Raises:
        OrchestratorError: the subclass that belongs to the SQLSTATE. After one that tells to connect anew
            (sqlstates.py), the connection is closed.
    """
    return _fetch(conn, function, _call(conn.names, function, tuple(parameters)), parameters)


async def call_async(conn: AsyncConnection, function: str, **parameters: Any) -> list[Row]:
    """`call` for asyncio."""
    return await _fetch_async(conn, function, _call(conn.names, function, tuple(parameters)), parameters)


def view(
    conn: Connection,
    name: str,
    *,
    where: Mapping[str, Any] | None = None,
    order_by: Sequence[str] = (),
    limit: int | None = None,
) -> list[Row]:
    """The rows of a public view. `where` is equality (None: is null), all of it; "-column" in `order_by` descends.

    Raises:
        OrchestratorError: as `call`.
    """
    return _fetch(conn, name, _select(conn.names, name, where or {}, order_by, limit), where or {})


async def view_async(
    conn: AsyncConnection,
    name: str,
    *,
    where: Mapping[str, Any] | None = None,
    order_by: Sequence[str] = (),
    limit: int | None = None,
) -> list[Row]:
    """`view` for asyncio."""
    return await _fetch_async(conn, name, _select(conn.names, name, where or {}, order_by, limit), where or {})


async def listen_async(conn: AsyncConnection, channel: str) -> bool:
    """LISTEN on a channel of this fleet; False where notifications cannot reach this connection.

    Behind a pooler in transaction mode the server process that answers is not the one that introduced itself, and a
    LISTEN would be another client's.
    """
    with translated_errors(), answered_async(conn):
        cursor = await conn.execute("select pg_backend_pid() as pid")
        row = await cursor.fetchone()
        if row is None or row["pid"] != conn.info.backend_pid:
            return False
        await conn.execute(sql.SQL("listen {}").format(sql.Identifier(f"{conn.names.api}.{channel}")))
        return True


def _fetch(conn: Connection, name: str, query: bytes | sql.Composed, parameters: Mapping[str, Any]) -> list[Row]:
    """The rows of a function or view, or a log entry about why there are none."""
    started = time.monotonic()
    try:
        with answered(conn):
            return conn.execute(query, parameters, binary=_BINARY).fetchall()
    except psycopg.Error as raised:
        holders: list[Row] = []
        if _may_ask_for_lock_holders(conn, raised):
            with suppress(psycopg.Error), answered(conn):
                holders = conn.execute(_call(conn.names, "lock_holders", ())).fetchall()
        if reaction_to(raised) is Reaction.RECONNECT:
            conn.close()
        raise _failure(raised, name, parameters, started, holders) from raised


async def _fetch_async(
    conn: AsyncConnection, name: str, query: bytes | sql.Composed, parameters: Mapping[str, Any]
) -> list[Row]:
    started = time.monotonic()
    try:
        with answered_async(conn):
            cursor = await conn.execute(query, parameters, binary=_BINARY)
            return await cursor.fetchall()
    except psycopg.Error as raised:
        holders: list[Row] = []
        if _may_ask_for_lock_holders(conn, raised):
            with suppress(psycopg.Error), answered_async(conn):
                cursor = await conn.execute(_call(conn.names, "lock_holders", ()))
                holders = await cursor.fetchall()
        if reaction_to(raised) is Reaction.RECONNECT:
            await conn.close()
        raise _failure(raised, name, parameters, started, holders) from raised


def _may_ask_for_lock_holders(conn: Connection | AsyncConnection, error: psycopg.Error) -> bool:
    # Inside a transaction that failed, the server answers nothing.
    return error.sqlstate == LockNotAvailable.code and conn.info.transaction_status == TransactionStatus.IDLE


def _failure(
    raised: psycopg.Error, name: str, parameters: Mapping[str, Any], started: float, holders: Sequence[Row]
) -> OrchestratorError:
    """An error as this program's own, when all that is needed to understand it later is in the log (R2.4)."""
    error = from_database(raised)
    error.function = name
    logger = log.get_logger("DATABASE")
    # A refusal is an answer; anything else is trouble.
    level = logger.info if isinstance(error, retry.ANSWERS) else logger.warning
    level(
        "call failed",
        function=name,
        arguments={name: redact_argument(name, value) for name, value in parameters.items()},
        sqlstate=error.code,
        message=error.message,
        detail=error.detail,
        hint=error.hint,
        attempt=retry.attempt.get(),
        duration=f"{time.monotonic() - started:.3f} s",
        lock_holders=[{key: row[key] for key in _TOLD_OF_A_HOLDER} for row in holders[:3]] or None,
    )
    return error


@lru_cache(maxsize=1000)
def _call(names: Names, function: str, parameters: tuple[str, ...]) -> bytes:
    arguments = sql.SQL(", ").join(
        sql.SQL("{} => {}").format(sql.Identifier(f"p_{name}"), sql.Placeholder(name)) for name in parameters
    )
    return sql.SQL("select * from {}({})").format(sql.Identifier(names.api, function), arguments).as_bytes()


def _select(
    names: Names, view_name: str, where: Mapping[str, Any], order_by: Sequence[str], limit: int | None
) -> sql.Composed:
    query = sql.SQL("select * from {}").format(sql.Identifier(names.api, view_name))
    if where:
        conditions = (
            sql.SQL("{} is null").format(sql.Identifier(column))
            if value is None
            else sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(column))
            for column, value in where.items()
        )
        query += sql.SQL(" where ") + sql.SQL(" and ").join(conditions)
    if order_by:
        columns = (
            sql.SQL("{} desc" if column.startswith("-") else "{}").format(sql.Identifier(column.removeprefix("-")))
            for column in order_by
        )
        query += sql.SQL(" order by ") + sql.SQL(", ").join(columns)
    if limit is not None:
        query += sql.SQL(" limit {}").format(sql.Literal(limit))
    return query
