"""The routes. Each hands its request to one SQL function and passes the answer on."""

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator import __version__, log
from orchestrator.errors import OrchestratorError
from orchestrator.http import contract, exposition
from orchestrator.http.dashboard.routes import add_dashboard
from orchestrator.http.dashboard.stream import Hub
from orchestrator.http.guard import Keys, Limits, Rate, read_json
from orchestrator.http.pool import Pool
from orchestrator.http.problems import Problem, from_error
from orchestrator.names import NAME_PATTERN

# Probes have no key.
_PUBLIC = frozenset({"/livez", "/readyz"})
_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_REFUSALS = {400: "a field is wrong", 401: "no key, or a wrong one", 503: "the database cannot be reached, or is busy"}

_PERF = log.get_logger("PERF")

Arguments = Callable[[Request], dict[str, Any]]


@dataclass(frozen=True)
class Route:
    """One path: the SQL function behind it, and what its requests and answers look like."""

    method: str
    path: str
    function: str
    answers: tuple[type[BaseModel], ...]
    takes: tuple[type[BaseModel], ...] = ()
    """Models of the body; with none, there is no body."""
    arguments: Arguments = lambda _request: {}
    """Further arguments of the function, from whatever else the request has."""
    parameters: tuple[tuple[str, str, dict[str, Any]], ...] = ()
    """Name, place (path or query) and schema of what is in the address."""
    refusals: tuple[int, ...] = ()


def _address(request: Request) -> dict[str, Any]:
    return {"address": request.client.host if request.client else None}


def _server_id(request: Request) -> dict[str, Any]:
    return {"request": {"server_id": request.path_params["server_id"]}}


def _query(request: Request) -> dict[str, Any]:
    """An address holds text only: what is a whole number there is one."""
    asked = {
        key: int(value) if re.fullmatch(r"\d{1,18}", value) else value for key, value in request.query_params.items()
    }
    return {"request": {**asked, "worker_id": request.query_params.get("worker_id")}, "dialect": "worker"}


# What whoever speaks for an instance may hear.
_SPEAKING = (403, 404, 409)
_INSTANCE_ID = {"type": "string", "pattern": NAME_PATTERN}
_COUNT = {"type": "integer", "minimum": 0, "maximum": 1_000_000}

ROUTES = (
    # main
    Route(
        "POST",
        "/register",
        "http_register",
        (contract.Registered, contract.ServerRegistered),
        (contract.Registration, contract.ServerRegistration),
        _address,
        refusals=(403, 409),
    ),
    Route(
        "POST",
        "/heartbeat",
        "http_heartbeat",
        (contract.Acknowledged, contract.ServerAcknowledged),
        (contract.Beat, contract.ServerBeat),
        refusals=_SPEAKING,
    ),
    Route("GET", "/health", "http_health", (contract.Health,), arguments=lambda _request: {"version": __version__}),
    Route("GET", "/instances", "http_instances", (contract.Instances,)),
    Route("GET", "/streams/status", "http_streams_status", (contract.StreamsStatus,)),
    Route(
        "POST",
        "/rebalance",
        "http_rebalance",
        (contract.Rebalanced,),
        (contract.RebalanceRequest,),
        refusals=(403, 409),
    ),
    # server
    Route("POST", "/streams/assign", "http_assign_streams", (contract.Assigned,), (contract.Ask,), refusals=_SPEAKING),
    Route(
        "POST",
        "/streams/release",
        "http_release_streams",
        (contract.Released,),
        (contract.Release,),
        refusals=_SPEAKING,
    ),
    Route(
        "GET",
        "/instances/{server_id}",
        "http_instance",
        (contract.ServerAnswer,),
        arguments=_server_id,
        parameters=(("server_id", "path", _INSTANCE_ID),),
        refusals=(404,),
    ),
    Route("GET", "/status", "http_status", (contract.Status,)),
    Route(
        "POST",
        "/diagnostic",
        "http_diagnostic",
        (contract.Diagnostic,),
        (contract.DiagnosticRequest,),
        refusals=_SPEAKING,
    ),
    # worker
    Route(
        "POST",
        "/api/workers/register",
        "http_register",
        (contract.WorkerRegistered,),
        (contract.WorkerRegistration,),
        lambda request: {**_address(request), "dialect": "worker"},
        refusals=(403, 409),
    ),
    Route(
        "POST",
        "/api/heartbeat",
        "http_heartbeat",
        (contract.WorkerAcknowledged,),
        (contract.WorkerBeat,),
        lambda _request: {"dialect": "worker"},
        refusals=_SPEAKING,
    ),
    Route(
        "GET",
        "/api/streams/assign",
        "http_assign_streams",
        (contract.WorkerAssigned,),
        arguments=_query,
        parameters=(
            ("worker_id", "query", _INSTANCE_ID),
            ("capacity", "query", _COUNT),
            ("worker_type", "query", {"type": "string"}),
        ),
        refusals=_SPEAKING,
    ),
)


