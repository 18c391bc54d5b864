"""The network between a process and the database, in our hands: a TCP proxy with one line for each process.

A line passes bytes on, or cuts everything with a reset, or holds everything back while all sockets stay open (a
half-open connection), or is slow, or loses notifications. Notifications are lost message by message: what the server
says is read as PostgreSQL's protocol, so every line needs `sslmode=disable gssencmode=disable`.
https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from psycopg.conninfo import make_conninfo

Result = TypeVar("Result")

NOTIFICATION = b"A"
PIECE = 65536
# SO_LINGER with a time of 0: closing resets the connection instead of ending it politely.
_RESET = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class _Connection:
    """One client and the server behind it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None


@dataclass(eq=False)
class Line:
    """One process's way to the database. Its methods may be called from any thread."""

    name: str
    upstream: Path | tuple[str, int]  # a Unix socket, or a host and a port
    port: int = 0
    dropped: int = 0  # notifications
    delay: float = 0.0  # seconds, each way
    deaf: bool = False
    _refuses: bool = False
    _flows: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: set[_Connection] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def __post_init__(self) -> None:
        self._flows.set()

    def dsn(self, dbname: str, user: str = "postgres") -> str:
        """How a process reaches the database by this line."""
        return make_conninfo(
            host="127.0.0.1", port=self.port, user=user, dbname=dbname, sslmode="disable", gssencmode="disable"
        )

    def cut(self, *, refuse: bool = True) -> None:
        """Reset every connection; new ones are reset, too, until `heal`, unless `refuse` is false."""
        self._do(lambda: self._cut(refuse))

    def hold(self) -> None:
        """Pass nothing on either way, while every socket stays open and new connections seem to succeed."""
        self._do(self._flows.clear)

    def lose_server_side(self) -> None:
        """Reset the connections to the server alone, as its own keepalives do when a client cannot be reached."""
        self._do(self._lose_server_side)

    def heal(self) -> None:
        """Everything flows again; what was held back arrives first."""
        self.deaf, self.delay = False, 0.0
        self._do(self._heal)

    def end(self) -> None:
        """Let go of everything; only for the thread of the proxy."""
        self._cut(refuse=True)
        self._flows.set()

    def _do(self, what: Callable[[], None]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(what)
        self._loop.call_soon_threadsafe(done.set)
        done.wait(5)

    def _cut(self, refuse: bool) -> None:
        self._refuses = refuse
        for connection in self._connections:
            _reset(connection.client)
            _reset(connection.server)

    def _lose_server_side(self) -> None:
        for connection in self._connections:
            _reset(connection.server)

    def _heal(self) -> None:
        self._refuses = False
        self._flows.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, from its connecting to its end."""
        if self._refuses:
            _reset(writer)
            return
        connection = _Connection(writer)
        self._connections.add(connection)
        try:
            await self._flows.wait()
            server_reader, connection.server = await self._connect()
            directions = {
                asyncio.create_task(self._pass_bytes(reader, connection.server)),
                asyncio.create_task(self._pass_messages(server_reader, writer)),
            }
            try:
                await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in directions:
                    task.cancel()
                await asyncio.gather(*directions, return_exceptions=True)
        except OSError:
            _reset(writer)  # no server answers behind this line, and the client shall know it
        finally:
            self._connections.discard(connection)
            # What ended on one side does not reach the other one before the line is healed.
            await self._flows.wait()
            for side in (connection.client, connection.server):
                if side is not None:
                    side.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.upstream, Path):
            return await asyncio.open_unix_connection(str(self.upstream))
        return await asyncio.open_connection(*self.upstream)

    async def _pass_bytes(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE):
            await self._write(writer, piece)

    async def _pass_messages(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                kind = await reader.readexactly(1)
                size = await reader.readexactly(4)
                body = await reader.readexactly(int.from_bytes(size) - 4)
                if kind == NOTIFICATION and self.deaf:
                    self.dropped += 1
                else:
                    await self._write(writer, kind + size + body)

    async def _write(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        await self._flows.wait()
        writer.write(piece)
        await writer.drain()


class Proxy:
    """All lines, served by a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._lines: list[Line] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._wait_for(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open_line(self, name: str, upstream: Path | tuple[str, int]) -> Line:
        """A new line to the server, with a port of its own."""

        async def open_it() -> Line:
            line = Line(name, upstream)
            server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
            line.port = server.sockets[0].getsockname()[1]
            self._lines.append(line)
            return line

        return self._wait_for(open_it)

    def _wait_for(self, work: Callable[[], Awaitable[Result]]) -> Result:
        async def body() -> Result:
            return await work()

        return asyncio.run_coroutine_threadsafe(body(), self._loop).result(10)

    async def _end(self) -> None:
        for line in self._lines:
            line.end()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=5) if tasks else None


def _reset(writer: asyncio.StreamWriter | None) -> None:
    if writer is None or writer.transport.is_closing():
        return
    with suppress(OSError):
        line = writer.get_extra_info("socket")
        if line.family != socket.AF_UNIX:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
