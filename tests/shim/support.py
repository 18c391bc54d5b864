"""What the tests of the shim share: waiting for a condition, and a handler that remembers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.conninfo import make_conninfo

from worker_shim import Context, Stream

PATIENCE = 30.0


async def until(condition: Callable[[], object], what: str = "", patience: float = PATIENCE) -> None:
    """Wait for a condition; a test that waits in vain fails and says for what."""
    deadline = asyncio.get_running_loop().time() + patience
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain for {what or condition}"
        await asyncio.sleep(0.02)


@dataclass
class Recorder:
    """A handler that runs until it is cancelled, and a memory of what was started and ended."""

    running: dict[int, Stream] = field(default_factory=dict)
    starts: list[tuple[int, int]] = field(default_factory=list)
    ends: list[tuple[int, int]] = field(default_factory=list)
    contexts: dict[int, Context] = field(default_factory=dict)
    doubled: bool = False

    async def __call__(self, stream: Stream, context: Context) -> None:
        self.doubled |= stream.stream_id in self.running
        self.running[stream.stream_id] = stream
        self.contexts[stream.stream_id] = context
        self.starts.append((stream.stream_id, stream.epoch))
        try:
            await asyncio.Event().wait()
        finally:
            del self.running[stream.stream_id]
            self.ends.append((stream.stream_id, stream.epoch))


@dataclass(frozen=True)
class Pooler:
    """Where the pooler listens, and what it says."""

    host: str
    port: int
    log: Path

    def dsn(self, direct: str) -> str:
        """The way to the same database through the pooler."""
        return make_conninfo(direct, host=self.host, port=self.port)
