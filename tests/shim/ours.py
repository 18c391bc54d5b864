"""Assignments without a database: commands go in, and what would be acknowledged comes out."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from tests.shim.support import until
from worker_shim import Context, Stream
from worker_shim.assignments import Assignments
from worker_shim.calls import Member
from worker_shim.connection import Listener
from worker_shim.isolation import Isolation
from worker_shim.loop import Loop


def command(action: str, stream_id: int, epoch: int | None = 1, url: str = "http://station.example/") -> dict[str, Any]:
    return {"action": action, "stream_id": stream_id, "epoch": epoch, "name": "Radio", "url": url, "metadata": None}


class Ours:
    """The assignments of a worker that has no database, the steps of its handlers, and what it would say."""

    def __init__(self, *, promises: bool = False, takes_standbys: bool = False) -> None:
        self.steps: list[tuple[str, int]] = []
        self.contexts: dict[int, Context] = {}
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.fails: set[int] = set()  # streams that cannot be heard
        self.failed: list[tuple[int, int]] = []  # what was told of them at last, with their epochs
        member = Member("fv-1", Listener("", "orchestrator", "orchestrator.fv-1", 30), self._connected)
        loop = Loop()
        loop.begin()
        isolation = Isolation(90, 5, lambda: False, lambda: math.inf, lambda: None) if promises else None

        async def handler(stream: Stream, context: Context) -> None:
            await self._handle(stream, context)

        self.all = Assignments(handler, 5, member, isolation, loop, takes_standbys)

    async def _connected(self) -> None: ...

    async def _handle(self, stream: Stream, context: Context) -> None:
        self.steps.append(("start", stream.stream_id))
        self.contexts[stream.stream_id] = context
        if stream.stream_id in self.fails:
            raise ConnectionError("one listener only")
        try:
            await asyncio.Event().wait()
        finally:
            await self.may_end.wait()
            self.steps.append(("end", stream.stream_id))

    async def run(self, *stream_ids: int, epoch: int = 1) -> None:
        self.all.apply([command("add", each, epoch) for each in stream_ids])
        await until(lambda: {("start", each) for each in stream_ids} <= set(self.steps))
        self.steps.clear()
        await self.said()

    async def said(self) -> dict[str, dict[int, int | None]]:
        """What is told now: starts and stops, with their epochs; failures are in `failed`."""
        told: dict[str, Any] = {}

        async def acknowledge(**said: Any) -> None:
            told.update(said)

        await self.all.acknowledgements.send(acknowledge)
        self.failed = [(each["stream_id"], each["epoch"]) for each in told.get("failed", [])]
        return {
            "started": dict(zip(told["started"], told["started_epochs"], strict=True)),
            "stopped": dict(zip(told["stopped"], told.get("stopped_epochs", []), strict=True)),
        }

    @asynccontextmanager
    async def ended(self) -> AsyncIterator[Self]:
        """Ends what runs at the end."""
        try:
            yield self
        finally:
            self.may_end.set()
            await self.all.supervisor.stop_all(5)
