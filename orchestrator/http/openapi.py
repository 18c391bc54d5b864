"""The OpenAPI document, made of the routes and the models that they name."""

import re
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from orchestrator import __version__
from orchestrator.http.routes import ROUTES, Route
from orchestrator.http.schemas import ProblemBody

Schema = dict[str, Any]

_REFUSALS = {400: "a field is wrong", 401: "no key, or a wrong one", 503: "the database cannot be reached, or is busy"}
_SECURITY = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
}


@cache
def document() -> Schema:
    paths: dict[str, Schema] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    models = {model for route in ROUTES for model in (*route.takes, *route.answers)} | {ProblemBody}
    _, definitions = models_json_schema(
        [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)],
        ref_template="#/components/schemas/{model}",
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Radio orchestrator", "version": __version__},
        "paths": paths,
        "components": {"schemas": definitions["$defs"], "securitySchemes": _SECURITY},
        "security": [{name: []} for name in _SECURITY],
    }


def _operation(route: Route) -> Schema:
    operation: Schema = {
        "operationId": re.sub(r"[^a-z]+", "_", f"{route.method}{route.path}".lower()).rstrip("_"),
        "responses": {"200": {"description": "Successful Response", "content": _json(*route.answers)}}
        | {
            str(status): {
                "description": _REFUSALS.get(status, HTTPStatus(status).phrase),
                "content": {"application/problem+json": {"schema": _any_of([ProblemBody])}},
            }
            for status in sorted({*route.refusals, *((413, 415) if route.takes else ())})
        },
    }
    if route.takes:
        operation["requestBody"] = {"required": route.path != "/rebalance", "content": _json(*route.takes)}
    if route.parameters:
        operation["parameters"] = [
            {"name": name, "in": place, "required": name != "worker_type", "schema": schema}
            for name, place, schema in route.parameters
        ]
    return operation


def _json(*models: type[BaseModel]) -> Schema:
    return {"application/json": {"schema": _any_of(models)}}


def _any_of(models: Sequence[type[BaseModel]]) -> Schema:
    schemas = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in models]
    return {"anyOf": schemas} if schemas[1:] else schemas[0]
