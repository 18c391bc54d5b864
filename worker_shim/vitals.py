"""What a beat tells of a worker beside its streams: what it uses of the machine, and which streams make progress."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import psutil

from worker_shim.clock import clock
from worker_shim.stream import Stream

SILENT_AFTER = 10.0  # seconds; from when on a silence is worth a word. What is too long, the database decides
MOST_TOLD = 1000


class Usage:
    """CPU of this process and all below it, and the machine's memory; both in percent of the whole machine."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._measured_at = clock()
        self._cpu_seconds = self._read_cpu_seconds()
        self._cpu_percent = 0.0

    def measure(self) -> tuple[float, float]:
        """(cpu, memory) now; the CPU over the time since the last measurement, at least 5 s."""
        elapsed = clock() - self._measured_at
        if elapsed >= 5:
            used, self._cpu_seconds = self._cpu_seconds, self._read_cpu_seconds()
            share = (self._cpu_seconds - used) / elapsed / (psutil.cpu_count() or 1)
            self._cpu_percent = min(100.0, max(0.0, 100 * share))
            self._measured_at += elapsed
        return round(self._cpu_percent, 1), float(psutil.virtual_memory().percent)

    def _read_cpu_seconds(self) -> float:
        total = 0.0
        for process in (self._process, *self._process.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue  # it has just ended; its time is in its parent's children_… now
            total += times.user + times.system + times.children_user + times.children_system
        return total


class Progress:
    """When each stream last made progress, by this worker's clock; may be written from any thread.

    Nothing is told before any handler has reported progress: then handlers of this worker do not, and are not silent.
    """

    def __init__(self) -> None:
        self.is_told = False  # whether any handler has ever said so
        self._last: dict[int, float] = {}
        self._heard: set[int] = set()  # whose present run has

    def began(self, stream_id: int) -> None:
        """A handler starts, or starts again: its silence counts from now."""
        self._last[stream_id] = clock()
        self._heard.discard(stream_id)

    def has_made(self, stream_id: int) -> bool:
        """Whether its handler has heard something since it started."""
        return stream_id in self._heard

    def made(self, stream_id: int) -> None:
        """A handler heard something."""
        self.is_told = True
        self._heard.add(stream_id)
        if stream_id in self._last:
            self._last[stream_id] = clock()

    def report(self, running: Sequence[Stream], standbys: Collection[Stream] = ()) -> dict[str, Any]:
        """progressing (streams) and stalled (those silent for 10 s or more, longest first) for the beat.

        Standbys are apart: those of them that are silent are standbys_silent.
        """
        now = clock()
        for ended in self._last.keys() - {stream.stream_id for stream in running}:
            del self._last[ended]
            self._heard.discard(ended)
        if not self.is_told:
            return {}
        silent_for = {stream: now - self._last.get(stream.stream_id, now) for stream in running}
        silent = sorted((s for s in silent_for if silent_for[s] >= SILENT_AFTER), key=lambda s: -silent_for[s])
        owned = [stream for stream in silent if stream not in standbys]
        report: dict[str, Any] = {"progressing": sum(s not in standbys for s in silent_for) - len(owned)}
        for key, streams in (("stalled", owned), ("standbys_silent", [s for s in silent if s in standbys])):
            if streams:
                report[key] = [
                    {"stream_id": s.stream_id, "epoch": s.epoch, "silent_for": round(silent_for[s], 1)}
                    for s in streams[:MOST_TOLD]
                ]
        return report
