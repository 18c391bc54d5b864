"""Which streams make progress, and for how long the others have been silent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from worker_shim.patience import clock
from worker_shim.stream import Stream

SILENT_AFTER = 10.0  # seconds; from when on a silence is worth a word. What is too long, the database decides
MOST_TOLD = 1000


class Progress:
    """When each stream last made progress, by this worker's clock; may be written from any thread.

    Nothing is told before any handler has reported progress: then handlers of this worker do not, and are not silent.
    """

    def __init__(self) -> None:
        self._is_told = False
        self._last: dict[int, float] = {}

    def began(self, stream_id: int) -> None:
        """A handler starts, or starts again: its silence counts from now."""
        self._last[stream_id] = clock()

    def made(self, stream_id: int) -> None:
        """A handler heard something."""
        self._is_told = True
        if stream_id in self._last:
            self._last[stream_id] = clock()

    def report(self, running: Sequence[Stream]) -> dict[str, Any]:
        """progressing (streams) and stalled (those silent for 10 s or more, longest first) for the beat."""
        now = clock()
        for ended in self._last.keys() - {stream.stream_id for stream in running}:
            del self._last[ended]
        if not self._is_told:
            return {}
        silent_for = {stream: now - self._last.get(stream.stream_id, now) for stream in running}
        stalled = sorted((s for s in silent_for if silent_for[s] >= SILENT_AFTER), key=lambda s: -silent_for[s])
        told = [
            {"stream_id": s.stream_id, "epoch": s.epoch, "silent_for": round(silent_for[s], 1)}
            for s in stalled[:MOST_TOLD]
        ]
        return {"progressing": len(silent_for) - len(stalled)} | ({"stalled": told} if told else {})
