"""The double of the resilient client module: it tries again, breaks the circuit, and lives on its file meanwhile."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.field.hearing import StreamId
from tests.field.wire import Body, Pace, Request, Wire

PAUSES = (1.0, 2.0)
HEALTH_EVERY = 30.0


@dataclass(frozen=True)
class Identity:
    """Who a client says that it is."""

    name: str
    max_streams: int
    ip: str
    port: int = 8000


class WorkerSpeech:
    """How the current module puts it."""

    def __init__(self, me: Identity) -> None:
        self._me = me

    def register(self) -> Request:
        body = {
            "instance_id": self._me.name,
            "worker_type": "fingerv7",
            "capacity": self._me.max_streams,
            "ip": self._me.ip,
            "port": self._me.port,
            "status": "active",
            "metadata": {
                "version": "7.0",
                "capabilities": ["audio_fingerprinting", "stream_processing", "resilient_operation"],
            },
        }
        return Request("POST", "/api/workers/register", body)

    def is_registered(self, answer: Body) -> bool:
        return bool(answer.get("success"))

    def ask(self, count: int) -> Request:
        query = {"worker_id": self._me.name, "capacity": str(count), "worker_type": "fingerv7"}
        return Request("GET", "/api/streams/assign", query=query)

    def beat(self, load: int) -> Request:
        body = {
            "worker_instance_id": self._me.name,
            "status": "active",
            "current_load": load,
            "available_capacity": max(0, self._me.max_streams - load),
        }
        return Request("POST", "/api/heartbeat", body)

    def release(self, ids: Sequence[StreamId]) -> Request:
        return Request("POST", "/streams/release", {"server_id": self._me.name, "stream_ids": list(ids)})


class ServerSpeech(WorkerSpeech):
    """How the module put it in its first days, and the server module always."""

    def register(self) -> Request:
        me = self._me
        return Request(
            "POST", "/register", {"server_id": me.name, "ip": me.ip, "port": me.port, "max_streams": me.max_streams}
        )

    def is_registered(self, answer: Body) -> bool:
        return answer.get("status") == "registered"

    def ask(self, count: int) -> Request:
        return Request("POST", "/streams/assign", {"server_id": self._me.name, "requested_count": count})

    def beat(self, load: int) -> Request:
        metrics = {
            "cpu_percent": 12.5,
            "memory_percent": 40.1,
            "memory_used_gb": 3.1,
            "memory_total_gb": 7.7,
            "disk_percent": 55.0,
            "disk_free_gb": 21.4,
            "disk_total_gb": 49.0,
            "load_average": [0.5, 0.4, 0.3],
            "uptime_seconds": 86400.5,
        }
        body = {"server_id": self._me.name, "current_streams": load, "status": "active", "system_metrics": metrics}
        return Request("POST", "/heartbeat", body)


class Breaker:
    """Opens with the fifth failed call, whatever succeeded meanwhile; a minute after the last one it lets calls try,
    and the third success closes it."""

    FAILURES, REST, SUCCESSES = 5, 60.0, 3

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._failures = self._successes = 0
        self._failed_at = 0.0
        self.is_open = False

    def lets_through(self) -> bool:
        return not self.is_open or self._now() - self._failed_at >= self.REST

    def failed(self) -> None:
        self._failures += 1
        self._successes = 0
        self._failed_at = self._now()
        self.is_open = self.is_open or self._failures >= self.FAILURES

    def succeeded(self) -> None:
        if self.is_open:
            self._successes += 1
            if self._successes >= self.SUCCESSES:
                self.is_open = False
                self._failures = self._successes = 0


class Resilient:
    """Its list grows by each answer, duplicates and all, and is in a file that the next process reads."""

    def __init__(self, wire: Wire, pace: Pace, me: Identity, speech: WorkerSpeech, *, directory: Path) -> None:
        self._wire, self._pace, self._me, self._speech = wire, pace, me, speech
        self._file = directory / f"local_state_{me.name}.json"
        self._breaker = Breaker(pace.now)
        self._looked_at_health = float("-inf")
        self.is_registered = False
        self.is_local, self.assigned_streams = self._read()

    # -- what its host calls -------------------------------------------------------------------------------------------

    async def register(self) -> bool:
        if self.is_local:
            return False
        answer = await self._call(self._speech.register())
        if answer is None or not self._speech.is_registered(answer):
            return False
        self.is_registered = True
        return True

    async def request_streams(self) -> list[StreamId]:
        """What the answer holds; in local mode all of the list."""
        if not self.is_local:
            answer = await self._call(self._speech.ask(self._me.max_streams - len(self.assigned_streams)))
            if answer is not None:
                return self._take(answer)
        return list(self.assigned_streams)

    async def send_heartbeat(self) -> None:
        if not self.is_local:
            await self._call(self._speech.beat(len(self.assigned_streams)))

    async def look_at_health_if_due(self) -> None:
        """The one call that is made in local mode, too, and that ends it."""
        if self._pace.now() - self._looked_at_health < HEALTH_EVERY:
            return
        self._looked_at_health = self._pace.now()
        if await self._call(Request("GET", "/health")) is not None and self.is_local:
            self._switch(local=False)

    async def release_streams(self, ids: Sequence[StreamId]) -> bool:
        if self.is_local:
            released: Sequence[Any] = ids
        else:
            answer = await self._call(self._speech.release(ids))
            if answer is None or answer.get("status") != "released":
                return False
            released = answer.get("released_streams") or []
        for each in released:
            if each in self.assigned_streams:
                self.assigned_streams.remove(each)
        self._save()
        return True

    # -- within --------------------------------------------------------------------------------------------------------

    def _take(self, answer: Body) -> list[StreamId]:
        if answer.get("status") != "assigned":
            return []
        streams: list[StreamId] = list(answer.get("assigned_streams") or [])
        self.assigned_streams += streams
        self._save()
        return streams

    async def _call(self, request: Request) -> Body | None:
        """The answer; none when three tries failed or the circuit is open, and from then on it is in local mode."""
        if self._breaker.lets_through():
            for pause in (*PAUSES, None):
                answer = await self._wire.call(request)
                if answer is not None:
                    self._breaker.succeeded()
                    return answer
                if pause is not None:
                    await self._pace.sleep(pause * random.uniform(0.75, 1.25))
            self._breaker.failed()
        if not self.is_local:
            self._switch(local=True)
        return None

    def _switch(self, *, local: bool) -> None:
        self.is_local = local
        self._save()

    def _save(self) -> None:
        """In place: a process that dies here leaves a torn file."""
        self._file.write_text(json.dumps({"is_active": self.is_local, "assigned_streams": self.assigned_streams}))

    def _read(self) -> tuple[bool, list[StreamId]]:
        try:
            state = json.loads(self._file.read_text())
            return bool(state["is_active"]), list(state["assigned_streams"])
        except (OSError, ValueError, KeyError, TypeError):
            return False, []
