"""What the database is told of handlers: that they started, stopped or failed. Those of one moment go together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from worker_shim.clock import clock
from worker_shim.stream import Stream

AFTER = 0.05  # seconds that are gathered into one call


class Acknowledgements:
    """Gathered until `due`; what could not be sent is kept and joined by what came since."""

    def __init__(self, held: Mapping[int, Stream], prepared: Mapping[int, Stream], wake: Callable[[], None]) -> None:
        self.due = float("inf")
        self._held = held
        self._prepared = prepared
        self._wake = wake
        self._started: dict[int, Stream] = {}
        self._stopped: dict[int, int | None] = {}
        self._failed: dict[int, tuple[Stream, str]] = {}

    @property
    def waiting(self) -> bool:
        """Whether anything is still to be sent."""
        return self.due < float("inf")

    def started(self, stream: Stream) -> None:
        """Its handler runs; of a stream that is not this worker's own: hears it."""
        self._started[stream.stream_id] = stream
        self._soon()

    def stopped(self, stream_id: int, epoch: int | None) -> None:
        """Nothing runs for it under this epoch or an older one (None: under any)."""
        self._stop_is_told(stream_id, epoch)
        self._soon()

    def unheard(self, stream: Stream) -> None:
        """A prepared stream is not heard any more: that it was is not to be said."""
        if self._started.get(stream.stream_id) is stream:
            del self._started[stream.stream_id]

    def failed(self, stream: Stream, error: str) -> None:
        """Its handler ended by itself."""
        self._failed[stream.stream_id] = stream, error
        self._soon()

    def forget(self) -> None:
        """Everything was let go of: there is nothing left to say."""
        self._take()

    async def send(self, acknowledge: Callable[..., Awaitable[Any]]) -> None:
        """Send what is there with `acknowledge(started=…, started_epochs=…, stopped=…, stopped_epochs=…, failed=…)`."""
        started, stopped, failed = self._take()
        running = [stream for stream in started.values() if self._is_ours(stream)]
        failures = [
            {"stream_id": stream.stream_id, "epoch": stream.epoch, "error": error[:1000]}
            for stream, error in failed.values()
        ]
        try:
            await acknowledge(
                started=[stream.stream_id for stream in running],
                started_epochs=[stream.epoch for stream in running],
                stopped=list(stopped),
                **({"stopped_epochs": list(stopped.values())} if stopped else {}),
                **({"failed": failures} if failures else {}),
            )
        except BaseException:
            self._started = started | self._started
            for stream_id, epoch in stopped.items():
                self._stop_is_told(stream_id, epoch)
            self._failed = failed | self._failed
            self._soon()
            raise

    def _is_ours(self, stream: Stream) -> bool:
        return stream in (self._held.get(stream.stream_id), self._prepared.get(stream.stream_id))

    def _stop_is_told(self, stream_id: int, epoch: int | None) -> None:
        known = self._stopped.get(stream_id, epoch)
        self._stopped[stream_id] = None if known is None or epoch is None else max(known, epoch)

    def _take(self) -> tuple[dict[int, Stream], dict[int, int | None], dict[int, tuple[Stream, str]]]:
        taken = self._started, self._stopped, self._failed
        self._started, self._stopped, self._failed = {}, {}, {}
        self.due = float("inf")
        return taken

    def _soon(self) -> None:
        self.due = min(self.due, clock() + AFTER)
        self._wake()
