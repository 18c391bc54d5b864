"""Connections to the orchestrator's database, and the only place that composes a call of its functions.

>>> with connect(None, application_name="example") as conn:
...     call(conn, "move_stream", stream_id=7, instance_id="fingerv7-001")
[{'decision_id': 12, 'from_instance_id': 'fingerv7-002', 'to_instance_id': 'fingerv7-001', 'epoch': 4}]
"""

import asyncio
import os
import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeVar, cast

import psycopg
from psycopg import sql
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from psycopg.types.json import Json, Jsonb, JsonbDumper

from orchestrator import embedded, log, patience, templates
from orchestrator.errors import (
    BadArgument,
    DatabaseUnavailable,
    LockNotAvailable,
    OrchestratorError,
    from_database,
)
from orchestrator.names import DEFAULT_SCHEMA, Names
from orchestrator.redact import names_secret, redact, redact_in

Row = dict[str, Any]
Result = TypeVar("Result", covariant=True)
Waited = TypeVar("Waited")


@dataclass(frozen=True)
class Timeouts:
    """The limits of a session in seconds; 0 is no limit."""

    statement_timeout: float = 30.0
    transaction_timeout: float = 30.0
    idle_in_transaction_session_timeout: float = 30.0
    lock_timeout: float = 5.0
    network_timeout: float = 30.0
    """To connect, and until what was sent is confirmed by the other side's network (R5.3)."""

    @property
    def answer(self) -> float | None:
        """How long to wait for an answer that the server should have given, or refused, before. A server that is
        frozen confirms what it is sent and says nothing."""
        return self.statement_timeout + self.network_timeout if self.statement_timeout else None


STANDARD_TIMEOUTS = Timeouts()


class LimitedConnection(psycopg.Connection[Result]):
    """A connection that `answered` can end: whatever it does, it waits here, and looks at the clock while it does."""

    hang_up_at: float | None = None  # by the monotonic clock

    def wait(self, gen: PQGen[Waited], *args: Any, **kwargs: Any) -> Waited:
        return super().wait(self._until(self.hang_up_at, gen) if self.hang_up_at else gen, *args, **kwargs)

    def _until(self, moment: float, gen: PQGen[Waited]) -> PQGen[Waited]:
        ready = None
        try:
            while True:
                if time.monotonic() >= moment:
                    _hang_up(self)
                ready = yield (
                    gen.send(ready) if ready is not None else next(gen)
                )  # at the latest a tenth of a second on
        except StopIteration as end:
            return cast(Waited, end.value)


class Connection(LimitedConnection[Row]):
    """A connection that knows which fleet it serves and how long to wait for an answer (seconds)."""

    names: Names
    answer_within: float | None


class AsyncConnection(psycopg.AsyncConnection[Row]):
    """A connection that knows which fleet it serves and how long to wait for an answer (seconds)."""

    names: Names
    answer_within: float | None


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


def connection_options(network_timeout: float) -> dict[str, Any]:
    """What libpq is told, unless a DSN says otherwise: nothing waits for a network that is gone."""
    return {
        "connect_timeout": max(2, round(network_timeout)),  # seconds, at least 2 in libpq
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": round(network_timeout * 1000),  # milliseconds
    }


def conninfo(
    dsn: str | None, *, application_name: str, network_timeout: float = STANDARD_TIMEOUTS.network_timeout
) -> str:
    """The complete connection string: the DSN with the defaults of this program beneath it."""
    try:
        given = conninfo_to_dict(resolve_dsn(dsn))
        _check_where(given)
    except psycopg.ProgrammingError:
        # libpq quotes the DSN, password and all, in its message.
        raise BadArgument(
            "the DSN cannot be read",
            hint="write it as postgresql://user@host:5432/database or as host=… dbname=… user=…",
        ) from None
    return make_conninfo(
        **{
            **connection_options(network_timeout),
            "application_name": f"orchestrator:{application_name}"[:63],
            **given,
        }
    )


