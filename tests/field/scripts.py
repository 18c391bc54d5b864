"""The scripts that are run beside the clients, by hand or after a deployment: what each sends, and what it expects.

Each returns what it did not find as it expects, as sentences; an empty list is a script that passes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import httpx

Body = dict[str, Any]


class Visit:
    """One run of a script."""

    def __init__(self, url: str, source: str | None = None) -> None:
        transport = httpx.HTTPTransport(local_address=source) if source else None
        self._http = httpx.Client(base_url=url, timeout=35, transport=transport)
        self.failed: list[str] = []

    def expect(self, condition: object, what: str) -> bool:
        if not condition:
            self.failed.append(what)
        return bool(condition)

    def get(self, path: str, *keys: str, **query: Any) -> Body:
        return self.call("GET", path, keys, query=query)

    def post(self, path: str, body: Body, *keys: str) -> Body:
        return self.call("POST", path, keys, body=body)

    def call(
        self, method: str, path: str, keys: Iterable[str] = (), *, body: Body | None = None, query: Body | None = None
    ) -> Body:
        """Expects 200 with these keys; "a.b" is b in a, "a[].b" is b in each of a. The answer, or nothing."""
        try:
            response = self._http.request(method, path, json=body, params=query)
        except httpx.HTTPError as error:
            self.expect(False, f"{method} {path}: {type(error).__name__}")
            return {}
        if not self.expect(response.status_code == 200, f"{method} {path}: {response.status_code} {response.text}"):
            return {}
        kind = response.headers.get("Content-Type", "")
        if not self.expect(kind.startswith("application/json"), f"{method} {path}: is {kind}"):
            return {}
        answer = response.json()
        for key in keys:
            self.expect(_has(answer, key.split(".")), f"{method} {path}: has no {key}")
        return answer if isinstance(answer, dict) else {"": answer}

    def end(self) -> list[str]:
        self._http.close()
        return self.failed


def _has(answer: Any, path: list[str]) -> bool:
    if not path:
        return True
    name, each = path[0].removesuffix("[]"), path[0].endswith("[]")
    if not isinstance(answer, dict) or name not in answer:
        return False
    inner = answer[name]
    if not each:
        return _has(inner, path[1:])
    return isinstance(inner, list) and all(_has(one, path[1:]) for one in inner)


WORKERS = [
    f"workers[].{key}"
    for key in ("instance_id", "worker_type", "status", "capacity", "current_load", "available_capacity",
                "last_heartbeat", "registered_at")
]  # fmt: skip
METRICS = [
    *[f"orchestrator.{key}" for key in ("status", "uptime", "timestamp")],
    *[f"workers.{key}" for key in ("total", "active", "total_capacity", "current_load", "utilization_percent")],
    *[f"streams.{key}" for key in ("total_assignments", "completed", "failed", "processing", "success_rate")],
]
STREAMS = ["status", "total", "streams", "timestamp"]
POSTGRES = ["status", "message", "database", "table", "total_streams", "timestamp"]
ASSIGNMENTS = [f"assignments[].{key}" for key in ("stream_id", "server_id", "assigned_at", "status", "ip", "port")]
INSTANCE = (
    "server_id", "ip", "port", "max_streams", "current_streams", "status", "registered_at", "last_heartbeat"
)  # fmt: skip


def debug_orchestrator(url: str, *, name: str = "debug_test", source: str | None = None) -> list[str]:
    """Registers, asks once, and ends without a goodbye."""
    visit = Visit(url, source)
    visit.get("/health", "status")
    visit.post("/register", {"server_id": name, "ip": "127.0.0.1", "port": 8080, "max_streams": 10}, "status")
    visit.post("/heartbeat", {"server_id": name, "current_streams": 0, "status": "active"}, "status")
    visit.post("/streams/assign", {"server_id": name, "requested_count": 5}, "status", "assigned_streams")
    visit.get("/status", "orchestrator_status")
    return visit.end()


def final_test(url: str, *, names: tuple[str, str] = ("test-final-1", "test-final-2")) -> list[str]:
    """Looks at everything, then works as one worker and as a second one, which stay behind."""
    visit = Visit(url)
    visit.get("/health", "status")
    visit.get("/streams", *STREAMS)
    visit.get("/postgres/test", *POSTGRES)
    visit.get("/api/metrics", *METRICS)
    first, second = names
    visit.post("/api/workers/register", _worker(first), "success")
    workers = visit.get("/api/workers", *WORKERS, "total").get("workers") or []
    visit.expect(first in [each.get("instance_id") for each in workers], f"{first} is not among the workers")
    metrics = {"cpu_usage": 25.5, "memory_usage": 60.2, "processed_streams": 10, "failed_streams": 1}
    beat = {"worker_instance_id": first, "status": "active", "current_load": 2, "available_capacity": 3}
    visit.post("/api/heartbeat", {**beat, "metrics": metrics}, "success")
    ids = _ask(visit, first, 2) or ["999999"]
    _update(visit, first, ids[0], "completed")
    _update(visit, first, "test-stream-1", "completed")
    visit.post("/api/workers/register", _worker(second), "success")
    for stream_id in _ask(visit, second, 1):
        _update(visit, second, stream_id, "processing")
        _update(visit, second, stream_id, "completed")
    return visit.end()


def deploy_test(url: str) -> list[str]:
    """Wants three of four routes and a living worker, and asks in the name of the first in the list."""
    visit = Visit(url)
    visit.expect(visit.get("/health", "status").get("status") in ("healthy", "limited"), "it is not healthy")
    answers = {}
    before = len(visit.failed)
    for path in ("/api/workers", "/api/metrics", "/streams", "/postgres/test"):
        answers[path] = visit.get(path)
    if len(visit.failed) - before <= 1:
        del visit.failed[before:]
    workers = answers["/api/workers"].get("workers") or []
    visit.expect(any(each.get("status") == "active" for each in workers), "no worker is active")
    visit.expect(int(answers["/streams"].get("total") or 0) > 0, "there are no streams")
    if workers:
        _ask(visit, workers[0]["instance_id"], 1)
    return visit.end()


def assignment_test(url: str, *, name: str = "1") -> list[str]:
    """Registers and asks at once."""
    visit = Visit(url)
    visit.post("/register", {"server_id": name, "ip": "127.0.0.1", "port": 8001, "max_streams": 20}, "status")
    answer = visit.post("/streams/assign", {"server_id": name, "requested_count": 20}, "status")
    visit.expect(answer.get("status") == "assigned", f"the ask is answered {answer.get('status')}")
    visit.expect(answer.get("assigned_streams"), "the ask is answered with no stream")
    return visit.end()


def failover_test(url: str, *, names: tuple[str, ...] = ("failover-1", "failover-2")) -> list[str]:
    """Asks with a key of its own, and reads the instances in the status."""
    visit = Visit(url)
    for place, name in enumerate(names):
        body = {"server_id": name, "ip": f"192.0.2.{place + 1}", "port": 8001, "max_streams": 10}
        visit.post("/register", body, "status")
        visit.post("/streams/assign", {"server_id": name, "requested_streams": 5}, "status", "assigned_streams")
    keys = ("active_instances[].server_id", "active_instances[].current_streams")
    rows = visit.get("/status", *keys).get("active_instances") or []
    shown = {row.get("server_id") for row in rows}
    visit.expect(shown >= set(names), f"the status shows {sorted(map(str, shown))}")
    return visit.end()


def rebalancing_test(
    url: str, *, names: tuple[str, ...] = ("auto-1", "auto-2", "auto-3"), wait: float = 12
) -> list[str]:
    """Registers some that never ask, looks a while later, and deletes them. (`wait` in real seconds.)"""
    visit = Visit(url)
    for place, name in enumerate(names):
        body = {"server_id": name, "ip": f"192.0.2.{place + 1}", "port": 8001, "max_streams": 10}
        visit.post("/register", body, "status")
    time.sleep(wait)
    rows = instances(visit)
    visit.expect(set(names) <= rows.keys(), "not all of them are shown")
    for name in names:
        visit.call("DELETE", f"/instances/{name}")
    return visit.end()


def instances(visit: Visit) -> dict[str, Body]:
    """GET /instances, by server_id; the rows may be the answer, or stand in it."""
    answer = visit.get("/instances")
    rows: list[Body] = answer.get("instances") or answer.get("") or []
    for key in INSTANCE:
        visit.expect(all(key in row for row in rows), f"GET /instances: a row has no {key}")
    return {str(row.get("server_id")): row for row in rows}


def monitor(url: str) -> list[str]:
    """Looks at who has what."""
    visit = Visit(url)
    instances(visit)
    visit.get("/streams/assignments", *ASSIGNMENTS)
    return visit.end()


def reset(url: str) -> list[str]:
    """Gives back everything in everybody's name, and wants to see 0 at once."""
    visit = Visit(url)
    held: dict[str, list[Any]] = {}
    for row in visit.get("/streams/assignments", *ASSIGNMENTS).get("assignments") or []:
        held.setdefault(str(row["server_id"]), []).append(row["stream_id"])
    for name, ids in held.items():
        visit.post("/streams/release", {"server_id": name, "stream_ids": ids}, "status", "released_streams")
        visit.post("/heartbeat", {"server_id": name, "current_streams": 0, "status": "active"}, "status")
    for name, row in instances(visit).items():
        visit.expect(
            row.get("current_streams") == 0, f"{name} has {row.get('current_streams')} streams after the reset"
        )
    return visit.end()


