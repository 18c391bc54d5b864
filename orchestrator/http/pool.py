"""A few connections to the database, lent to one request at a time."""

import asyncio
import random
import select
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from psycopg.pq import TransactionStatus

from orchestrator.database import db
from orchestrator.database.retry import Round, is_contention
from orchestrator.errors import Cancelled, Contention, DatabaseUnavailable

_FIRST_WAIT = 0.2
"""Seconds before the second try, at most."""


class Pool:
    """At most `size` connections, opened when they are needed and kept while they are good.

    A request that finds none free for `patience` seconds is refused: a queue would only grow. Why it is not
    psycopg_pool: docs/internals/decisions/0021-one-http-framework.md.
    """

    def __init__(self, dsn: str | None, *, schema: str, size: int, patience: float = 5.0) -> None:
        self._dsn = dsn
        self._schema = schema
        self._patience = patience
        self._free = asyncio.Semaphore(size)
        self._idle: list[db.AsyncConnection] = []

    async def call(self, function: str, **parameters: Any) -> list[db.Row]:
        """`db.call`, with contention tried again (R2.3). A lost connection is not: its caller comes back anyway."""
        attempt = partial(self._call, function, parameters)
        try:
            return await attempt()  # a round would cost a tenth of what a beat does
        except Cancelled:
            raise  # it took the whole statement_timeout: the client is told when to ask again
        except Contention:
            await asyncio.sleep(random.uniform(0, _FIRST_WAIT))
        return await Round(tries=2, first_wait=2 * _FIRST_WAIT, worth=is_contention).run_async(
            attempt, sleep=asyncio.sleep
        )

    async def view(self, name: str, **where: Any) -> list[db.Row]:
        """`db.view`."""
        async with self._connection() as conn:
            return await db.view_async(conn, name, where=where)

    async def _call(self, function: str, parameters: Mapping[str, Any]) -> list[db.Row]:
        async with self._connection() as conn:
            return await db.call_async(conn, function, **parameters)

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[db.AsyncConnection]:
        try:
            async with asyncio.timeout(self._patience if self._free.locked() else None):
                await self._free.acquire()
        except TimeoutError:
            raise DatabaseUnavailable("all connections to the database are busy") from None
        try:
            conn = await self._one()
            try:
                yield conn
            finally:
                if not conn.closed and conn.info.transaction_status == TransactionStatus.IDLE:
                    self._idle.append(conn)
                else:
                    await conn.close()
        finally:
            self._free.release()

    async def _one(self) -> db.AsyncConnection:
        while self._idle:
            conn = self._idle.pop()
            if not conn.closed and not _has_said_goodbye(conn):
                return conn
            await conn.close()
        return await db.connect_async(self._dsn, schema=self._schema, application_name="http")


def _has_said_goodbye(conn: db.AsyncConnection) -> bool:
    """An idle server has nothing else to say. Unlike select(), poll() knows descriptors beyond 1023."""
    poll = select.poll()
    poll.register(conn.fileno(), select.POLLIN)
    return bool(poll.poll(0))
