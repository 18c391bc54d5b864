"""The application. Each route hands its request to one SQL function and passes the answer on."""

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from starlette import routing
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.errors import OrchestratorError
from orchestrator.http import openapi, prometheus
from orchestrator.http.access import Bodies, Keys, Limits, Origins, Rate
from orchestrator.http.dashboard.live import Hub
from orchestrator.http.dashboard.routes import dashboard_routes
from orchestrator.http.pool import Pool
from orchestrator.http.problems import Problem, from_error
from orchestrator.http.routes import ROUTES, Route
from orchestrator.logs import log

# Probes have no key.
_PUBLIC = frozenset({"/livez", "/readyz"})
# A fleet may stand behind one address, and takes a refusal for an outage.
_OF_CLIENTS = frozenset(route.path for route in ROUTES if route.is_of_clients)
_ACTING_GETS = frozenset(route.path for route in ROUTES if route.method == "GET" and route.acts)
_COST_OF_CLIENTS = 0.02
_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")

_PERF = log.get_logger("PERF")

Handler = Callable[[Request], Awaitable[Response]]


def create_app(
    pool: Pool,
    *,
    keys: Keys,
    limits: Limits,
    hub: Hub,
    names: Iterable[str] = (),
    ending: asyncio.Event | None = None,
) -> Starlette:
    """The application; `pool` is closed with it. `hub` keeps the dashboard up to date. `names`: by which it is known.
    `ending`: the server is about to stop, and holds no answer any longer."""
    ending = ending or asyncio.Event()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        presence = asyncio.create_task(_be_present(pool))
        yield
        presence.cancel()
        await pool.close()

    process = CollectorRegistry()
    bodies = Bodies(limits)
    origins = Origins(names, only_loopback=not keys.are_required, acting_gets=_ACTING_GETS)
    own = {
        "/metrics": _metrics(pool, process),
        "/livez": _livez,
        "/readyz": _readyz(pool),
        "/ready": _ready(pool),
    }
    return Starlette(
        routes=[
            *(
                routing.Route(
                    route.path, own.get(route.path) or _handler(route, pool, bodies, ending), methods=[route.method]
                )
                for route in ROUTES
            ),
            routing.Route("/openapi.json", _document),
            *dashboard_routes(pool, hub, has_keys=keys.are_required, bodies=bodies),
        ],
        middleware=[
            Middleware(prometheus.Measured, registry=process),
            Middleware(_Front, keys=keys, origins=origins, rate=Rate(limits.rate)),
        ],
        exception_handlers={HTTPException: _not_routed},
        lifespan=lifespan,
    )


def _handler(route: Route, pool: Pool, bodies: Bodies, ending: asyncio.Event) -> Handler:
    async def handle(request: Request) -> Response:
        arguments = route.arguments(request)
        if route.takes:
            arguments["request"] = await bodies.read_json(request, may_be_list=route.is_of_clients)
        if route.may_be_held:
            row = await _held(request, pool, route, arguments, ending)
        else:
            [row] = await pool.call(route.function, **arguments)
        if row["status"] >= HTTPStatus.BAD_REQUEST:
            raise Problem(HTTPStatus(row["status"]), row["body"]["title"], detail=row["body"]["detail"])
        if event_id := row["body"].get("event_id"):
            log.get_logger("BALANCE").info(
                "decided over HTTP", path=route.path, event_id=event_id, answer=row["body"]["message"]
            )
        return _json(row["body"], row["status"])

    return handle


async def _held(
    request: Request, pool: Pool, route: Route, arguments: dict[str, Any], ending: asyncio.Event
) -> dict[str, Any]:
    """Call until there is an answer; between two calls no connection is kept.

    Raises:
        Problem: the client went away, or the server is about to stop.
    """
    began = time.monotonic()
    while True:
        waited = timedelta(seconds=time.monotonic() - began)
        [row] = await pool.call(route.function, **arguments, waited=waited)
        if row["status"] != HTTPStatus.PROCESSING:
            return row
        with suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), row["body"]["hold_for"])
        if ending.is_set():
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the server is about to stop")
        if await request.is_disconnected():
            raise Problem(HTTPStatus.BAD_REQUEST, "the client went away")


