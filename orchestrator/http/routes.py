"""The routes: the SQL function behind each, and what its requests and answers look like."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request

from orchestrator import __version__
from orchestrator.http import schemas
from orchestrator.names import NAME_PATTERN

Arguments = Callable[[Request], dict[str, Any]]

_EVERYWHERE = (400, 401, 429, 503)
_REGISTERING = (*_EVERYWHERE, 403, 409)
# A request that acts for an instance.
_SPEAKING = (*_EVERYWHERE, 403, 404, 409)


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
    """Further arguments of the function, from the rest of the request."""
    parameters: tuple[tuple[str, str, dict[str, Any]], ...] = ()
    """Name, place (path or query) and schema of what is in the address."""
    refusals: tuple[int, ...] = _EVERYWHERE


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


_INSTANCE_ID = {"type": "string", "pattern": NAME_PATTERN}
_COUNT = {"type": "integer", "minimum": 0, "maximum": 1_000_000}

ROUTES = (
    # main
    Route(
        "POST",
        "/register",
        "http_register",
        (schemas.Registered, schemas.ServerRegistered),
        (schemas.Registration, schemas.ServerRegistration),
        _address,
        refusals=_REGISTERING,
    ),
    Route(
        "POST",
        "/heartbeat",
        "http_heartbeat",
        (schemas.Acknowledged, schemas.ServerAcknowledged),
        (schemas.Beat, schemas.ServerBeat),
        refusals=_SPEAKING,
    ),
    Route("GET", "/health", "http_health", (schemas.Health,), arguments=lambda _request: {"version": __version__}),
    Route("GET", "/instances", "http_instances", (schemas.Instances,)),
    Route("GET", "/streams/status", "http_streams_status", (schemas.StreamsStatus,)),
    Route(
        "POST",
        "/rebalance",
        "http_rebalance",
        (schemas.Rebalanced,),
        (schemas.RebalanceRequest,),
        refusals=_REGISTERING,
    ),
    # server
    Route("POST", "/streams/assign", "http_assign_streams", (schemas.Assigned,), (schemas.Ask,), refusals=_SPEAKING),
    Route(
        "POST",
        "/streams/release",
        "http_release_streams",
        (schemas.Released,),
        (schemas.Release,),
        refusals=_SPEAKING,
    ),
    Route(
        "GET",
        "/instances/{server_id}",
        "http_instance",
        (schemas.ServerAnswer,),
        arguments=_server_id,
        parameters=(("server_id", "path", _INSTANCE_ID),),
        refusals=(*_EVERYWHERE, 404),
    ),
    Route("GET", "/status", "http_status", (schemas.Status,)),
    Route(
        "POST",
        "/diagnostic",
        "http_diagnostic",
        (schemas.Diagnostic,),
        (schemas.DiagnosticRequest,),
        refusals=_SPEAKING,
    ),
    # worker
    Route(
        "POST",
        "/api/workers/register",
        "http_register",
        (schemas.WorkerRegistered,),
        (schemas.WorkerRegistration,),
        lambda request: {**_address(request), "dialect": "worker"},
        refusals=_REGISTERING,
    ),
    Route(
        "POST",
        "/api/heartbeat",
        "http_heartbeat",
        (schemas.WorkerAcknowledged,),
        (schemas.WorkerBeat,),
        lambda _request: {"dialect": "worker"},
        refusals=_SPEAKING,
    ),
    Route(
        "GET",
        "/api/streams/assign",
        "http_assign_streams",
        (schemas.WorkerAssigned,),
        arguments=_query,
        parameters=(
            ("worker_id", "query", _INSTANCE_ID),
            ("capacity", "query", _COUNT),
            ("worker_type", "query", {"type": "string"}),
        ),
        refusals=_SPEAKING,
    ),
    # probes and metrics, each with a handler of its own
    Route("GET", "/metrics", "http_metrics", (schemas.Metrics,)),
    Route("GET", "/livez", "", (schemas.Alive,), refusals=()),
    Route("GET", "/readyz", "is_current", (schemas.Alive,), refusals=(*_EVERYWHERE, 403)),
)
