"""The connection: keepalives, calls, and waiting for a notification. The only place with SQL text."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import re
import socket
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from worker_shim.patience import one_line

logger = logging.getLogger("worker_shim")

LOCK_TIMEOUT = 5.0  # as the functions set it for themselves
PREPARE_AFTER = 2  # calls of a function in a session of our own, until it is only named


def connection_options(network_timeout: float) -> dict[str, str]:
    """libpq's options for connections on which a vanished peer is noticed within network_timeout (seconds).

    At 30 s: within 25 s while idle, within 20 s while something unacknowledged is under way.
    """
    probe = _whole(network_timeout / 6)
    return {
        "connect_timeout": _whole(min(10, network_timeout), least=2),  # libpq takes 1 for 2
        "keepalives": "1",
        "keepalives_idle": _whole(network_timeout / 3),
        "keepalives_interval": probe,
        "keepalives_count": "3",
        "tcp_user_timeout": _whole(network_timeout * 2 / 3 * 1000),
    }


def session_settings(network_timeout: float, server_version: int) -> dict[str, str]:
    """The same from the server's side, so that it lets go of a vanished worker's session, and its own limits.

    The server gives up first: then the connection is still good.
    """
    on_the_wire = connection_options(network_timeout)
    in_time = _whole(network_timeout * 900)
    limits = {
        "tcp_keepalives_idle": on_the_wire["keepalives_idle"],
        "tcp_keepalives_interval": on_the_wire["keepalives_interval"],
        "tcp_keepalives_count": on_the_wire["keepalives_count"],
        "tcp_user_timeout": on_the_wire["tcp_user_timeout"],
        "statement_timeout": in_time,
        "lock_timeout": _whole(min(LOCK_TIMEOUT * 1000, network_timeout * 450)),
        "idle_in_transaction_session_timeout": in_time,
    }
    # It ends the session, so it comes last.
    return limits | ({"transaction_timeout": _whole(network_timeout * 1000)} if server_version >= 170000 else {})


def _whole(number: float, least: int = 1) -> str:
    return str(max(least, round(number)))


HINTS = {  # for what PostgreSQL refuses before the orchestrator is asked
    "3F000": "the schema is not installed in this database: run 'orchestrator db migrate', or correct --schema",
    "42501": "grant the fleet's role for workers (orchestrator_worker) to this login",
    "42883": "the database is older or newer than this program: run 'orchestrator db status'",
}


class Refused(Exception):
    """The orchestrator refused this worker, and trying again would not help."""

    def __init__(self, code: str, message: str, hint: str | None = None, detail: str | None = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.hint = hint
        self.detail = detail

    @classmethod
    def because(cls, error: psycopg.Error | OSError) -> Refused:
        """The refusal that an error of a call means."""
        diagnostic = error.diag if isinstance(error, psycopg.Error) else None
        message = diagnostic.message_primary if diagnostic else None
        code = (error.sqlstate if isinstance(error, psycopg.Error) else None) or "?"
        hint = (diagnostic.message_hint if diagnostic else None) or HINTS.get(code)
        return cls(code, message or one_line(error), hint, diagnostic.message_detail if diagnostic else None)


def _check_where(given: Mapping[str, Any]) -> None:
    """A password with an @ or a / in it ends up as a part of the host or the port, which libpq quotes in its errors."""
    ports = str(given.get("port") or "").replace(",", "")
    if re.search("[^,]@", str(given.get("host") or "")) or not (ports.isdecimal() or not ports):
        raise psycopg.ProgrammingError


class Listener:
    """One connection to the orchestrator's database, used by one call at a time.

    Behind a pooler in transaction mode (`pooled`) there is no session to listen or to hold a lock in, so nothing
    of the kind is tried and the caller has to poll.
    """

    def __init__(self, dsn: str, schema: str, channel: str, network_timeout: float) -> None:
        try:
            given = conninfo_to_dict(dsn)
            _check_where(given)
        except psycopg.ProgrammingError:
            raise ValueError("the DSN cannot be parsed") from None  # the driver's message would quote it
        self.conninfo = make_conninfo(dsn, **(connection_options(network_timeout) | given))
        self._schema = schema
        self._channel = channel
        self._timeout = network_timeout
        self._connection: psycopg.AsyncConnection[DictRow] | None = None
        self._lock = asyncio.Lock()
        self._callers = 0
        self._wanted = asyncio.Event()
        self.pooled = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection that is not known to be lost."""
        return self._connection is not None and not self._connection.closed

    async def connect(self) -> None:
        """Connect anew; when there is a session of our own, LISTEN before anything is read."""
        await self.close()
        async with asyncio.timeout(self._timeout):
            connection = await psycopg.AsyncConnection.connect(
                self.conninfo,
                autocommit=True,
                row_factory=dict_row,
                prepare_threshold=None,  # behind a pooler, what one server process prepared another does not know
                application_name=f"worker_shim {self._channel}"[:63],
            )
        self._connection = connection
        settings = session_settings(self._timeout, connection.info.server_version)
        # in one round trip; a process that is not the one that introduced itself is shared, and nothing is set on it
        each = sql.SQL(", ").join([sql.SQL("set_config(%s, %s, false)")] * len(settings))
        (row,) = await self._execute(
            sql.SQL(
                "select is_own, case when is_own then concat({}) end from (select pg_backend_pid() = %s) as p (is_own)"
            ).format(each),
            *itertools.chain(*settings.items()),
            connection.info.backend_pid,
        )
        self.pooled = not row["is_own"]
        if not self.pooled:
            connection.prepare_threshold = PREPARE_AFTER
            await self._execute(sql.SQL("listen {}").format(sql.Identifier(self._channel)))
        logger.info("database connected server=%s pooled=%s", connection.info.server_version, self.pooled)

    async def call(self, function: str, **parameters: Any) -> list[DictRow]:
        """`select * from schema.function(p_name => value, …)`; any waiting for a notification is interrupted."""
        query = sql.SQL("select * from {}({})").format(
            sql.Identifier(self._schema, function),
            sql.SQL(", ").join(sql.SQL("{} => %s").format(sql.Identifier(f"p_{name}")) for name in parameters),
        )
        values = [Jsonb(value) if _is_json(value) else value for value in parameters.values()]
        self._callers += 1
        self._wanted.set()
        try:
            async with self._lock:
                return await self._execute(query, *values)
        finally:
            self._callers -= 1

    async def _execute(self, query: sql.SQL | sql.Composed, *values: Any) -> list[DictRow]:
        if self._connection is None:
            raise psycopg.OperationalError("not connected")
        timer = asyncio.get_running_loop().call_later(self._timeout, self.hang_up)
        try:
            cursor = await self._connection.execute(query, values)
            return await cursor.fetchall() if cursor.description else []
        finally:
            timer.cancel()

    def hang_up(self) -> None:
        """End whatever is under way with a connection error, without asking the server or the network."""
        if self._connection is not None and not self._connection.closed:
            logger.warning("hanging up timeout=%s", self._timeout)
            # A cancellation would first ask the server to cancel, and wait for its answer.
            with socket.socket(fileno=os.dup(self._connection.fileno())) as line, contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    async def idle(self, seconds: float, wake: asyncio.Event) -> bool:
        """Wait for a notification, at most so long or until wake is set; True when one came.

        Raises psycopg.OperationalError when the connection is lost meanwhile.
        """
        async with self._lock:
            if not self._callers:
                self._wanted.clear()
            waits = {asyncio.ensure_future(wake.wait()), asyncio.ensure_future(self._wanted.wait())}
            hint = asyncio.ensure_future(self._notified(seconds))
            try:
                await asyncio.wait(waits | {hint}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
                # What arrives while it is being cancelled stays with the connection for the next wait.
                return hint.done() and hint.result()
            finally:
                for task in (*waits, hint):
                    task.cancel()
                await asyncio.wait((*waits, hint))

    async def _notified(self, seconds: float) -> bool:
        if self._connection is None or self.pooled:
            await asyncio.sleep(seconds)
            return False
        came = False
        async for _ in self._connection.notifies(timeout=seconds, stop_after=1):
            came = True
        return came

    async def close(self) -> None:
        """Hang up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()


def _is_json(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))
