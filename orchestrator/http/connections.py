"""What a connection may take before anything is known of its client: size, number and time of heads.

The parser that uvicorn uses (httptools) keeps what it is sent until a head is whole, whatever its size, and waits for
the rest as long as the client likes.
"""

import asyncio
import socket
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from orchestrator.http.access import Limits
from orchestrator.http.problems import Problem

_HEADERS = 100
"""Of one request. Each costs more than a hundred bytes, however short it is."""
_ALL_HEADS = 64 * 1024 * 1024
"""Bytes of all heads that are not whole yet."""
_REQUESTS_AHEAD = 16
"""That a client sends before the answer to an earlier one."""
_LINGER = 5.0
"""Seconds for which the rest of a refused request is read and dropped, so that its client comes to read the answer."""

_TOO_LARGE = Problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head of the request is too large")
_TOO_MANY = Problem(HTTPStatus.TOO_MANY_REQUESTS, "too many requests ahead of their answers")
_BUSY = Problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests are not whole yet", headers={"Retry-After": "5"})
_UNREADABLE = Problem(HTTPStatus.BAD_REQUEST, "this is no HTTP request")


@dataclass
class _Unfinished:
    """The bytes of all heads that are not whole yet."""

    size: int = 0


def bounded(limits: Limits) -> type[asyncio.Protocol]:
    """uvicorn's protocol within these limits. A connection whose request is refused by them is ended, and so is one
    whose head does not arrive in time or that does not take what it is sent."""
    of_all = _Unfinished()

    class Bounded(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None
        _unfinished = 0
        """Bytes since the last that were a whole head or a part of a body: a head, or what frames chunks of a body."""
        _found: Problem | None = None
        _is_refused = False
        _running: RequestResponseCycle | None = None
        """What is being answered; `cycle` is the last request that was read."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                transport.abort()
                return
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux has it
                connection = transport.get_extra_info("socket")
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * limits.patience))
            self._wait(limits.patience)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            self._count(0)
            self._abandon()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._deadline is None and self._rests():
                self._wait(limits.patience)  # the first byte of another request
            for at in range(0, len(data), limits.head):
                if self._is_refused:
                    return
                self._take(data if len(data) <= limits.head else data[at : at + limits.head])
            if not self._rests() and not self._is_refused:
                self._stop_waiting()

        def _take(self, data: bytes) -> None:
            self._count(self._unfinished + len(data))
            super().data_received(data)
            if self._is_refused or not self._unfinished:
                return
            if self._unfinished > limits.head or len(self.headers or ()) > _HEADERS:
                self._refuse(_TOO_LARGE)
            elif of_all.size > _ALL_HEADS:
                self._refuse(_BUSY)

        def on_headers_complete(self) -> None:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > limits.head or len(self.headers) > _HEADERS:
                self._give_up(_TOO_LARGE)
            if len(self.pipeline) >= _REQUESTS_AHEAD:
                self._give_up(_TOO_MANY)
            self._count(0)
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._count(0)
            super().on_body(body)

        def on_message_complete(self) -> None:
            self._count(0)
            super().on_message_complete()
            if self._rests():
                self._stop_waiting()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self._rests() and self.cycle.more_body and self._deadline is None:
                self._wait(limits.patience)  # it was answered before its body had come, which is not waited for longer

        def send_400_response(self, msg: str) -> None:
            self._refuse(self._found or _UNREADABLE)

        def _give_up(self, problem: Problem) -> None:
            """In the middle of what the parser reads: it stops at an exception, and uvicorn answers 400."""
            self._found = problem
            raise problem

        def _refuse(self, problem: Problem) -> None:
            self._is_refused = True
            self._stop_waiting()
            self._unset_keepalive_if_required()
            has_begun = not self._rests() and (self._running is not self.cycle or self.cycle.response_started)
            self._abandon()
            if has_begun:
                self.transport.close()
                return
            response = problem.response()
            headers = [*response.raw_headers, (b"connection", b"close")]
            lines = [STATUS_LINE[response.status_code], *(b"%s: %s\r\n" % header for header in headers), b"\r\n"]
            self.transport.write(b"".join(lines) + response.body)
            self.transport.write_eof()
            self._wait(min(_LINGER, limits.patience))

        def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
            self._running = cycle
            super()._start_asgi_task(cycle, app)

        def _abandon(self) -> None:
            """What is still being answered writes no more; uvicorn forgets that of an earlier request."""
            self.pipeline.clear()
            if self._running is not None:
                self._running.disconnected = True
                self._running.message_event.set()

        def _rests(self) -> bool:
            return self.cycle is None or bool(self.cycle.response_complete)

        def _count(self, size: int) -> None:
            of_all.size += size - self._unfinished
            self._unfinished = size

        def _wait(self, seconds: float) -> None:
            self._deadline = self.loop.call_later(seconds, self.transport.close)

        def _stop_waiting(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return Bounded
