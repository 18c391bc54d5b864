"""What a handler gets beside its stream: to count, to tell of progress, and to ask whether what it hears counts."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from orchestrator.redact import redact
from worker_shim.stream import Stream
from worker_shim.vitals import Progress

logger = logging.getLogger("worker_shim")

WINDOW = 120.0  # seconds to keep, until the database says otherwise

IsCurrent = Callable[[Stream], Awaitable[bool]]


class Counts:
    """What the handlers have done; may be written from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.processed = 0
        self.errors = 0
        self.last_activity: datetime | None = None

    def add(self, processed: int = 0, errors: int = 0) -> None:
        """Count, and remember when."""
        with self._lock:
            self.processed += processed
            self.errors += errors
            self.last_activity = datetime.now(UTC)


class Context:
    """What an asynchronous handler gets beside its stream. What is not awaited may be used from any thread."""

    def __init__(
        self,
        stream: Stream,
        counts: Counts,
        progress: Progress,
        is_current: IsCurrent,
        is_valid: Callable[[], bool],
        owned: asyncio.Event | None = None,
        ready: Callable[[], None] | None = None,
        renew: Callable[[Stream, int], Awaitable[bool]] | None = None,
        window: Callable[[], float] = lambda: WINDOW,
    ) -> None:
        self.stream = stream
        self._counts = counts
        self._progress = progress
        self._is_current = is_current
        self._is_valid = is_valid
        self._renew = renew
        self._owned = owned
        self._ready = ready
        self._window = window

    async def is_current(self) -> bool:
        """Whether this stream is still this worker's, asked of the database.

        Raises psycopg.OperationalError or TimeoutError when the database cannot be asked.
        """
        return await self._is_current(self.stream)

    async def renew_epoch(self, above: int) -> bool:
        """A fence has refused this stream's epoch and named a later one: ask for one above it.

        True when the stream is this worker's still; its epoch is the new one then, and what was refused may be written
        again. Raises psycopg.OperationalError or TimeoutError when the database cannot be asked.
        """
        return self._renew is not None and await self._renew(self.stream, above)

    @property
    def valid(self) -> bool:
        """Whether what is heard now may still be counted, as far as this process knows: asks a clock, not the database.

        False for good once this worker knows that the stream is another's, or is to begin anew, or, with
        on_isolation = stop, once others may have been given it. Cheap: look at it right before each write.
        """
        return self._is_valid()

    @property
    def is_owner(self) -> bool:
        """Whether the stream is this worker's yet: False only while it prepares (make_before_break) or stands by.

        Until then, keep what is heard and write nothing; others may be writing it.
        """
        return self._owned is None or self._owned.is_set()

    async def ownership(self) -> None:
        """Return when the stream is this worker's: at once, unless it prepares or stands by."""
        if self._owned is not None:
            await self._owned.wait()

    @property
    def window_seconds(self) -> float:
        """How much of the stream is to be kept while it is not this worker's: the last so many seconds. May change."""
        return self._window()

    def ready(self) -> None:
        """While it is not the owner: the stream is heard and kept from here on, so that it can change hands now."""
        if self._ready is not None and not self.is_owner:
            self._ready()

    def progress(self) -> None:
        """Something was heard. Once any handler has said so, a stream without progress for long counts as stalled."""
        self._progress.made(self.stream.stream_id)

    @property
    def tells_progress(self) -> bool:
        """Whether any handler of this worker has ever told of progress."""
        return self._progress.is_told

    @property
    def has_progressed(self) -> bool:
        """Whether this run has told of progress."""
        return self._progress.has_made(self.stream.stream_id)

    def processed(self, count: int = 1) -> None:
        """Count work done, which is progress; it is in the next beat."""
        self._counts.add(processed=count)
        self.progress()

    def error(self, error: BaseException | str | None = None) -> None:
        """Count an error that the handler survives; it is in the next beat."""
        self._counts.add(errors=1)
        if error is not None:
            logger.warning("handler error stream_id=%s error=%r", self.stream.stream_id, redact(str(error)))


class Stop(threading.Event):
    """What a synchronous handler gets beside its stream: set when it is to end. May be used from any thread.

    It also counts as set when `valid` is False, before the worker has had the time to set it.
    """

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._context = context
        self._loop = loop
        self.progress = context.progress
        self.processed = context.processed
        self.error = context.error
        self.ready = context.ready

    def is_set(self) -> bool:
        """Whether the handler is to end."""
        return super().is_set() or not self.valid

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the handler is to end, at most so long; whether it is."""
        return super().wait(timeout) or not self.valid

    @property
    def valid(self) -> bool:
        """Whether what is heard now may still be counted, as Context.valid."""
        return self._context.valid

    @property
    def is_owner(self) -> bool:
        """Whether the stream is this worker's yet, as Context.is_owner."""
        return self._context.is_owner

    @property
    def window_seconds(self) -> float:
        """How much is to be kept while it is not this worker's, as Context.window_seconds."""
        return self._context.window_seconds

    def is_current(self) -> bool:
        """Whether this stream is still this worker's; raises as Context.is_current does."""
        return asyncio.run_coroutine_threadsafe(self._context.is_current(), self._loop).result()

    def renew_epoch(self, above: int) -> bool:
        """Ask for an epoch above one that a fence has named, as Context.renew_epoch."""
        return asyncio.run_coroutine_threadsafe(self._context.renew_epoch(above), self._loop).result()
