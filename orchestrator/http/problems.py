"""What a client is told when something goes wrong: RFC 9457, application/problem+json, and never a traceback."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from starlette.responses import Response

from orchestrator.errors import (
    BadSetting,
    CallerMistake,
    Contention,
    DatabaseUnavailable,
    Fenced,
    InstanceIdInUse,
    NotYours,
    OrchestratorError,
    OutOfResources,
    RefusedByPolicy,
    UnknownInstance,
    UnknownName,
    UnknownStream,
)

# The first that fits. Everything else is ours to repair and says so: 500.
_STATUS: tuple[tuple[type[OrchestratorError], HTTPStatus], ...] = (
    (UnknownInstance, HTTPStatus.NOT_FOUND),
    (UnknownStream, HTTPStatus.NOT_FOUND),
    (UnknownName, HTTPStatus.NOT_FOUND),
    (InstanceIdInUse, HTTPStatus.CONFLICT),
    (NotYours, HTTPStatus.FORBIDDEN),
    (BadSetting, HTTPStatus.BAD_REQUEST),
    (CallerMistake, HTTPStatus.BAD_REQUEST),
    (RefusedByPolicy, HTTPStatus.CONFLICT),
    (Fenced, HTTPStatus.CONFLICT),
    (Contention, HTTPStatus.SERVICE_UNAVAILABLE),
    (DatabaseUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
# Seconds after which the same call may succeed.
_RETRY_LATER = {"Retry-After": "5"}


class Problem(Exception):
    """A request is refused before the database hears of it."""

    def __init__(
        self,
        status: HTTPStatus,
        title: str,
        *,
        detail: str | None = None,
        code: str | None = None,
        context: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.code = code
        self.context = context
        self.headers = headers

    def response(self) -> Response:
        body = {
            "type": "about:blank",
            "title": self.title,
            "status": int(self.status),
            "detail": self.detail,
            "code": self.code,
            "context": self.context,
            "request_id": structlog.contextvars.get_contextvars().get("request_id"),
        }
        return Response(
            json.dumps({key: value for key, value in body.items() if value is not None}, default=str),
            status_code=self.status,
            headers=self.headers,
            media_type="application/problem+json",
        )


def bad_request(field: str, wanted: str) -> Problem:
    """What the database says of a bad field, said before it is asked."""
    return Problem(HTTPStatus.BAD_REQUEST, "bad argument", detail=wanted, code="OR101", context={"argument": field})


def from_error(error: OrchestratorError) -> Problem:
    """A refusal or failure of the database, for a client."""
    code = error.code or ""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), None)
    if code == "42501":
        status = HTTPStatus.FORBIDDEN
    elif code.startswith("22"):
        status = HTTPStatus.BAD_REQUEST  # text that PostgreSQL cannot hold
    if status is None:
        # Its text was written for operators. They have it in the log, under the request's id.
        return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error", code=error.code)
    if isinstance(error, DatabaseUnavailable):
        # libpq names hosts and users
        return Problem(status, "the database cannot be reached", code=error.code, headers=_RETRY_LATER)
    if isinstance(error, OutOfResources):
        # PostgreSQL names files and sizes
        return Problem(status, "the database is overloaded", code=error.code, headers=_RETRY_LATER)
    return Problem(
        status,
        error.message,
        detail=error.hint,
        code=error.code,
        context=error.detail,
        headers=_RETRY_LATER if status is HTTPStatus.SERVICE_UNAVAILABLE else None,
    )