def _check_where(given: Mapping[str, Any]) -> None:
    """A password with an @ or a / in it ends up as a part of the host or the port, which libpq quotes in its errors."""
    ports = str(given.get("port") or "").replace(",", "")
    if re.search("[^,]@", str(given.get("host") or "")) or not (ports.isdecimal() or not ports):
        raise psycopg.ProgrammingError


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
            conninfo(dsn, application_name=application_name, network_timeout=timeouts.network_timeout),
            autocommit=True,
            prepare_threshold=None,  # behind a pooler, what one server process prepared another does not know
            row_factory=dict_row,
        )
        conn.names, conn.answer_within = names, timeouts.answer
        with answered(conn):
            conn.execute(_session_sql(timeouts), {"backend_pid": conn.info.backend_pid})
        conn.autocommit = autocommit
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
            conninfo(dsn, application_name=application_name, network_timeout=timeouts.network_timeout),
            autocommit=True,
            prepare_threshold=None,  # behind a pooler, what one server process prepared another does not know
            row_factory=dict_row,
        )
        conn.names = names
        await limit_async(conn, timeouts)
        await conn.set_autocommit(autocommit)
    conn.adapters.register_dumper(dict, JsonbDumper)
    return conn


async def limit_async(conn: AsyncConnection, timeouts: Timeouts) -> None:
    """Give a connection other limits."""
    conn.answer_within = timeouts.answer
    with translated_errors(), answered_async(conn):
        await conn.execute(_session_sql(timeouts), {"backend_pid": conn.info.backend_pid})


def call(conn: Connection, function: str, **parameters: Any) -> list[Row]:
    """Call a public function: `call(conn, "add_stream", url=…)` is `select * from <schema>.add_stream(p_url => …)`.

    A dict goes as jsonb; a list of dicts has to be wrapped in `psycopg.types.json.Jsonb`.

    Raises:
        OrchestratorError: the subclass that belongs to the SQLSTATE.
    """
    started = time.monotonic()
    try:
        with answered(conn):
            return conn.execute(_call(conn.names, function, tuple(parameters)), parameters).fetchall()
    except psycopg.Error as raised:
        error = from_database(raised)
        error.function = function
        _log_failure(error, function, parameters, started, _lock_holders(conn, error))
        raise error from raised


async def call_async(conn: AsyncConnection, function: str, **parameters: Any) -> list[Row]:
    """`call` for asyncio."""
    started = time.monotonic()
    try:
        with answered_async(conn):
            cursor = await conn.execute(_call(conn.names, function, tuple(parameters)), parameters)
            return await cursor.fetchall()
    except psycopg.Error as raised:
        error = from_database(raised)
        error.function = function
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
    started = time.monotonic()
    try:
        with answered(conn):
            return conn.execute(_select(conn.names, name, where or {}, order_by, limit), where or {}).fetchall()
    except psycopg.Error as raised:
        error = from_database(raised)
        error.function = name
        _log_failure(error, name, where or {}, started, [])
        raise error from raised


async def view_async(
    conn: AsyncConnection,
    name: str,
    *,
    where: Mapping[str, Any] | None = None,
    order_by: Sequence[str] = (),
    limit: int | None = None,
) -> list[Row]:
    """`view` for asyncio."""
    started = time.monotonic()
    try:
        with answered_async(conn):
            cursor = await conn.execute(_select(conn.names, name, where or {}, order_by, limit), where or {})
            return await cursor.fetchall()
    except psycopg.Error as raised:
        error = from_database(raised)
        error.function = name
        _log_failure(error, name, where or {}, started, [])
        raise error from raised


async def listen_async(conn: AsyncConnection, channel: str) -> bool:
    """LISTEN on a channel of this fleet; False where notifications cannot reach this connection.

    Behind a pooler in transaction mode the server process that answers is not the one that introduced itself, and a
    LISTEN would be somebody else's.
    """
    with translated_errors(), answered_async(conn):
        cursor = await conn.execute("select pg_backend_pid() as pid")
        row = await cursor.fetchone()
        if row is None or row["pid"] != conn.info.backend_pid:
            return False
        await conn.execute(sql.SQL("listen {}").format(sql.Identifier(f"{conn.names.api}.{channel}")))
        return True


