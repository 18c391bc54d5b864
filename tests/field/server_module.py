"""The doubles of the server module and the worker module: no file, no second try, and a look at the books."""

from __future__ import annotations

from collections.abc import Sequence

from tests.field.hearing import StreamId
from tests.field.resilient import Identity, ServerSpeech
from tests.field.wire import Body, Pace, Request, Wire

DIFFERING_CHECKS = 4
CHECK_EVERY = 30.0


class ServerModule:
    """Its list and its count are corrected by what the orchestrator's books say, each time that they differ."""

    def __init__(self, wire: Wire, pace: Pace, me: Identity) -> None:
        self._wire, self._me = wire, me
        self._speech = ServerSpeech(me)
        self.is_registered = False
        self.assigned_streams: list[StreamId] = []
        self.count = 0
        self._differing = 0

    async def register(self) -> bool:
        """A registration that fails ends its beats and asks for good."""
        answer = await self._wire.call(self._speech.register())
        self.is_registered = answer is not None and self._speech.is_registered(answer)
        return self.is_registered

    async def request_streams(self, count: int | None = None) -> list[StreamId]:
        answer = await self._wire.call(self._speech.ask(self._me.max_streams - self.count if count is None else count))
        if answer is None or answer.get("status") != "assigned":
            return []
        streams: list[StreamId] = list(answer.get("assigned_streams") or [])
        self._add(streams)
        return streams

    async def send_heartbeat(self) -> bool:
        answer = await self._wire.call(self._speech.beat(self.count))
        return answer is not None and answer.get("status") == "heartbeat_updated"

    async def release_streams(self, ids: Sequence[StreamId]) -> bool:
        answer = await self._wire.call(self._speech.release(ids))
        if answer is None or answer.get("status") != "released":
            return False
        for each in answer.get("released_streams") or []:
            self._forget(each)
        return True

    async def check(self) -> None:
        """Compare with the books; what they say replaces the list. The fourth difference in a row starts it afresh."""
        answer = await self._wire.call(Request("GET", f"/instances/{self._me.name}"))
        if answer is None or answer.get("status") != "success":
            return
        data: Body = answer.get("data") or {}
        streams: list[StreamId] = list(data.get("assigned_streams") or [])
        count = int(data.get("current_streams") or 0)
        if set(self.assigned_streams) == set(streams) and self.count == count == len(streams):
            self._differing = 0
            return
        self._differing += 1
        self.assigned_streams, self.count = streams, count
        if self._differing >= DIFFERING_CHECKS:
            self._differing = 0
            self.assigned_streams, self.count = [], 0
            await self.register()
            await self.request_streams(self._me.max_streams)

    def _add(self, streams: Sequence[StreamId]) -> None:
        self.assigned_streams += streams
        self.count += len(streams)

    def _forget(self, stream: StreamId) -> None:
        for each in (stream, str(stream)):
            if each in self.assigned_streams:
                self.assigned_streams.remove(each)
                self.count -= 1
                return


class WorkerModule(ServerModule):
    """The same with the paths of workers. It learns of streams from `streams` alone, and of success from `success`."""

    async def register(self) -> bool:
        me = self._me
        body = {
            "instance_id": me.name,
            "worker_type": "fingerv7",
            "capacity": me.max_streams,
            "status": "active",
            "metadata": {
                "version": "7.0",
                "capabilities": ["audio_fingerprinting"],
                "ip": me.ip,
                "port": me.port,
                "region": "sul",
            },
        }
        answer = await self._wire.call(Request("POST", "/api/workers/register", body))
        self.is_registered = answer is not None and bool(answer.get("success"))
        return self.is_registered

    async def request_streams(self, count: int | None = None) -> list[StreamId]:
        capacity = self._me.max_streams - self.count if count is None else count
        query = {"worker_id": self._me.name, "capacity": str(capacity), "worker_type": "fingerv7"}
        answer = await self._wire.call(Request("GET", "/api/streams/assign", query=query))
        streams: list[StreamId] = []
        for each in (answer or {}).get("streams") or []:
            # the number 0 is nothing to it; the text "0" is station 0
            stream = each.get("stream_id") or each.get("id")
            if stream:
                streams.append(int(stream))
        self._add(streams)
        return streams

    async def send_heartbeat(self) -> bool:
        body = {
            "worker_instance_id": self._me.name,
            "status": "active",
            "current_load": self.count,
            "available_capacity": max(0, self._me.max_streams - self.count),
            "timestamp": "2026-03-01T12:00:00.123456",
            "metrics": {
                "system": {"cpu_percent": 12.5, "memory_percent": 40.1, "disk_percent": 55.0},
                "worker": {
                    "uptime_seconds": 3600.5,
                    "assigned_streams": self.count,
                    "max_streams": self._me.max_streams,
                },
            },
        }
        answer = await self._wire.call(Request("POST", "/api/heartbeat", body))
        return answer is not None and bool(answer.get("success"))

    async def release_streams(self, ids: Sequence[StreamId]) -> bool:
        done = True
        for each in ids:
            body = {
                "stream_id": str(each),
                "worker_instance_id": self._me.name,
                "status": "cancelled",
                "result": {},
                "timestamp": "2026-03-01T12:00:00.123456",
            }
            answer = await self._wire.call(Request("POST", "/api/streams/update", body))
            if answer is not None and answer.get("success"):
                self._forget(each)
            else:
                done = False
        return done
