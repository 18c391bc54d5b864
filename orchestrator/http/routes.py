"""The routes: the SQL function behind each, and what its requests and answers look like."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request

from orchestrator import __version__
from orchestrator.http import schemas

Arguments = Callable[[Request], dict[str, Any]]

_EVERYWHERE = (400, 401, 429, 503)
_REGISTERING = (*_EVERYWHERE, 403, 409)
_CLIENT = (*_EVERYWHERE, 403)
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
    is_of_clients: bool = False
    """Clients in the field call it by themselves, many of them from one address perhaps, and with long lists."""
    may_be_held: bool = False
    """The function may say that the answer has to wait."""

    @property
    def acts(self) -> bool:
        """Whether it changes anything. Clients in the field ask for their streams by a GET."""
        return self.method != "GET" or self.function == "http_assign_streams"


def _address(request: Request) -> dict[str, Any]:
    return {"address": request.client.host if request.client else None}


def _server_id(request: Request) -> dict[str, Any]:
    return {"request": {"server_id": request.path_params["server_id"]}}


def _worker(request: Request) -> dict[str, Any]:
    return {**_address(request), "dialect": "worker"}


def _query(request: Request) -> dict[str, Any]:
    return {"request": dict(request.query_params), **_worker(request)}


_NAME = {"type": "string", "minLength": 1, "maxLength": 200}

ROUTES = (
    # main
    Route(
        "POST",
        "/register",
        "http_register",
        (schemas.Registered, schemas.ClientRegistered),
        (schemas.Registration, schemas.ServerRegistration),
        _address,
        refusals=_REGISTERING,
        is_of_clients=True,
        may_be_held=True,
    ),
    Route(
        "POST",
        "/heartbeat",
        "http_heartbeat",
        (schemas.Acknowledged, schemas.ServerAcknowledged),
        (schemas.Beat, schemas.ServerBeat),
        _address,
        refusals=_SPEAKING,
        is_of_clients=True,
    ),
    Route(
        "GET",
        "/health",
        "http_health",
        (schemas.Health,),
        arguments=lambda _request: {"version": __version__},
        is_of_clients=True,
    ),
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
    Route(
        "POST",
        "/streams/assign",
        "http_assign_streams",
        (schemas.Assigned,),
        (schemas.Ask,),
        _address,
        refusals=_CLIENT,
        is_of_clients=True,
        may_be_held=True,
    ),
    Route(
        "POST",
        "/streams/release",
        "http_release_streams",
        (schemas.Released,),
        (schemas.Release,),
        _address,
        refusals=_CLIENT,
        is_of_clients=True,
    ),
    Route(
        "GET",
        "/instances/{server_id}",
        "http_instance",
        (schemas.ServerAnswer,),
        arguments=_server_id,
        parameters=(("server_id", "path", _NAME),),
        refusals=(*_EVERYWHERE, 404),
        is_of_clients=True,
    ),
    Route(
        "DELETE",
        "/instances/{server_id}",
        "http_remove_instance",
        (schemas.Done,),
        arguments=lambda request: {**_server_id(request), **_address(request)},
        parameters=(("server_id", "path", _NAME),),
        refusals=_CLIENT,
    ),
    Route("GET", "/status", "http_status", (schemas.Status,), is_of_clients=True),
    Route(
        "POST",
        "/diagnostic",
        "http_diagnostic",
        (schemas.Diagnostic,),
        (schemas.DiagnosticRequest,),
        refusals=_CLIENT,
        is_of_clients=True,
    ),
    # worker
    Route(
        "POST",
        "/api/workers/register",
        "http_register",
        (schemas.ClientRegistered,),
        (schemas.WorkerRegistration,),
        _worker,
        refusals=_REGISTERING,
        is_of_clients=True,
        may_be_held=True,
    ),
    Route(
        "POST",
        "/api/heartbeat",
        "http_heartbeat",
        (schemas.WorkerAcknowledged,),
        (schemas.WorkerBeat,),
        _worker,
        refusals=_CLIENT,
        is_of_clients=True,
    ),
    Route(
        "GET",
        "/api/streams/assign",
        "http_assign_streams",
        (schemas.WorkerAssigned,),
        arguments=_query,
        parameters=(
            ("worker_id", "query", _NAME),
            ("capacity", "query", {"type": "string"}),
            ("worker_type", "query", {"type": "string"}),
        ),
        refusals=_CLIENT,
        is_of_clients=True,
        may_be_held=True,
    ),
    Route(
        "POST",
        "/api/streams/update",
        "http_update_stream",
        (schemas.Done,),
        (schemas.StreamUpdate,),
        _address,
        refusals=_CLIENT,
        is_of_clients=True,
    ),
    # what scripts and older dashboards look at
    Route("GET", "/api/workers", "http_workers", (schemas.Workers,)),
    Route("GET", "/api/metrics", "http_worker_metrics", (schemas.WorkerMetrics,)),
    Route("GET", "/streams", "http_streams", (schemas.Streams,)),
    Route("GET", "/streams/assignments", "http_assignments", (schemas.Assignments,)),
    Route("GET", "/postgres/test", "http_source_test", (schemas.SourceTest,)),
    Route("GET", "/ready", "is_current", (schemas.Ready,), refusals=(*_EVERYWHERE, 403)),
    # probes and metrics, each with a handler of its own
    Route("GET", "/metrics", "http_metrics", (schemas.Metrics,)),
    Route("GET", "/livez", "", (schemas.Alive,), refusals=()),
    Route("GET", "/readyz", "is_current", (schemas.Alive,), refusals=(*_EVERYWHERE, 403)),
)
