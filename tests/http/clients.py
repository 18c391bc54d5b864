"""Clients of the three dialects, as simple as those in the field: what they run is what they were told."""

from dataclasses import dataclass, field
from typing import Any

from tests.http.processes import HttpServer

Answer = dict[str, Any]


@dataclass
class MainClient:
    """Speaks instance_id; commands come with the answers to its beats."""

    server: HttpServer
    instance_id: str
    max_streams: int = 10
    running: set[int] = field(default_factory=set)
    names_its_streams: bool = False
    """Its beats say which streams it has instead of how many."""

    def register(self, **more: Any) -> Answer:
        request = {
            "instance_id": self.instance_id,
            "max_streams": self.max_streams,
            "capabilities": ["audio_fingerprinting"],
            "version": "7.1",
            "location": "sp",
            "status": "active",
        }
        return self.server.post("/register", **(request | more))

    def ask(self, **more: Any) -> list[Answer]:
        """A beat whose answer is not acted upon: its commands."""
        request = {
            "instance_id": self.instance_id,
            "timestamp": "2026-03-01T12:00:00",
            "status": "active",
            "current_streams": sorted(self.running) if self.names_its_streams else len(self.running),
            "processed_count": 100,
            "error_count": 1,
            "cpu_usage": 12.5,
            "memory_usage": 40,
            "last_activity": "2026-03-01T11:59:58+00:00",
        }
        commands: list[Answer] = self.server.post("/heartbeat", **(request | more))["commands"]
        return commands

    def obey(self, commands: list[Answer]) -> None:
        for command in commands:
            assert command["type"] == "stream_update"
            if command["action"] == "add":
                self.running.add(command["stream_id"])
            else:
                self.running.discard(command["stream_id"])

    def beat(self, **more: Any) -> list[Answer]:
        """A beat, and what its answer commands; returns that."""
        commands = self.ask(**more)
        self.obey(commands)
        return commands

    def beat_until_in_step(self, **more: Any) -> None:
        for _ in range(6):
            if not self.beat(**more):
                return
        raise AssertionError("it does not come to rest")


@dataclass
class ServerClient:
    """Speaks server_id; asks for streams, gives them back, compares."""

    server: HttpServer
    server_id: str
    max_streams: int = 10
    running: set[int] = field(default_factory=set)

    def register(self, **more: Any) -> Answer:
        request = {"server_id": self.server_id, "ip": "10.0.0.7", "port": 8000, "max_streams": self.max_streams}
        return self.server.post("/register", **(request | more))

    def beat(self) -> Answer:
        return self.server.post(
            "/heartbeat",
            server_id=self.server_id,
            current_streams=len(self.running),
            status="online",
            system_metrics={"cpu_percent": 11.5, "memory_percent": 50, "disk_percent": 70, "load_average": [1, 2, 3]},
        )

    def assign(self, count: int = 10) -> Answer:
        answer = self.server.post("/streams/assign", server_id=self.server_id, requested_count=count)
        self.running |= set(answer["assigned_streams"])
        return answer

    def release(self, *stream_ids: int) -> Answer:
        self.running -= set(stream_ids)
        return self.server.post("/streams/release", server_id=self.server_id, stream_ids=list(stream_ids))

    def compare(self) -> Answer:
        """Compare and act: stop what is not its own, take what it lacks."""
        answer = self.server.post(
            "/diagnostic",
            server_id=self.server_id,
            local_streams=sorted(self.running),
            local_stream_count=len(self.running),
        )
        self.running -= set(answer["inconsistencies"]["streams_only_in_local"])
        self.running |= set(answer["inconsistencies"]["streams_only_in_orchestrator"])
        return answer

    def data(self) -> Answer:
        data: Answer = self.server.get(f"/instances/{self.server_id}")["data"]
        return data


@dataclass
class WorkerClient:
    """Speaks the paths under /api."""

    server: HttpServer
    worker_id: str
    capacity: int = 10
    running: set[int] = field(default_factory=set)

    def register(self, **more: Any) -> Answer:
        request = {
            "instance_id": self.worker_id,
            "worker_type": "fingerprint",
            "capacity": self.capacity,
            "ip": "10.0.0.9",
            "port": 9000,
            "status": "ready",
            "metadata": {"version": "2", "capabilities": ["shazam"], "region": "sul"},
        }
        return self.server.post("/api/workers/register", **(request | more))

    def beat(self) -> Answer:
        return self.server.post(
            "/api/heartbeat",
            worker_instance_id=self.worker_id,
            status="running",
            current_load=len(self.running),
            available_capacity=self.capacity - len(self.running),
            metrics={"cpu_percent": 4},
        )

    def assign(self, capacity: int = 10) -> Answer:
        answer = self.server.get(
            "/api/streams/assign", worker_id=self.worker_id, capacity=capacity, worker_type="fingerprint"
        )
        self.running |= set(answer["assigned_streams"])
        return answer
