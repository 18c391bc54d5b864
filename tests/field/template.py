"""The double of the template: it works a stream off, forgets it and asks for another."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any

from tests.field.hearing import StreamId
from tests.field.hosts import Host, Setup
from tests.field.wire import Request

ASK_EVERY, BEAT_EVERY = 5.0, 30.0
WORK_TAKES = 10.0, 29.0
FAILS = 0.05
"""So many of its streams end as failed."""


class Template(Host):
    """Runs what it is told by address. Nothing that goes wrong changes what it does."""

    restarts = False

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._wire = setup.wire
        self._at_work: dict[StreamId, asyncio.Task[None]] = {}
        self._processed = self._failed = 0

    async def live(self) -> None:
        self.table = self.read_table()
        await self._wire.call(self._registration())
        await asyncio.gather(self.every(BEAT_EVERY, self._beat), self.every(ASK_EVERY, self._ask))

    async def leave(self) -> None:
        """Its last words may or may not get out."""
        for stream_id, task in list(self._at_work.items()):
            task.cancel()
            if random.random() < 0.5:
                with suppress(asyncio.CancelledError):
                    await self._update(stream_id, "cancelled")

    def _registration(self) -> Request:
        me = self.me
        metadata = {
            "version": "7.0",
            "capabilities": ["audio_fingerprinting"],
            "max_concurrent": me.max_streams,
            "stream_timeout": 300,
            "python_version": "3.11.7",
            "platform": "linux",
            "region": "sul",
        }
        body = {
            "instance_id": me.name,
            "worker_type": "fingerv7",
            "capacity": me.max_streams,
            "ip": me.ip,
            "port": me.port,
            "status": "active",
            "metadata": metadata,
        }
        return Request("POST", "/api/workers/register", body)

    async def _beat(self) -> None:
        load = len(self._at_work)
        body = {
            "worker_instance_id": self.me.name,
            "status": "active",
            "current_load": load,
            "available_capacity": self.me.max_streams - load,
            "timestamp": "2026-03-01T12:00:00.123456",
            "metrics": {
                "system": {"cpu_usage_percent": 12.5, "memory_usage_percent": 40.1, "disk_usage_percent": 55.0},
                "worker": {"total_processed": self._processed, "total_failed": self._failed, "uptime_seconds": 60.5},
                "performance": {"average_seconds": 19.5},
            },
        }
        await self._wire.call(Request("POST", "/api/heartbeat", body))

    async def _ask(self) -> None:
        free = self.me.max_streams - len(self._at_work)
        if free <= 0:
            return
        query = {"worker_id": self.me.name, "capacity": str(free), "worker_type": "fingerv7"}
        answer = await self._wire.call(Request("GET", "/api/streams/assign", query=query))
        for each in (answer or {}).get("streams") or []:
            stream_id = each["stream_id"] if "stream_id" in each else each.get("id")
            if stream_id is not None and stream_id not in self._at_work:
                self._at_work[stream_id] = asyncio.create_task(self._work(stream_id, each))

    async def _work(self, stream_id: StreamId, stream: dict[str, Any]) -> None:
        await self._update(stream_id, "processing")
        index = self.table.index_of_url(stream.get("stream_url") or stream.get("url") or "")
        try:
            if index is not None:
                self.hearing.start(index)
            await self.pace.sleep(random.uniform(*WORK_TAKES))
            failed = random.random() < FAILS
        finally:
            if index is not None:
                self.hearing.stop(index)
        self._failed, self._processed = self._failed + failed, self._processed + (not failed)
        await self._update(stream_id, "failed" if failed else "completed")
        del self._at_work[stream_id]

    async def _update(self, stream_id: StreamId, status: str) -> None:
        body = {
            "stream_id": str(stream_id),
            "worker_instance_id": self.me.name,
            "status": status,
            "result": {},
            "timestamp": "2026-03-01T12:00:00.123456",
        }
        await self._wire.call(Request("POST", "/api/streams/update", body))
