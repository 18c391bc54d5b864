"""Connections to the orchestrator's database, and the only place that composes a call of its functions.

>>> with connect(None, application_name="example") as conn:
...     call(conn, "move_stream", stream_id=7, instance_id="fingerv7-001")
[{'decision_id': 12, 'from_instance_id': 'fingerv7-002', 'to_instance_id': 'fingerv7-001', 'epoch': 4}]
"""

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, cast

import psycopg
import tenacity
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from psycopg.types.json import JsonbDumper

from orchestrator import embedded, log, templates
from orchestrator.errors import (
    BadArgument,
    CallerMistake,
    DatabaseUnavailable,
    LockNotAvailable,
    OrchestratorError,
    RefusedByPolicy,
    from_database,
)
from orchestrator.names import DEFAULT_SCHEMA, Names

Row = dict[str, Any]

# What libpq is told, unless the DSN says otherwise. Seconds, except tcp_user_timeout, which is in milliseconds.
_CONNECTION_DEFAULTS: Mapping[str, Any] = {
    "connect_timeout": 30,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30000,
}


_SECRET = re.compile(r"password|secret|token|conninfo|dsn", re.IGNORECASE)
_SECRET_IN_TEXT = re.compile(r"(password\s*[=:]\s*|://[^/@:\s]*:)[^\s@,'\"]+", re.IGNORECASE)


@dataclass(frozen=True)
class Timeouts:
    """The limits of a session, as PostgreSQL writes them. '0' is no limit."""

    statement_timeout: str = "30s"
    transaction_timeout: str = "30s"
    idle_in_transaction_session_timeout: str = "30s"
    lock_timeout: str = "5s"


STANDARD_TIMEOUTS = Timeouts()


class Connection(psycopg.Connection[Row]):
    """A connection that knows which fleet it serves."""

    names: Names


class AsyncConnection(psycopg.AsyncConnection[Row]):
    """A connection that knows which fleet it serves."""

    names: Names


def resolve_dsn(dsn: str | None = None) -> str:
    """The DSN given, else ORCHESTRATOR_DSN, else libpq's PG* variables, else the running embedded server."""
    if dsn := dsn or os.environ.get("ORCHESTRATOR_DSN"):
        return dsn
    if any(os.environ.get(name) for name in ("PGSERVICE", "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER")):
        return ""
    if server := embedded.running():
        return server.dsn()
    raise DatabaseUnavailable(
        "no database was named",
        hint="give --dsn, set ORCHESTRATOR_DSN or libpq's PGHOST and PGDATABASE, or start the embedded server",
    )


def conninfo(dsn: str | None, *, application_name: str) -> str:
    """The complete connection string: the DSN with the defaults of this program beneath it."""
    try:
        given = conninfo_to_dict(resolve_dsn(dsn))
    except psycopg.ProgrammingError:
        # libpq quotes the DSN, password and all, in its message.
        raise BadArgument(
            "the DSN cannot be read",
            hint="write it as postgresql://user@host:5432/database or as host=… dbname=… user=…",
        ) from None
    return make_conninfo(
        **{**_CONNECTION_DEFAULTS, "application_name": f"orchestrator:{application_name}"[:63], **given}
    )


def connect(
    dsn: str | None = None,
    *,
    schema: str = DEFAULT_SCHEMA,
    application_name: str,
    autocommit: bool = True,
    timeouts: Timeouts = STANDARD_TIMEOUTS,
) -> Connection:
    """Connect with all limits set: nothing that this program starts waits for ever.

    Raises:
        DatabaseUnavailable: nobody answers at the DSN.
        BadArgument: the DSN or the schema cannot be read.
    """
    names = Names.for_schema(schema)
    with translated_errors():
        conn = Connection.connect(
            conninfo(dsn, application_name=application_name),
            autocommit=True,
            prepare_threshold=None,  # behind a pooler, what one server process prepared another does not know
            row_factory=dict_row,
        )
        conn.execute(_session_sql(timeouts), {"backend_pid": conn.info.backend_pid})
        conn.autocommit = autocommit
    conn.names = names
    conn.adapters.register_dumper(dict, JsonbDumper)
    return conn