def create_app(pool: Pool, *, keys: Keys, limits: Limits, hub: Hub) -> FastAPI:
    """The application; `pool` is closed with it. `hub` keeps the dashboard up to date."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await pool.close()

    # Its pages of documentation would load scripts from elsewhere; the document itself is /openapi.json.
    app = FastAPI(title="Radio orchestrator", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    # FastAPI would read requests and check answers, as the database does. So it only describes these routes, and
    # Starlette, which it stands on, serves them.
    described = APIRouter()
    for route in ROUTES:
        _add(app, described, route, pool, limits)
    process = CollectorRegistry()
    _add_metrics(app, pool, process)
    _add_probes(app, pool)
    add_dashboard(app, pool, hub, has_keys=keys.are_required, limits=limits)
    app.add_exception_handler(OrchestratorError, _database_refused)
    app.add_exception_handler(Problem, _refused)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_middleware(_Front, keys=keys, rate=Rate(limits.rate))
    app.add_middleware(exposition.Measured, registry=process)
    app.openapi = lambda: _openapi(app, described)  # type: ignore[method-assign]  # how FastAPI wants it
    return app


def _add(app: FastAPI, described: APIRouter, route: Route, pool: Pool, limits: Limits) -> None:
    async def handle(request: Request) -> Response:
        arguments = route.arguments(request)
        if route.takes:
            arguments["request"] = await read_json(request, limits)
        [row] = await pool.call(route.function, **arguments)
        if event_id := row["body"].get("event_id"):
            log.get_logger("BALANCE").info(
                "decided over HTTP", path=route.path, event_id=event_id, answer=row["body"]["message"]
            )
        return _json(row["body"], row["status"])

    extra: dict[str, Any] = {}
    if route.takes:
        schemas: list[dict[str, Any]] = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in route.takes]
        extra["requestBody"] = {
            "required": route.path != "/rebalance",
            "content": {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}},
        }
    if route.parameters:
        extra["parameters"] = [
            {"name": name, "in": place, "required": name != "worker_type", "schema": schema}
            for name, place, schema in route.parameters
        ]
    app.add_route(route.path, handle, methods=[route.method], name=route.function, include_in_schema=False)
    described.add_api_route(
        route.path,
        handle,
        methods=[route.method],
        name=route.function,
        operation_id=f"{route.method.lower()}{re.sub(r'[^a-z]+', '_', route.path)}".rstrip("_"),
        responses=_responses(_union(route.answers), *route.refusals, *((413, 415) if route.takes else ())),
        openapi_extra=extra,
    )


def _add_metrics(app: FastAPI, pool: Pool, process: CollectorRegistry) -> None:
    async def metrics(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        if exposition.is_wanted(accept):
            # thousands of lines: others need not wait for them
            content, kind = await asyncio.to_thread(
                exposition.text, await pool.call("metrics"), accept, process=process
            )
            return Response(content, headers={"Content-Type": kind})
        [row] = await pool.call("http_metrics")
        return _json(row["body"], row["status"])

    app.add_api_route(
        "/metrics",
        metrics,
        operation_id="get_metrics",
        responses=_responses(contract.Metrics),
    )


def _add_probes(app: FastAPI, pool: Pool) -> None:
    async def livez() -> Response:
        return _json({"status": "alive"}, HTTPStatus.OK)

    async def readyz() -> Response:
        # Any question will do: this one needs the schema, is open to every role and reads one row at most.
        await pool.call("is_current", stream_id=0, epoch=0)
        return _json({"status": "ready"}, HTTPStatus.OK)

    app.add_api_route("/livez", livez, operation_id="get_livez", responses={200: {"model": contract.Alive}})
    app.add_api_route("/readyz", readyz, operation_id="get_readyz", responses=_responses(contract.Alive, 403))


def _json(body: Any, status: int) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), status_code=status, media_type="application/json")


# -- what goes wrong ---------------------------------------------------------------------------------------------------


async def _database_refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, OrchestratorError)
    return from_error(error).response()


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _not_routed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Problem(HTTPStatus(error.status_code), str(error.detail).lower(), headers=error.headers).response()


class _Front:
    """What every request passes: its id, the rate, the key; and the end of whatever nobody caught."""

    def __init__(self, app: ASGIApp, *, keys: Keys, rate: Rate) -> None:
        self._app = app
        self._keys = keys
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
            try:
                self._admit(scope, headers)
                await self._app(scope, receive, send_with_headers)
            except Problem as problem:
                await problem.response()(scope, receive, send_with_headers)
            except Exception:
                log.get_logger("ERROR").exception("request failed", method=scope["method"], path=scope["path"])
                if not status:
                    failed = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")
                    await failed.response()(scope, receive, send_with_headers)
            _PERF.debug(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                duration=f"{time.monotonic() - started:.3f} s",
            )

    def _admit(self, scope: Scope, headers: Headers) -> None:
        """Raises Problem."""
        self._rate.admit(scope["client"][0] if scope.get("client") else "")
        is_followed_link = scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not is_followed_link:
            # A browser says that another site's page asks; it may stand beside us, and needs no key then. It may lead
            # to the dashboard, which only shows, and shows itself in no frame.
            raise Problem(HTTPStatus.FORBIDDEN, "asked by another site's page")
        if self._keys.are_required and scope["path"] not in _PUBLIC and not self._keys.accept(headers):
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "an API key is needed",
                detail="send X-API-Key, Authorization: Bearer, or http://any:KEY@host",
                # Chromium asks its user only where Basic stands alone
                headers={"WWW-Authenticate": 'Basic realm="orchestrator"'},
            )


# -- the document ------------------------------------------------------------------------------------------------------


def _union(models: Sequence[type[BaseModel]]) -> Any:
    union: Any = models[0]
    for model in models[1:]:
        union = union | model
    return union


def _responses(answer: Any, *refusals: int) -> dict[int | str, dict[str, Any]]:
    schema = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
    answers: dict[int | str, dict[str, Any]] = {200: {"model": answer}}
    return answers | {
        status: {"description": _REFUSALS.get(status, HTTPStatus(status).phrase), "content": schema}
        for status in sorted({400, 401, 429, 503, *refusals})
    }


def _openapi(app: FastAPI, described: APIRouter) -> dict[str, Any]:
    """FastAPI's document, with the bodies that it does not read itself."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=[*described.routes, *app.routes])
        models = {model for route in ROUTES for model in route.takes} | {contract.ProblemBody}
        _, schemas = models_json_schema(
            [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)],
            ref_template="#/components/schemas/{model}",
        )
        document["components"]["schemas"].update(schemas["$defs"])
        document["components"]["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
            "basic": {"type": "http", "scheme": "basic"},
        }
        document["security"] = [{"key": []}, {"bearer": []}, {"basic": []}]
        app.openapi_schema = document
    return app.openapi_schema
