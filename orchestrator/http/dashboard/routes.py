"""The paths of the dashboard. What they need of the application comes as arguments; nothing else is shared with it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from orchestrator.database import db
from orchestrator.errors import CallerMistake, OrchestratorError
from orchestrator.http.access import Bodies
from orchestrator.http.dashboard import page
from orchestrator.http.dashboard.live import Hub
from orchestrator.http.pool import Pool
from orchestrator.http.problems import Problem, bad_request, from_error

_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_ASSETS = {
    path.name: (path.read_bytes(), kind)
    for path in sorted((Path(__file__).parent / "assets").iterdir())
    if (kind := {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}.get(path.suffix))
}
_STREAM_ID = re.compile(r"^[0-9]{1,18}$")


@dataclass(frozen=True)
class Action:
    """What an operator may do from the page: the function, what to say when it is done, its arguments with their types.

    A reason may be left out.
    """

    function: str
    said: Callable[[Mapping[str, Any]], str]
    takes: Mapping[str, type] = field(default_factory=dict)


ACTIONS = {
    "drain": Action(
        "drain_instance",
        lambda row: f"{row['instance_id']} is drained: {row['streams_to_hand_over']} streams to hand over",
        {"instance_id": str, "reason": str},
    ),
    "undrain": Action(
        "undrain_instance", lambda row: f"{row['instance_id']} may have streams again", {"instance_id": str}
    ),
    "pause": Action("pause_balancing", lambda row: f"balancing is paused by {row['paused_by']}", {"reason": str}),
    "resume": Action("resume_balancing", lambda _row: "balancing goes on"),
    "apply": Action(
        "apply_plan",
        lambda row: f"decision {row['decision_id']} moves {row['moves']} streams (least {row['least_moves']})",
        {"plan_id": int},
    ),
    "acknowledge": Action(
        "acknowledge_alert", lambda row: f"alert {row['alert_id']} is acknowledged", {"alert_id": int}
    ),
}


def dashboard_routes(pool: Pool, hub: Hub, *, has_keys: bool, bodies: Bodies) -> list[Route]:
    """The page, its assets, its events and its actions. Without an API key there are no actions."""

    async def show(request: Request) -> Response:
        try:
            return await _page(pool, request, has_actions=has_keys)
        except OrchestratorError as error:
            return _failure(from_error(error))

    async def asset(request: Request) -> Response:
        content, kind = _ASSETS.get(request.path_params["name"], (b"", ""))
        if not kind:
            raise Problem(HTTPStatus.NOT_FOUND, "not found")
        return Response(content, media_type=kind, headers=_SECURITY)

    async def events(request: Request) -> Response:
        # HEAD asks for the head alone, which a stream without an end would keep open
        return Response(media_type="text/event-stream") if request.method == "HEAD" else _Events(hub)

    async def act(request: Request) -> Response:
        if not has_keys:
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "there are no actions without an API key",
                detail="start the server with ORCHESTRATOR_API_KEYS or --api-keys-file",
            )
        if not request.headers.get("x-api-key"):
            # What a browser sends by itself is no proof that its user meant it.
            raise Problem(HTTPStatus.FORBIDDEN, "actions need the X-API-Key header")
        return JSONResponse(await _act(pool, request.path_params["action"], await bodies.read_json(request)))

    return [
        Route("/", show),
        Route("/dashboard/assets/{name}", asset),
        Route("/dashboard/events", events),
        Route("/dashboard/actions/{action}", act, methods=["POST"]),
    ]


class _Events(Response):
    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._hub.follow(scope, receive, send)


# -- reading -----------------------------------------------------------------------------------------------------------


async def _page(pool: Pool, request: Request, *, has_actions: bool) -> Response:
    # what PostgreSQL cannot hold is nowhere to be found
    asked = {name: text.replace("\0", "\ufffd") for name, text in request.query_params.items()}
    [row] = await pool.call("http_dashboard")
    shown: dict[str, Any] = {"query": asked.get("q", "").strip(), "found": None, "story": None, "missing": None}
    status = HTTPStatus.OK
    try:
        if "stream" in asked:
            shown["story"] = await _story_of_stream(pool, asked["stream"])
        elif "instance" in asked:
            shown["story"] = await _story_of_instance(pool, asked["instance"])
        elif shown["query"]:
            shown["found"] = await pool.call("find_streams", text=shown["query"][:200], limit=50)
    except CallerMistake as error:
        shown["missing"] = f"{error.message}: {asked.get('stream') or asked.get('instance') or shown['query']}"[:200]
        status = HTTPStatus.NOT_FOUND
    html = page.whole(row["body"], has_actions=has_actions, **shown)
    return HTMLResponse(html, status_code=status, headers=_SECURITY)


async def _story_of_stream(pool: Pool, stream_id: str) -> dict[str, Any]:
    if not _STREAM_ID.match(stream_id):
        raise CallerMistake("unknown stream")
    events = await pool.call("explain_stream", stream_id=int(stream_id))
    known = await pool.view("streams", stream_id=int(stream_id))
    return {"kind": "stream", "id": stream_id, "subject": known[0] if known else None, "events": _readable(events)}


async def _story_of_instance(pool: Pool, instance_id: str) -> dict[str, Any]:
    events = await pool.call("explain_instance", instance_id=instance_id[:200])
    [known] = await pool.view("instances", instance_id=instance_id)
    return {"kind": "instance", "id": instance_id, "subject": known, "events": _readable(events)}


def _readable(events: list[db.Row]) -> list[db.Row]:
    return [{**event, "at": event["at"] and event["at"].isoformat()} for event in events]


def _failure(problem: Problem) -> Response:
    html = page.failure(problem.title, problem.detail, problem.status)
    return HTMLResponse(html, status_code=problem.status, headers=_SECURITY | dict(problem.headers or {}))


# -- acting ------------------------------------------------------------------------------------------------------------


async def _act(pool: Pool, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
    if name == "unlock":
        return {"message": "actions are unlocked"}  # a request that gets here has shown a key
    if name == "plan":
        return await _plan(pool)
    if name not in ACTIONS:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown action")
    action = ACTIONS[name]
    arguments = {}
    for argument, kind in action.takes.items():
        value = request.get(argument)
        if argument == "reason" and not value:
            continue
        if type(value) is not kind or not _fits(value):
            raise bad_request(argument, "a text" if kind is str else "a whole number")
        arguments[argument] = value
    [row] = await pool.call(action.function, **arguments)
    return {"message": action.said(row)}


def _fits(value: Any) -> bool:
    """Whether the database has room for it."""
    return 0 < value < 10**18 if isinstance(value, int) else "\0" not in value


async def _plan(pool: Pool) -> dict[str, Any]:
    moves = await pool.call("plan_rebalance")
    if not moves:
        return {"message": "nothing to move: the fleet is as fair as it can be"}
    plan_id = moves[0]["plan_id"]
    return {"plan_id": plan_id, "html": page.plan(moves, await pool.call("plan_effect", plan_id=plan_id))}
