"""What keeps all browsers up to date: one connection that LISTENs, one question for all, each reader at its own speed.

Without readers there is no connection and no question. Nothing is queued for a reader: one that is slow gets, when
it is ready again, what has changed since it was. One that takes nothing at all is cut off by the system (server.py).
"""

import asyncio
import contextlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import Message, Receive, Scope, Send

from orchestrator.database import db
from orchestrator.errors import OrchestratorError
from orchestrator.http.dashboard.page import State
from orchestrator.http.pool import Pool
from orchestrator.http.problems import Problem, from_error
from orchestrator.logs import log

# A proxy ends a connection that says nothing for a minute or less.
_COMMENT = b": nothing new\n\n"
_COMMENT_AFTER = 15.0
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),  # nginx would collect them
]
# diagnose() costs more than all the rest: it is asked once a refresh when something happened, else once in so many.
_DIAGNOSED_AFTER = 6


@dataclass(frozen=True)
class Pace:
    """How often to look, in seconds, and how many browsers one server keeps up to date."""

    refresh: float = 10.0
    """So often all is asked anew although no notification said that it changed: beats, jobs, ages."""
    poll: float = 2.0
    """The same where no notification arrives, behind a pooler in transaction mode."""
    pause: float = 1.0
    """At least so long between two questions."""
    part: float = 0.1
    """Of the time, at most this part is spent on asking: a large fleet is asked less often."""
    readers: int = 200


class Hub:
    """All event streams of one server."""

    def __init__(
        self,
        pool: Pool,
        *,
        dsn: str | None,
        schema: str,
        render: Callable[[State, State], Mapping[str, str]],
        pace: Pace,
    ) -> None:
        self._pool = pool
        self._dsn = dsn
        self._schema = schema
        self._render = render
        self._pace = pace
        self._readers = 0
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self._news = asyncio.Event()
        self._version = 0
        self._parts: dict[str, tuple[int, str]] = {}
        """Each part with the version that it changed in."""
        self._state: State = {}
        self._diagnosed = -math.inf
        self._trouble: str | None = None
        self._message: tuple[int, int, bytes] = (0, 0, b"")
        """From which version to which, and what that is: most readers need the same."""

    # -- readers -------------------------------------------------------------------------------------------------

    async def follow(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request with events, for as long as it is there (an ASGI application)."""
        if self._ended or self._readers >= self._pace.readers:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "too many event streams",
                detail=f"at most {self._pace.readers} at once",
                headers={"Retry-After": "10"},
            )
        self._readers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        reading = asyncio.create_task(self._tell(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({reading, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, leaving):
                task.cancel()
            await asyncio.gather(reading, leaving, return_exceptions=True)
            self._readers -= 1
            if not self._readers:
                await self._rest()

    def end(self) -> None:
        """Let every reader go, now and from now on."""
        self._ended = True
        self._news.set()

    async def _tell(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        # how long a browser waits before it comes back
        await send(_some(b"retry: 2000\n\n"))
        seen = 0
        while not self._ended:
            news = self._news
            if seen != self._version:
                message, seen = self._since(seen), self._version
            else:
                try:
                    await asyncio.wait_for(news.wait(), _COMMENT_AFTER)
                    continue
                except TimeoutError:
                    message = _COMMENT
            await send(_some(message))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _since(self, seen: int) -> bytes:
        """The event that brings a reader up to date."""
        begin, end, message = self._message
        if (begin, end) != (seen, self._version):
            changed = {name: html for name, (version, html) in self._parts.items() if version > seen}
            data = json.dumps({"trouble": self._trouble, "parts": changed}, ensure_ascii=False)
            message = f"event: state\ndata: {data}\n\n".encode()
            self._message = (seen, self._version, message)
        return message

    # -- reading -------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Look for as long as there are readers, through losses of the database."""
        while True:
            try:
                await self._look()
            except OrchestratorError as error:
                self._tell_trouble(from_error(error).title)
            except Exception:
                log.get_logger("ERROR").exception("the dashboard cannot be kept up to date")
                self._tell_trouble("the server failed; its log says why")
            await asyncio.sleep(self._pace.poll)

    async def _look(self) -> None:
        conn = await db.connect_async(self._dsn, schema=self._schema, application_name="dashboard")
        async with conn:
            listens = await db.listen_async(conn, "changes")
            is_told = True
            while True:
                # this look answers all notifications that came meanwhile
                is_told = await _notification(conn, 0) or is_told
                started = time.monotonic()
                if started - self._diagnosed >= self._pace.refresh * (1 if is_told else _DIAGNOSED_AFTER):
                    self._state, self._diagnosed, is_told = {}, started, False
                [row] = await self._pool.call("http_dashboard", diagnosis=self._state.get("diagnosis"))
                self._take(row["body"])
                pause = max(self._pace.pause, (time.monotonic() - started) / self._pace.part)
                await asyncio.sleep(pause)
                if listens:
                    is_told = await _notification(conn, max(self._pace.refresh - pause, 0)) or is_told
                else:
                    await asyncio.sleep(max(self._pace.poll - pause, 0))

    async def _rest(self) -> None:
        """The last reader has left. The next one is told everything anew."""
        task, self._task = self._task, None
        self._version, self._parts, self._trouble, self._message = 0, {}, None, (0, 0, b"")
        self._state, self._diagnosed = {}, -math.inf
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _take(self, state: State) -> None:
        version = self._version + 1
        changed = False
        before, self._state = self._state, state
        for name, html in self._render(state, before).items():
            if self._parts.get(name, (0, ""))[1] != html:
                self._parts[name] = (version, html)
                changed = True
        if changed or self._trouble is not None:
            self._trouble = None
            self._publish(version)

    def _tell_trouble(self, title: str) -> None:
        if self._trouble != title:
            log.get_logger("DATABASE").warning("the dashboard cannot be kept up to date", problem=title)
            self._trouble = title
            self._publish(self._version + 1)

    def _publish(self, version: int) -> None:
        self._version = version
        news, self._news = self._news, asyncio.Event()
        news.set()


def _some(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": True}


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _notification(conn: db.AsyncConnection, seconds: float) -> bool:
    """Whether one came within so many seconds; without any, of those that are there."""
    came = False
    with db.translated_errors():
        async for _ in conn.notifies(timeout=seconds, stop_after=1 if seconds else None):
            came = True
    return came