def every_request(url: str, name: str) -> list[str]:
    """Each request of each dialect once, and the keys that its client reads."""
    visit = Visit(url)
    metrics = {"cpu_percent": 12.5, "memory_percent": 40.1, "load_average": None, "uptime_seconds": 60.5}
    me = f"{name}-server"
    visit.post("/register", {"server_id": me, "ip": "127.0.0.1", "port": 8000, "max_streams": 5}, "status")
    beat = {"server_id": me, "current_streams": 0, "status": "active"}
    visit.post("/heartbeat", {**beat, "system_metrics": metrics}, "status")
    visit.post("/heartbeat", beat, "status")
    for count in ({"requested_count": 0}, {"requested_count": -5}, {}):
        visit.post("/streams/assign", {"server_id": me, **count}, "status")
    visit.get(f"/instances/{me}", "status", "data.assigned_streams", "data.current_streams")
    diagnosis = {"server_id": me, "local_streams": [1, 2], "local_stream_count": 2}
    keys = ("streams_only_in_local", "streams_only_in_orchestrator", "count_mismatch")
    visit.post(
        "/diagnostic",
        diagnosis,
        "is_synchronized",
        "synchronization_status",
        *[f"inconsistencies.{key}" for key in keys],
        "orchestrator_state.stream_count",
        "recommendations",
    )
    visit.post("/streams/release", {"server_id": me, "stream_ids": ["17", 3, 3]}, "status", "released_streams")
    me = f"{name}-worker"
    visit.post("/api/workers/register", _worker(me), "success")
    load = {"worker_instance_id": me, "status": "active", "current_load": 0, "available_capacity": 5}
    visit.post("/api/heartbeat", {**load, "metrics": {"system": metrics, "worker": {"max_streams": 5}}}, "success")
    visit.post("/api/heartbeat", load, "success")
    _ask(visit, me, 0)
    _ask(visit, me, -12)
    for status in ("processing", "completed", "failed", "cancelled"):
        _update(visit, me, "17", status)
    visit.get(f"/instances/{me}", "status", "data.assigned_streams", "data.current_streams")
    visit.get("/status", "orchestrator_status")
    visit.get("/health", "status")
    visit.get("/ready", "status")
    visit.get("/streams/assignments", *ASSIGNMENTS)
    return visit.end()


