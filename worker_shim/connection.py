"""The connection: keepalives, calls, and waiting for a notification. The only place with SQL text."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import socket
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from orchestrator import conninfo
from orchestrator.conninfo import Timeouts
from orchestrator.errors import BadArgument
from orchestrator.redact import redact_error

logger = logging.getLogger("worker_shim")

PREPARE_AFTER = 2  # calls of a function in a session of our own, until it is only named


HINTS = {  # for what PostgreSQL refuses before the orchestrator is asked
    "3F000": "the schema is not installed in this database: run 'orchestrator db migrate', or correct --schema",
    "42501": "grant the fleet's role for workers (orchestrator_worker) to this login",
    "42883": "the database is older or newer than this program: run 'orchestrator db status'",
}


class Refused(Exception):
    """The orchestrator refused this worker, and trying again would not help.

    code, message, detail (text, mostly a JSON object) and hint are the database's; argument is the one that was refused
    (max_streams, as Worker calls it), None where it was none.
    """

    def __init__(self, code: str, message: str, hint: str | None = None, detail: str | None = None) -> None:
        self.code = code
        self.message = message
        self.hint = hint
        self.detail = detail
        self.argument = _argument_in(detail)
        super().__init__(f"{message}{f' {self.argument}' if self.argument else ''} ({code})")

    @classmethod
    def because(cls, error: psycopg.Error | OSError) -> Refused:
        """The refusal that an error of a call means."""
        diagnostic = error.diag if isinstance(error, psycopg.Error) else None
        message = diagnostic.message_primary if diagnostic else None
        code = (error.sqlstate if isinstance(error, psycopg.Error) else None) or "?"
        hint = (diagnostic.message_hint if diagnostic else None) or HINTS.get(code)
        return cls(code, message or redact_error(error), hint, diagnostic.message_detail if diagnostic else None)


def _argument_in(detail: str | None) -> str | None:
    try:
        said = json.loads(detail or "null")
    except ValueError:  # PostgreSQL's own details are sentences
        return None
    argument = said.get("argument") if isinstance(said, dict) else None
    return argument.removeprefix("p_") if isinstance(argument, str) else None


class Connection:
    """One connection to the orchestrator's database, used by one call at a time, for one worker or for several."""

    def __init__(self, dsn: str, schema: str, network_timeout: float) -> None:
        try:
            self.conninfo = conninfo.complete(dsn, network_timeout=network_timeout)
        except BadArgument:
            raise ValueError("dsn: the DSN cannot be parsed") from None
        self.schema = schema
        self.timeout = network_timeout
        self.session: psycopg.AsyncConnection[DictRow] | None = None
        self.listeners: list[Listener] = []
        self.pooled = False
        self._lock = asyncio.Lock()  # one call at a time
        self._connecting = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether there is a connection that is not known to be lost."""
        return self.session is not None and not self.session.closed

    async def connect(self) -> None:
        """Connect, unless another worker has done so."""
        async with self._connecting:
            if self.connected:
                return
            await self.close()
            first, *others = (listener.channel for listener in self.listeners)
            async with asyncio.timeout(self.timeout):
                connection = await psycopg.AsyncConnection.connect(
                    self.conninfo,
                    autocommit=True,
                    row_factory=dict_row,
                    prepare_threshold=None,  # behind a pooler, what one server process prepared another does not know
                    application_name=f"worker_shim {first}{f'+{len(others)}' if others else ''}"[:63],
                )
            connection.add_notify_handler(self._hear)
            self.session = connection
            try:
                settings = conninfo.session_settings(
                    Timeouts.within(self.timeout), server_version=connection.info.server_version
                )
                # in one round trip; a process that is not the one that introduced itself is shared, and stays as it is
                each = sql.SQL(", ").join([sql.SQL("set_config(%s, %s, false)")] * len(settings))
                (row,) = await self.execute(
                    sql.SQL(
                        "select is_own, case when is_own then concat({}) end"
                        " from (select pg_backend_pid() = %s) as p (is_own)"
                    ).format(each),
                    *itertools.chain(*settings.items()),
                    connection.info.backend_pid,
                )
                self.pooled = not row["is_own"]
                if not self.pooled:
                    connection.prepare_threshold = PREPARE_AFTER
            except BaseException:
                await self.close()
                raise
            logger.info("database connected server=%s pooled=%s", connection.info.server_version, self.pooled)

    async def execute(self, query: sql.SQL | sql.Composed, *values: Any) -> list[DictRow]:
        """One statement, when those before it are done."""
        async with self._lock:
            connection = self.session
            if connection is None or connection.closed:
                raise psycopg.OperationalError("not connected")
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self.timeout, self.hang_up)
            loop.remove_reader(connection.fileno())  # psycopg reads now, and passes on what it hears
            try:
                # binary: as text, an interval looks as the session likes it, which a pooler shares with others
                cursor = await connection.execute(query, values, binary=True)
                return await cursor.fetchall() if cursor.description else []
            finally:
                timer.cancel()
                if connection is self.session and not connection.closed:
                    loop.add_reader(connection.fileno(), self._read, connection)
                else:
                    self._tell_of_loss()

    def hang_up(self) -> None:
        """End what is under way with a connection error, without asking the server or the network."""
        if self.session is not None and not self.session.closed:
            logger.warning("hanging up timeout=%s", self.timeout)
            _shut_down(self.session)

    async def close(self) -> None:
        """Hang up."""
        connection, self.session = self.session, None
        if connection is None:
            return
        if self._lock.locked() and not connection.closed:
            _shut_down(connection)  # another task calls, and finds out
        async with self._lock:
            if not connection.closed:
                asyncio.get_running_loop().remove_reader(connection.fileno())
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()
        self._tell_of_loss()

    def _read(self, connection: psycopg.AsyncConnection[DictRow]) -> None:
        """Something came between two calls: notifications, or the end of the connection."""
        number = connection.fileno()
        try:
            connection.pgconn.consume_input()
            while notification := connection.pgconn.notifies():
                self._hint(notification.relname.decode())
        except psycopg.Error as error:
            asyncio.get_running_loop().remove_reader(number)
            logger.debug("connection lost error=%r", redact_error(error))
            connection.pgconn.finish()
            self._tell_of_loss()

    def _hear(self, notification: psycopg.Notify) -> None:
        self._hint(notification.channel)

    def _hint(self, channel: str) -> None:
        for listener in self.listeners:
            if listener.channel == channel:
                listener.hint()

    def _tell_of_loss(self) -> None:
        for listener in self.listeners:
            listener.wake()


def _shut_down(connection: psycopg.AsyncConnection[DictRow]) -> None:
    # A cancellation would first ask the server to cancel, and wait for its answer.
    with socket.socket(fileno=os.dup(connection.fileno())) as wire, contextlib.suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)


class Listener:
    """A worker's end of a connection: its calls, and its channel.

    Behind a pooler in transaction mode (`pooled`) there is no session to listen or to hold a lock in, so nothing
    of the kind is tried and the caller has to poll; without `listens` it polls, too, and keeps its session.
    """

    def __init__(self, dsn: str, schema: str, channel: str, network_timeout: float, listens: bool = True) -> None:
        self.channel = channel
        self._listens = listens
        self._connection = Connection(dsn, schema, network_timeout)
        self._connection.listeners.append(self)
        self._joined: object = None  # the connection that listens to the channel
        self._hinted = False
        self._wake: asyncio.Event | None = None

    @property
    def conninfo(self) -> str:
        """What is connected to."""
        return self._connection.conninfo

    @property
    def pooled(self) -> bool:
        """Whether the connection is a pooler's."""
        return self._connection.pooled

    @property
    def polls(self) -> bool:
        """Whether no notification comes: because of the pooler, or because none is wanted."""
        return self.pooled or not self._listens

    @property
    def shared(self) -> bool:
        """Whether others use the connection, too."""
        return len(self._connection.listeners) > 1

    @property
    def connected(self) -> bool:
        """Whether there is a connection that is not known to be lost, and that listens to the channel."""
        return self._connection.connected and self._joined is self._connection.session

    def share(self, other: Listener) -> None:
        """Use another worker's connection from now on: one to the same place. Before anything is connected."""
        mine, its = self._connection, other._connection
        if (mine.conninfo, mine.schema, mine.timeout) != (its.conninfo, its.schema, its.timeout):
            raise ValueError("workers that share a connection need the same DSN, schema and network_timeout")
        if any(listener.channel == self.channel for listener in its.listeners):
            raise ValueError(f"two workers with the same name share a connection: {self.channel}")
        self._connection = its
        its.listeners.append(self)

    async def connect(self) -> None:
        """Connect anew, or join the others; when there is a session of our own, LISTEN before anything is read."""
        await self._connection.connect()
        joined = self._connection.session
        if not self.polls:
            await self._connection.execute(sql.SQL("listen {}").format(sql.Identifier(self.channel)))
        self._joined = joined

    async def call(self, function: str, **parameters: Any) -> list[DictRow]:
        """`select * from schema.function(p_name => value, …)`, when the calls before it are done."""
        query = sql.SQL("select * from {}({})").format(
            sql.Identifier(self._connection.schema, function),
            sql.SQL(", ").join(sql.SQL("{} => %s").format(sql.Identifier(f"p_{name}")) for name in parameters),
        )
        values = [Jsonb(value) if _is_json(value) else value for value in parameters.values()]
        return await self._connection.execute(query, *values)

    async def idle(self, seconds: float, wake: asyncio.Event) -> bool:
        """Wait for a notification, at most so long or until wake is set; True when one came.

        Raises psycopg.OperationalError when the connection is lost meanwhile.
        """
        self._wake = wake
        if not self._hinted and self.connected:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await wake.wait()
        if not self.connected:
            raise psycopg.OperationalError("the connection was lost")
        hinted, self._hinted = self._hinted, False
        return hinted

    def hint(self) -> None:
        """A notification came."""
        self._hinted = True
        self.wake()

    def wake(self) -> None:
        """There is something to look at."""
        if self._wake is not None:
            self._wake.set()

    def hang_up(self) -> None:
        """End what is under way with a connection error, without asking the server or the network."""
        self._connection.hang_up()

    async def close(self) -> None:
        """Hang up, for all workers that share the connection: each comes back, unless it was lost."""
        await self._connection.close()

    def leave(self) -> None:
        """Leave the connection to the others."""
        self._connection.listeners.remove(self)


def _is_json(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))