async def connect_async(
    dsn: str | None = None,
    *,
    schema: str = DEFAULT_SCHEMA,
    application_name: str,
    autocommit: bool = True,
    timeouts: Timeouts = STANDARD_TIMEOUTS,
) -> AsyncConnection:
    """`connect` for asyncio."""
    names = Names.for_schema(schema)
    with translated_errors():
        conn = await AsyncConnection.connect(
            conninfo(dsn, application_name=application_name),
            autocommit=True,
            prepare_threshold=None,  # behind a pooler, what one server process prepared another does not know
            row_factory=dict_row,
        )
        await conn.execute(_session_sql(timeouts), {"backend_pid": conn.info.backend_pid})
        await conn.set_autocommit(autocommit)
    conn.names = names
    conn.adapters.register_dumper(dict, JsonbDumper)
    return conn


def call(conn: Connection, function: str, **parameters: Any) -> list[Row]:
    """Call a public function: `call(conn, "add_stream", url=…)` is `select * from <schema>.add_stream(p_url => …)`.

    A dict goes as jsonb; a list of dicts has to be wrapped in `psycopg.types.json.Jsonb`.

    Raises:
        OrchestratorError: the subclass that belongs to the SQLSTATE.
    """
    started = time.monotonic()
    try:
        return conn.execute(_call(conn.names, function, parameters), parameters).fetchall()
    except psycopg.Error as raised:
        error = from_database(raised)
        _log_failure(error, function, parameters, started, _lock_holders(conn, error))
        raise error from raised


async def call_async(conn: AsyncConnection, function: str, **parameters: Any) -> list[Row]:
    """`call` for asyncio."""
    started = time.monotonic()
    try:
        cursor = await conn.execute(_call(conn.names, function, parameters), parameters)
        return await cursor.fetchall()
    except psycopg.Error as raised:
        error = from_database(raised)
        _log_failure(error, function, parameters, started, await _lock_holders_async(conn, error))
        raise error from raised


def view(
    conn: Connection,
    name: str,
    *,
    where: Mapping[str, Any] | None = None,
    order_by: Sequence[str] = (),
    limit: int | None = None,
) -> list[Row]:
    """The rows of a public view. `where` is equality (None: is null), all of it; "-column" in `order_by` descends."""
    with translated_errors():
        return conn.execute(_select(conn.names, name, where or {}, order_by, limit), where or {}).fetchall()


async def view_async(
    conn: AsyncConnection,
    name: str,
    *,
    where: Mapping[str, Any] | None = None,
    order_by: Sequence[str] = (),
    limit: int | None = None,
) -> list[Row]:
    """`view` for asyncio."""
    with translated_errors():
        cursor = await conn.execute(_select(conn.names, name, where or {}, order_by, limit), where or {})
        return await cursor.fetchall()


async def listen_async(conn: AsyncConnection, channel: str) -> bool:
    """LISTEN on a channel of this fleet; False where notifications cannot reach this connection.

    Behind a pooler in transaction mode the server process that answers is not the one that introduced itself, and a
    LISTEN would be somebody else's.
    """
    with translated_errors():
        cursor = await conn.execute("select pg_backend_pid() as pid")
        row = await cursor.fetchone()
        if row is None or row["pid"] != conn.info.backend_pid:
            return False
        await conn.execute(sql.SQL("listen {}").format(sql.Identifier(f"{conn.names.api}.{channel}")))
        return True


@contextmanager
def translated_errors() -> Iterator[None]:
    """Let psycopg's errors out as this program's own."""
    try:
        yield
    except psycopg.Error as error:
        raise from_database(error) from error


def is_retryable(error: BaseException) -> bool:
    return isinstance(error, OrchestratorError) and error.retryable