@contextmanager
def answered(conn: LimitedConnection[Any], within: float | None = None) -> Iterator[None]:
    """End the connection when what runs inside takes longer than so many seconds (else as the connection knows)."""
    within = within or getattr(conn, "answer_within", None)
    if within is None:
        yield
        return
    before, conn.hang_up_at = conn.hang_up_at, time.monotonic() + within
    try:
        yield
    except psycopg.Error as error:
        if time.monotonic() >= conn.hang_up_at and conn.broken:
            raise _unanswered(within) from error
        raise
    finally:
        conn.hang_up_at = before


@contextmanager
def answered_async(conn: AsyncConnection) -> Iterator[None]:
    """`answered` for asyncio."""
    within = conn.answer_within
    if within is None:
        yield
        return
    is_ended = False

    def end() -> None:
        nonlocal is_ended
        is_ended = True
        _hang_up(conn)

    timer = asyncio.get_running_loop().call_later(within, end)
    try:
        yield
    except psycopg.Error as error:
        if is_ended:
            raise _unanswered(within) from error
        raise
    finally:
        timer.cancel()


def _hang_up(conn: psycopg.Connection[Any] | AsyncConnection) -> None:
    """End a connection from outside: libpq, which waits, reads the end of the line."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(conn.fileno())) as line:  # if it is not over
        line.shutdown(socket.SHUT_RDWR)


def _unanswered(within: float) -> psycopg.OperationalError:
    return psycopg.OperationalError(f"the server did not answer within {within:g} s")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Let psycopg's errors out as this program's own."""
    try:
        yield
    except psycopg.Error as error:
        raise from_database(error) from error


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
    level = logger.info if isinstance(error, patience.ANSWERS) else logger.warning
    level(
        "call failed",
        function=function,
        arguments={name: _loggable(name, value) for name, value in parameters.items()},
        sqlstate=error.code,
        message=error.message,
        detail=error.detail,
        hint=error.hint,
        attempt=patience.attempt.get(),
        duration=f"{time.monotonic() - started:.3f} s",
        lock_holders=[dict(row) for row in lock_holders] or None,
    )


def _loggable(name: str, value: Any) -> Any:
    """An argument without secrets, and short."""
    if names_secret(name) or name in ("conninfo", "dsn"):
        return "…"
    if isinstance(value, Json | Jsonb):
        value = value.obj
    if isinstance(value, list | tuple) and len(value) > 10:
        return f"{len(value)} items"
    shown = redact_in(value)
    return redact(str(shown))[:200] if isinstance(shown, str | dict) else shown


def _lock_holders(conn: Connection, error: OrchestratorError) -> list[Row]:
    """Who held what this call waited for, as far as its login may see."""
    if not _may_ask_for_lock_holders(conn, error):
        return []
    try:
        with answered(conn):
            return _named(conn.execute(_call(conn.names, "lock_holders", ())).fetchall())
    except psycopg.Error:
        return []


async def _lock_holders_async(conn: AsyncConnection, error: OrchestratorError) -> list[Row]:
    if not _may_ask_for_lock_holders(conn, error):
        return []
    try:
        with answered_async(conn):
            return _named(await (await conn.execute(_call(conn.names, "lock_holders", ()))).fetchall())
    except psycopg.Error:
        return []


def _may_ask_for_lock_holders(conn: Connection | AsyncConnection, error: OrchestratorError) -> bool:
    # Inside a transaction that failed, the server answers nothing.
    return isinstance(error, LockNotAvailable) and conn.info.transaction_status == TransactionStatus.IDLE


def _named(holders: Sequence[Row]) -> list[Row]:
    """The three that most wait for."""
    return [{key: row[key] for key in ("lock", "mode", "pid", "login", "application_name")} for row in holders[:3]]


@cache
def _session_sql(timeouts: Timeouts) -> sql.SQL:
    quoted: dict[str, Any] = {
        name: sql.Literal(f"{round(seconds * 1000)}ms").as_string(None) for name, seconds in vars(timeouts).items()
    }
    return sql.SQL(cast(Any, templates.render("runner/session.sql", Names.for_schema(), **quoted)))


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
