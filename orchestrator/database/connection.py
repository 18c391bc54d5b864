"""Connections with all limits set: where they lead, how long they wait, and how they are ended."""

import asyncio
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, TypeVar, cast

import psycopg
from psycopg.abc import Buffer, PQGen
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.rows import dict_row
from psycopg.types.json import JsonbDumper

from orchestrator import conninfo, templates
from orchestrator.conninfo import STANDARD_TIMEOUTS, Timeouts
from orchestrator.database import embedded
from orchestrator.errors import DatabaseUnavailable, from_database
from orchestrator.names import DEFAULT_SCHEMA, Names

Row = dict[str, Any]
Result = TypeVar("Result", covariant=True)
Waited = TypeVar("Waited")


class _RealLoader(Loader):
    """A `real` as the server would write it: 0.1, and not the 0.10000000149011612 that its four bytes are in eight."""

    format = Format.BINARY

    def load(self, data: Buffer) -> float:
        [number] = struct.unpack("!f", data)
        written = (float(f"{number:.{digits}g}") for digits in range(6, 9))
        return next((each for each in written if struct.pack("!f", each) == bytes(data)), number)


class LimitedConnection(psycopg.Connection[Result]):
    """A connection that `answered` can end: in all that it does it waits here, and looks at the clock while it does."""

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


def complete_dsn(
    dsn: str | None, *, application_name: str, network_timeout: float = STANDARD_TIMEOUTS.network_timeout
) -> str:
    """The complete connection string: the DSN with the defaults of this program beneath it.

    Raises:
        BadArgument: it cannot be read.
    """
    return conninfo.complete(
        resolve_dsn(dsn), network_timeout=network_timeout, application_name=f"orchestrator:{application_name}"
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
        DatabaseUnavailable: nothing answers at the DSN.
        BadArgument: the DSN or the schema cannot be read.
    """
    names = Names.for_schema(schema)
    with translated_errors():
        conn = Connection.connect(
            complete_dsn(dsn, application_name=application_name, network_timeout=timeouts.network_timeout),
            autocommit=True,
            prepare_threshold=None,  # behind a pooler, what one server process prepared another does not know
            row_factory=dict_row,
        )
        conn.names, conn.answer_within = names, timeouts.answer
        with answered(conn):
            conn.execute(_session_sql(), _session_parameters(conn, timeouts))
        conn.autocommit = autocommit
    _adapt(conn)
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
            complete_dsn(dsn, application_name=application_name, network_timeout=timeouts.network_timeout),
            autocommit=True,
            prepare_threshold=None,  # behind a pooler, what one server process prepared another does not know
            row_factory=dict_row,
        )
        conn.names = names
        await limit_async(conn, timeouts)
        await conn.set_autocommit(autocommit)
    _adapt(conn)
    return conn


def _adapt(conn: psycopg.Connection[Any] | AsyncConnection) -> None:
    conn.adapters.register_dumper(dict, JsonbDumper)
    conn.adapters.register_loader("float4", _RealLoader)


async def limit_async(conn: AsyncConnection, timeouts: Timeouts) -> None:
    """Give a connection other limits."""
    conn.answer_within = timeouts.answer
    with translated_errors(), answered_async(conn):
        await conn.execute(_session_sql(), _session_parameters(conn, timeouts))


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


@cache
def _session_sql() -> Any:
    return templates.read("runner/session.sql")


def _session_parameters(conn: psycopg.Connection[Any] | AsyncConnection, timeouts: Timeouts) -> dict[str, Any]:
    settings = conninfo.session_settings(timeouts)
    return {"names": list(settings), "values": list(settings.values()), "backend_pid": conn.info.backend_pid}