def retrying(attempts: int = 3, first_wait: float = 0.2, longest_wait: float = 5.0) -> tenacity.Retrying:
    """One round of attempts at something that contention or a lost connection may spoil.

    Waits are exponential with full jitter, so that those who collided do not collide again:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    >>> retrying()(lambda: call(conn, "rebalance"))
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_retryable),
        stop=tenacity.stop_after_attempt(attempts),
        wait=tenacity.wait_random_exponential(multiplier=first_wait, max=longest_wait),
        after=_log_attempt,
        reraise=True,
    )


def _log_attempt(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.get_logger("DATABASE").warning(
        "attempt failed",
        attempt=state.attempt_number,
        after=f"{state.seconds_since_start or 0:.3f} s",
        sqlstate=getattr(error, "code", None),
        message=str(error),
    )


def _log_failure(
    error: OrchestratorError,
    function: str,
    parameters: Mapping[str, Any],
    started: float,
    lock_holders: Sequence[Row],
) -> None:
    """All that is needed to understand it later (R2.4)."""
    logger = log.get_logger("DATABASE")
    # A refusal is an answer; anything else is trouble.
    level = logger.info if isinstance(error, CallerMistake | RefusedByPolicy) else logger.warning
    level(
        "call failed",
        function=function,
        arguments={name: _loggable(name, value) for name, value in parameters.items()},
        sqlstate=error.code,
        message=error.message,
        detail=error.detail,
        hint=error.hint,
        duration=f"{time.monotonic() - started:.3f} s",
        lock_holders=[dict(row) for row in lock_holders] or None,
    )


def _loggable(name: str, value: Any) -> Any:
    """An argument without secrets, and short."""
    if _SECRET.search(name):
        return "…"
    if isinstance(value, list | tuple) and len(value) > 10:
        return f"{len(value)} items"
    shown = _SECRET_IN_TEXT.sub(r"\1…", str(value)) if isinstance(value, str | dict) else value
    return shown[:200] if isinstance(shown, str) else shown


def _lock_holders(conn: Connection, error: OrchestratorError) -> list[Row]:
    """Who held what this call waited for, as far as its login may see."""
    if not _may_ask_for_lock_holders(conn, error):
        return []
    try:
        return _blocking(conn, view(conn, "locks", where={"granted": True}))
    except OrchestratorError:
        return []


async def _lock_holders_async(conn: AsyncConnection, error: OrchestratorError) -> list[Row]:
    if not _may_ask_for_lock_holders(conn, error):
        return []
    try:
        return _blocking(conn, await view_async(conn, "locks", where={"granted": True}))
    except OrchestratorError:
        return []


def _may_ask_for_lock_holders(conn: Connection | AsyncConnection, error: OrchestratorError) -> bool:
    # Inside a transaction that failed, the server answers nothing.
    return isinstance(error, LockNotAvailable) and conn.info.transaction_status == TransactionStatus.IDLE


def _blocking(conn: Connection | AsyncConnection, locks: Sequence[Row]) -> list[Row]:
    """The three oldest transactions among them; a worker's session lock blocks nobody."""
    others = [
        row
        for row in locks
        if row["pid"] != conn.info.backend_pid and row["transaction_age"] and "AccessShare" not in row["mode"]
    ]
    oldest = sorted(others, key=lambda row: cast(timedelta, row["transaction_age"]), reverse=True)
    return [{key: row[key] for key in ("lock", "mode", "pid", "login", "application_name")} for row in oldest[:3]]


@cache
def _session_sql(timeouts: Timeouts) -> sql.SQL:
    quoted: dict[str, Any] = {name: sql.Literal(value).as_string(None) for name, value in vars(timeouts).items()}
    return sql.SQL(cast(Any, templates.render("runner/session.sql", Names.for_schema(), **quoted)))


def _call(names: Names, function: str, parameters: Mapping[str, Any]) -> sql.Composed:
    arguments = sql.SQL(", ").join(
        sql.SQL("{} => {}").format(sql.Identifier(f"p_{name}"), sql.Placeholder(name)) for name in parameters
    )
    return sql.SQL("select * from {}({})").format(sql.Identifier(names.api, function), arguments)


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
