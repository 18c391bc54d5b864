"""The metrics as Prometheus reads them: what the database has measured, and what this process has.

>>> text(db.call(conn, "metrics"), "application/openmetrics-text")
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, groupby
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator import __version__

Row = Mapping[str, Any]

# A beat takes a millisecond or two, a page of a large fleet tens. A wait for a lock ends after 5 s, and a statement
# after 30 s.
DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30)
_UNROUTED = "none"


def is_wanted(accept: str) -> bool:
    """Whether a client asks for text: Prometheus names it, programs that want JSON name that or nothing."""
    return any(kind in accept for kind in ("text/plain", "openmetrics-text")) and "application/json" not in accept


def text(rows: Iterable[Row], accept: str = "", *, process: CollectorRegistry | None = None) -> tuple[bytes, str]:
    """The rows of `metrics()`, and what a process has measured, in the format that a client accepts; its media type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Rows(rows))
    if process is not None:
        registry.register(process)
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


class _Rows:
    """A collector of rows, which come sorted by name."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows

    def collect(self) -> Iterator[Metric]:
        for _, rows in groupby(self._rows, key=lambda row: row["name"]):
            yield _family(list(rows))


def _family(rows: list[Row]) -> Metric:
    name, unit, meaning = rows[0]["name"], rows[0]["unit"] or "", rows[0]["help"]
    labels = sorted(rows[0]["labels"])
    values = [[row["labels"][label] for label in labels] for row in rows]
    if rows[0]["kind"] == "histogram":
        histogram = HistogramMetricFamily(name, meaning, labels=labels, unit=unit)
        for row, of in zip(rows, values, strict=True):
            bounds = [*map(floatToGoString, row["bounds"]), "+Inf"]
            histogram.add_metric(of, list(zip(bounds, accumulate(row["counts"]), strict=True)), row["sum"])
        return histogram
    kind = CounterMetricFamily if rows[0]["kind"] == "counter" else GaugeMetricFamily
    family = kind(name, meaning, labels=labels, unit=unit)
    for row, of in zip(rows, values, strict=True):
        family.add_metric(of, row["value"])
    return family


class Measured:
    """Passes requests on, and counts them by route, never by what their addresses say."""

    def __init__(self, app: ASGIApp, *, registry: CollectorRegistry) -> None:
        self._app = app
        self._counted: dict[tuple[Any, int], tuple[Histogram, Counter]] = {}
        ProcessCollector(registry=registry)
        info = Gauge("orchestrator_http_info", "Always 1: the version of this server.", ["version"], registry=registry)
        info.labels(__version__).set(1)
        self._requests = Counter(
            "orchestrator_http_requests_total",
            "Requests that this server has answered, by route (none: no route, or refused before it was looked for).",
            ["route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "orchestrator_http_request_duration_seconds",
            "How long this server took for them.",
            ["route"],
            buckets=DURATIONS,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, send_and_see)
        finally:
            # the router leaves its endpoint in the scope, if it found one
            kind = (scope.get("endpoint"), status)
            seconds, requests = self._counted.get(kind) or self._count(kind, scope)
            seconds.observe(time.perf_counter() - began)
            requests.inc()

    def _count(self, kind: tuple[Any, int], scope: Scope) -> tuple[Histogram, Counter]:
        """Where requests of an endpoint with this status are counted: by the template that their paths fit."""
        endpoint, status = kind
        routes = scope["app"].routes if endpoint is not None else []
        route = next((route.path for route in routes if getattr(route, "endpoint", None) is endpoint), _UNROUTED)
        self._counted[kind] = self._seconds.labels(route), self._requests.labels(route, status)
        return self._counted[kind]
