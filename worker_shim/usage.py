"""What the worker and its programs use of the machine, for the beat."""

from __future__ import annotations

import psutil

from worker_shim.patience import clock


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
