"""Running the application, with uvicorn."""

import asyncio
import ipaddress
import logging
import resource
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orchestrator.errors import BadArgument
from orchestrator.http.access import Keys, Limits
from orchestrator.http.app import create_app
from orchestrator.http.dashboard import page
from orchestrator.http.dashboard.live import Hub, Pace
from orchestrator.http.pool import Pool
from orchestrator.logs import log

# Seconds that a connection may rest between two requests: longer than clients pause between two beats.
_KEEP_ALIVE = 75


@dataclass(frozen=True)
class Options:
    """How to serve."""

    host: str = "127.0.0.1"
    port: int = 8000
    connections: int = 8
    """To the database."""
    keys_file: Path | None = None
    limits: Limits = field(default_factory=Limits)
    pace: Pace = field(default_factory=Pace)
    """Of the dashboard."""


def serve(dsn: str | None, *, schema: str, options: Options, environment: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        BadArgument: others than this host could ask, and there is no key to ask them for.
    """
    given = [key.strip() for key in environment.get("ORCHESTRATOR_API_KEYS", "").split(",") if key.strip()]
    keys = Keys(given, options.keys_file)
    if not keys.are_required and not _is_loopback(options.host):
        raise BadArgument(
            "without an API key only this host may ask",
            detail={"host": options.host},
            hint="set ORCHESTRATOR_API_KEYS or give --api-keys-file, or serve on 127.0.0.1",
        )
    _allow_many_connections()
    server_log = logging.getLogger("uvicorn")
    server_log.handlers[:] = logging.getLogger("orchestrator").handlers
    server_log.setLevel(logging.WARNING)
    server_log.propagate = False
    pool = Pool(dsn, schema=schema, size=options.connections)
    render = partial(page.parts, has_actions=keys.are_required)
    hub = Hub(pool, dsn=dsn, schema=schema, render=render, pace=options.pace)
    ending = asyncio.Event()
    server = _Server(
        uvicorn.Config(
            create_app(pool, keys=keys, limits=options.limits, hub=hub, ending=ending),
            host=options.host,
            port=options.port,
            http=_impatient(options.limits.patience),
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=10,
        ),
        hub,
        ending,
    )
    log.get_logger("STARTUP").info(
        "serving HTTP",
        host=options.host,
        port=options.port,
        keys="required" if keys.are_required else "none: loopback only",
    )
    server.run()


class _Server(uvicorn.Server):
    """uvicorn's, which would wait at its end for event streams that have none, and for answers that are held."""

    def __init__(self, config: uvicorn.Config, hub: Hub, ending: asyncio.Event) -> None:
        super().__init__(config)
        self._hub = hub
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._hub.end()
        self._ending.set()
        await super().shutdown(sockets)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _allow_many_connections() -> None:
    """Slow clients cost a file descriptor each; the system allows more of them than a process starts with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _impatient(patience: float) -> type[asyncio.Protocol]:
    """uvicorn's protocol, ending connections whose next request does not arrive whole (its head) in so many seconds, or
    that do not take what they are sent for so long.

    uvicorn itself lets a client send its head a byte at a time for ever, and waits for one that vanished.
    """

    class Impatient(HttpToolsProtocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
            super().connection_made(transport)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux has it
                connection = transport.get_extra_info("socket")
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * patience))
            self._wait()

        def data_received(self, data: bytes) -> None:
            if self._deadline is None and self._rests():
                self._wait()  # the first byte of another request
            super().data_received(data)
            if not self._rests():
                self._stop_waiting()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _rests(self) -> bool:
            return self.cycle is None or bool(self.cycle.response_complete)

        def _wait(self) -> None:
            self._deadline = self.loop.call_later(patience, self.transport.close)

        def _stop_waiting(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return Impatient