def odd_requests(url: str, name: str) -> list[str]:
    """What deployed clients may send beyond that, none of which is to be refused."""
    visit = Visit(url)
    long = f"{name}-{'host' * 20}"
    for each, places in ((f"{name}-0", 0), (f"{name}-5000", 5000), (long, 20)):
        visit.post("/register", {"server_id": each, "ip": "127.0.0.1", "port": 8000, "max_streams": places}, "status")
        visit.post("/api/workers/register", {**_worker(f"{each}-w"), "capacity": places}, "success")
        visit.post("/streams/assign", {"server_id": each, "requested_streams": 1}, "status")
        visit.post("/streams/release", {"server_id": each, "stream_ids": [*range(60)] * 333}, "status")
        visit.get(f"/instances/{each}", "status")
    visit.post("/heartbeat", {"server_id": f"{name}-unknown", "current_streams": 3, "status": "active"}, "status")
    unknown = {"worker_instance_id": f"{name}-stranger", "status": "active", "current_load": 90}
    visit.post("/api/heartbeat", {**unknown, "available_capacity": -30}, "success")
    odd: list[Any] = [[], "none", {"cpu_percent": "12%"}, {"system": None}, {"system": {"cpu_percent": None}}]
    for metrics in odd:
        visit.post("/api/heartbeat", {**unknown, "metrics": metrics}, "success")
        beat = {"server_id": long, "current_streams": 0, "status": "active", "system_metrics": metrics}
        visit.post("/heartbeat", beat, "status")
    _update(visit, f"{name}-stranger", "no-number", "processing")
    visit.get("/api/streams/assign", "status", worker_id=f"{name}-0-w")
    visit.get("/health", "status")
    return visit.end()


def _worker(name: str) -> Body:
    return {
        "instance_id": name,
        "worker_type": "fingerv7",
        "capacity": 5,
        "status": "active",
        "metadata": {"version": "7.0", "capabilities": ["audio_fingerprinting"], "max_concurrent": 5},
    }


def _ask(visit: Visit, name: str, count: int) -> list[Any]:
    query = {"worker_id": name, "capacity": count, "worker_type": "fingerv7"}
    answer = visit.get("/api/streams/assign", "status", "streams", **query)
    return [each.get("stream_id") for each in answer.get("streams") or []]


def _update(visit: Visit, name: str, stream_id: Any, status: str) -> None:
    body = {"stream_id": str(stream_id), "worker_instance_id": name, "status": status, "result": {"songs": 0}}
    visit.post("/api/streams/update", {**body, "timestamp": "2026-03-01T12:00:00"}, "success")
