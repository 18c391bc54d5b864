"""Running the application, with uvicorn."""

import asyncio
import logging
import resource
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import uvicorn

from orchestrator.errors import BadArgument
from orchestrator.http.access import Keys, Limits
from orchestrator.http.app import create_app
from orchestrator.http.connections import bounded
from orchestrator.http.dashboard import page
from orchestrator.http.dashboard.live import Hub, Pace
from orchestrator.http.hosts import is_loopback, is_name
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
    names: tuple[str, ...] = ()
    """By which this server is known beside the names of its own host; with a port or without one."""
    limits: Limits = field(default_factory=Limits)
    pace: Pace = field(default_factory=Pace)
    """Of the dashboard."""


def serve(dsn: str | None, *, schema: str, options: Options, environment: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        BadArgument: others than this host could ask, and there is no key to ask them for.
    """
    keys = Keys(_listed(environment, "ORCHESTRATOR_API_KEYS"), options.keys_file)
    names = (*options.names, *_listed(environment, "ORCHESTRATOR_HTTP_HOSTS"))
    if unusable := [name for name in names if not is_name(name)]:
        raise BadArgument(
            "this is no name of a host",
            detail={"name": unusable[0]},
            hint="radio.example.org or radio.example.org:8443",
        )
    if not keys.are_required and not is_loopback(options.host):
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
            create_app(pool, keys=keys, limits=options.limits, hub=hub, names=names, ending=ending),
            host=options.host,
            port=options.port,
            http=bounded(options.limits),
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


def _listed(environment: Mapping[str, str], variable: str) -> list[str]:
    """What a variable lists, separated by commas."""
    return [each.strip() for each in environment.get(variable, "").split(",") if each.strip()]


def _allow_many_connections() -> None:
    """Slow clients cost a file descriptor each; the system allows more of them than a process starts with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
