"""The connection: keepalives, calls, and waiting for a notification. The only place with SQL text."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from worker_shim.breaker import clock, one_line

logger = logging.getLogger("worker_shim")

# A dead peer is noticed within 25 s while idle, within 20 s while something unacknowledged is under way.
_KEEPALIVES = {
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "connect_timeout": "10",
}
# The same from the server's side, so that it, too, lets go of a vanished worker's session lock.
_SESSION_SETTINGS = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
}


class Refused(Exception):
    """The orchestrator refused this worker, and trying again would not help."""

    def __init__(self, code: str, message: str, hint: str | None = None, detail: str | None = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.hint = hint
        self.detail = detail


class Listener:
    """One connection to the orchestrator's database, used by one call at a time.

    Behind a pooler in transaction mode (`pooled`) there is no session to listen or to hold a lock in, so nothing
    of the kind is tried and the caller has to poll.
    """

    def __init__(self, dsn: str, schema: str, channel: str, network_timeout: float) -> None:
        try:
            given = conninfo_to_dict(dsn)
        except psycopg.ProgrammingError:
            raise ValueError("the DSN cannot be parsed") from None  # the driver's message would quote it
        self._conninfo = make_conninfo(dsn, **{name: v for name, v in _KEEPALIVES.items() if name not in given})
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
                self._conninfo,
                autocommit=True,
                row_factory=dict_row,
                prepare_threshold=None,  # calls are rare, and prepared statements break behind old poolers
                application_name=f"worker_shim {self._channel}"[:63],
            )
        self._connection = connection
        (row,) = await self._execute(sql.SQL("select pg_backend_pid() as pid"))
        self.pooled = row["pid"] != connection.info.backend_pid
        if not self.pooled:
            # The server gives up first: then the connection is still good.
            settings = _SESSION_SETTINGS | {"statement_timeout": f"{round(self._timeout * 900)}"}
            for name, value in settings.items():
                await self._execute(sql.SQL("select set_config(%s, %s, false)"), name, value)
            await self._execute(sql.SQL("listen {}").format(sql.Identifier(self._channel)))
        logger.info("database connected server=%s pooled=%s", connection.info.server_version, self.pooled)

    async def call(self, function: str, **parameters: Any) -> list[DictRow]:
        """`select * from schema.function(p_name => value, …)`; any waiting for a notification is interrupted."""
        query = sql.SQL("select * from {}({})").format(
            sql.Identifier(self._schema, function),
            sql.SQL(", ").join(sql.SQL("{} => %s").format(sql.Identifier(f"p_{name}")) for name in parameters),
        )
        values = [Jsonb(value) if _is_json(value) else value for value in parameters.values()]
        began = clock()
        self._callers += 1
        self._wanted.set()
        try:
            async with self._lock:
                return await self._execute(query, *values)
        except psycopg.Error as error:
            logger.warning(
                "call failed function=%s arguments=%s sqlstate=%s error=%r detail=%s hint=%r duration=%.3f",
                *(function, {name: _brief(value) for name, value in parameters.items()}, error.sqlstate),
                *(one_line(error.diag.message_primary or error), error.diag.message_detail, error.diag.message_hint),
                clock() - began,
            )
            raise
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


def _brief(value: Any) -> Any:
    return f"{len(value)} items" if isinstance(value, dict | list) else value


def _is_json(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))