async def _be_present(pool: Pool) -> None:
    """Tell the database that clients can speak: while they cannot, none is lost for its silence."""
    seconds = 1.0
    while True:
        try:
            [row] = await pool.call("http_present")
            seconds = row["again_in"]
        except OrchestratorError as error:
            log.get_logger("DATABASE").debug("presence not recorded", message=error.message)
        except Exception:  # a bug here must not end the server's word for it
            log.get_logger("ERROR").exception("presence not recorded")
        await asyncio.sleep(seconds)


def _metrics(pool: Pool, process: CollectorRegistry) -> Handler:
    async def metrics(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        if prometheus.is_wanted(accept):
            # thousands of lines: others need not wait for them
            content, kind = await asyncio.to_thread(
                prometheus.text, await pool.call("metrics"), accept, process=process
            )
            return Response(content, headers={"Content-Type": kind})
        [row] = await pool.call("http_metrics")
        return _json(row["body"], row["status"])

    return metrics


async def _livez(_request: Request) -> Response:
    return _json({"status": "alive"})


def _readyz(pool: Pool) -> Handler:
    async def readyz(_request: Request) -> Response:
        # Any question will do: this one needs the schema, is open to every role and reads one row at most.
        await pool.call("is_current", stream_id=0, epoch=0)
        return _json({"status": "ready"})

    return readyz


def _ready(pool: Pool) -> Handler:
    async def ready(_request: Request) -> Response:
        try:
            await pool.call("is_current", stream_id=0, epoch=0)
        except OrchestratorError as error:
            return _json({"status": "not_ready", "message": from_error(error).title}, HTTPStatus.SERVICE_UNAVAILABLE)
        return _json({"status": "ready", "message": "the database answers"})

    return ready


async def _document(_request: Request) -> Response:
    return _json(openapi.document())


def _json(body: Any, status: int = 200) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), status_code=status, media_type="application/json")


# -- what every request passes, and what goes wrong --------------------------------------------------------------------


async def _not_routed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Problem(HTTPStatus(error.status_code), str(error.detail).lower(), headers=error.headers).response()


class _Front:
    """Gives a request its id, checks rate and key, and answers with a problem when something fails."""

    def __init__(self, app: ASGIApp, *, keys: Keys, origins: Origins, rate: Rate) -> None:
        self._app = app
        self._keys = keys
        self._origins = origins
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.match(given) else uuid.uuid4().hex
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answered = MutableHeaders(scope=message)
                answered["X-Request-Id"] = request_id
                answered["X-Content-Type-Options"] = "nosniff"
                answered["Cache-Control"] = "no-store"
            await send(message)

        started = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            problem = None
            try:
                self._admit(scope, headers)
                await self._app(scope, receive, send_with_headers)
            except Problem as refusal:
                problem = refusal
            except OrchestratorError as error:
                problem = from_error(error)
            except Exception:
                log.get_logger("ERROR").exception("request failed", method=scope["method"], path=scope["path"])
                problem = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")
            if problem is not None and not status:
                await problem.response()(scope, receive, send_with_headers)
            _PERF.debug(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                duration=f"{time.monotonic() - started:.3f} s",
            )

    def _admit(self, scope: Scope, headers: Headers) -> None:
        """Raises Problem."""
        self._rate.admit(
            scope["client"][0] if scope.get("client") else "",
            cost=_COST_OF_CLIENTS if scope["path"] in _OF_CLIENTS else 1,
        )
        self._origins.admit(scope, headers)
        if self._keys.are_required and scope["path"] not in _PUBLIC and not self._keys.accept(headers):
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "an API key is needed",
                detail="send X-API-Key, Authorization: Bearer, or http://any:KEY@host",
                # Chromium asks its user only where Basic stands alone
                headers={"WWW-Authenticate": 'Basic realm="orchestrator"'},
            )
