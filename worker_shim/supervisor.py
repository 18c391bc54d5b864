"""The handlers: one per stream, started, stopped, and restarted with backoff when they fail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from orchestrator.redact import redact, redact_error
from worker_shim.clock import clock
from worker_shim.context import Context
from worker_shim.retry import backoff
from worker_shim.stream import Stream

logger = logging.getLogger("worker_shim")

RESTART_FIRST = 1.0
RESTART_LONGEST = 60.0
ENDED_WELL_AFTER = 5  # times RESTART_FIRST: a run of this length was more than a try to connect
SURELY_HEARD_AFTER = 600  # times RESTART_FIRST: no try to connect takes so long

Handler = Callable[[Stream, "Context"], Awaitable[None]]


class Supervisor:
    """Keeps one handler running for each stream that is held or prepared, and none for any other.

    Tells `started(stream)`, `stopped(stream_id)` and `failed(stream, error)`; a stream has stopped when its handler
    has really ended, however long that takes. A run that heard something and ended is `interrupted(stream)` instead.
    """

    def __init__(
        self,
        handler: Handler,
        make_context: Callable[[Stream], Context],
        started: Callable[[Stream], None],
        stopped: Callable[[int], None],
        failed: Callable[[Stream, str], None],
        stop_timeout: float,
        interrupted: Callable[[Stream], None] = lambda stream: None,
    ) -> None:
        self.held: dict[int, Stream] = {}
        self.prepared: dict[int, Stream] = {}  # heard already, and not held yet
        self._handler = handler
        self._make_context = make_context
        self._started = started
        self._stopped = stopped
        self._failed = failed
        self._interrupted = interrupted
        self._stop_timeout = stop_timeout
        self._keepers: dict[int, asyncio.Task[None]] = {}
        self._runs: dict[int, asyncio.Task[None]] = {}
        self._running: dict[int, Stream] = {}
        self._removed: set[int] = set()
        self._ending: dict[int, float] = {}  # since when, for those whose stream was let go of
        self._resting: set[int] = set()  # held, and to have no handler
        self._owned: dict[int, asyncio.Event] = {}  # of what was prepared: set when it is held
        self._pausing: set[int] = set()  # after a failure

    @property
    def busy(self) -> bool:
        """Whether any handler runs, even one that is stopping."""
        return bool(self._keepers)

    @property
    def running(self) -> list[Stream]:
        """The streams that have a handler, even one that is about to be started again."""
        return list(self._running.values())

    @property
    def ending(self) -> list[Stream]:
        """The streams that were let go of, and whose handlers have not ended yet."""
        return [self._running[stream_id] for stream_id in self._ending if stream_id in self._running]

    @property
    def ending_since(self) -> float:
        """When the first of those was let go of; infinity when there is none. From any thread."""
        return min(self._ending.copy().values(), default=float("inf"))

    def start(self, stream: Stream) -> bool:
        """Hold a stream; a handler of another epoch or address is ended first. False when nothing is new.

        An older epoch is not taken up: the database was restored from a backup, and has to hear of the newer one first.
        """
        held = self.held.get(stream.stream_id)
        if held is not None and held.epoch > stream.epoch:
            return False
        prepared = self.prepared.pop(stream.stream_id, None)
        if prepared is not None and _goes_on(self._handler, prepared, stream):
            prepared.adopt(stream.epoch)
            self.held[stream.stream_id] = prepared
            self._owned.pop(stream.stream_id).set()
            if stream.stream_id in self._pausing:
                self._cancel(stream.stream_id)  # others count on it now
            elif self._running.get(stream.stream_id) is prepared:
                self._started(prepared)
            return True
        if held is not None and (held.epoch, held.url) == (stream.epoch, stream.url):
            if self._running.get(stream.stream_id) is held:
                self._started(held)  # that it was told before may have been lost
            return False
        self.held[stream.stream_id] = stream
        self._ending.pop(stream.stream_id, None)  # if its handler has not ended yet, it is one of ours again
        if stream.stream_id in self._keepers:
            self._cancel(stream.stream_id)
        else:
            self._keepers[stream.stream_id] = asyncio.create_task(self._keep(stream.stream_id))
        return True

    def adopt(self, stream: Stream) -> bool:
        """Hold a stream under a newer epoch, and let its handler go on; else as `start`. False when nothing is new.

        A handler that reads the epoch only when it starts, as a program does, is started anew.
        """
        held = self.held.get(stream.stream_id)
        if held is None or held.epoch >= stream.epoch or not _goes_on(self._handler, held, stream):
            return self.start(stream)
        held.adopt(stream.epoch)
        if self._running.get(stream.stream_id) is held:
            self._started(held)
        return True

    def stop(self, stream_id: int, *, tell: bool = True) -> bool:
        """Let go of a stream; told as stopped when its handler has ended. False when no handler ran."""
        held = self.held.pop(stream_id, None)
        self._resting.discard(stream_id)
        is_prepared = held is None and self._running.get(stream_id, self) is self.prepared.get(stream_id)
        if stream_id not in self._keepers or is_prepared:
            if tell:
                self._stopped(stream_id)
            return False
        if tell:
            self._removed.add(stream_id)
        self._ending.setdefault(stream_id, clock())
        self._cancel(stream_id)
        return True

    async def rest(self, stream_ids: Sequence[int]) -> None:
        """End the handlers of these streams, which are held all the same, until `stop` or `resume`."""
        self._resting.update(stream_ids)
        keepers = [self._keepers[stream_id] for stream_id in stream_ids if stream_id in self._keepers]
        for stream_id in stream_ids:
            self._cancel(stream_id)
        if keepers:
            await asyncio.wait(keepers)

    def resume(self, stream_ids: Sequence[int]) -> None:
        """Run the handlers of those of these streams again that rest and are still held."""
        resting = self._resting.intersection(stream_ids)
        self._resting -= resting
        for stream_id in resting:
            if self._wanted(stream_id) is not None and stream_id not in self._keepers:
                self._keepers[stream_id] = asyncio.create_task(self._keep(stream_id))

    def prepare(self, stream: Stream) -> None:
        """Run the handler of a stream that is not held yet; `start` makes it held, and its handler goes on."""
        known = self.prepared.get(stream.stream_id)
        if stream.stream_id in self.held:
            return
        if known and _goes_on(self._handler, known, stream):
            known.adopt(stream.epoch)  # it has written nothing under the other
            return
        self.prepared[stream.stream_id] = stream
        self._owned[stream.stream_id] = asyncio.Event()
        if stream.stream_id in self._keepers:
            self._cancel(stream.stream_id)
        else:
            self._keepers[stream.stream_id] = asyncio.create_task(self._keep(stream.stream_id))

    def prepare_no_more(self, stream_id: int) -> None:
        """End the handler of a stream that is not to be held after all."""
        if self.prepared.pop(stream_id, None) is not None:
            self._owned.pop(stream_id, None)
            self._cancel(stream_id)

    def owned(self, stream: Stream) -> asyncio.Event | None:
        """What is set when a prepared stream is held; None for one that was held from the beginning."""
        return self._owned.get(stream.stream_id) if self.prepared.get(stream.stream_id) is stream else None

    def _wanted(self, stream_id: int) -> Stream | None:
        if stream_id in self._resting:
            return None
        return self.held.get(stream_id) or self.prepared.get(stream_id)

    def restart(self, stream_id: int, epoch: int) -> bool:
        """Run the handler of a stream anew, under the same epoch; False when it does not run under that one."""
        running = self._running.get(stream_id)
        if running is None or running.epoch != epoch or self.held.get(stream_id) is not running:
            return False
        self._cancel(stream_id)
        return True

    def let_go(self) -> None:
        """Let go of everything without telling. Nothing is logged: a signal handler may call it."""
        self.prepared.clear()
        self._owned.clear()
        for stream_id in list(self._keepers):
            self.stop(stream_id, tell=False)

    async def stop_all(self, within: float) -> bool:
        """Let go of everything without telling; True when every handler has ended in time."""
        self.let_go()
        if self._keepers:
            await asyncio.wait(self._keepers.values(), timeout=within)
        if self._keepers:
            logger.error("handlers did not end in time streams=%s within=%s", sorted(self._keepers), within)
        return not self._keepers

    def _cancel(self, stream_id: int) -> None:
        run = self._runs.get(stream_id)
        if run is not None and not run.cancelling():  # a second cancel would break into the handler's own ending
            run.cancel()
            asyncio.get_running_loop().call_later(
                self._stop_timeout, _warn_when_running, stream_id, run, self._stop_timeout
            )

    async def _keep(self, stream_id: int) -> None:
        """Run handlers for a stream, one epoch after the other, until it is no longer held."""
        while True:
            self._ending.pop(stream_id, None)
            if stream_id in self._removed:
                self._removed.discard(stream_id)
                self._stopped(stream_id)
            stream = self._wanted(stream_id)
            if stream is None:
                break
            run = self._runs[stream_id] = asyncio.create_task(self._run(stream), name=f"stream-{stream_id}")
            await asyncio.wait((run,))
            self._running.pop(stream_id, None)
        self._runs.pop(stream_id, None)
        del self._keepers[stream_id]

    async def _run(self, stream: Stream) -> None:
        """Run the handler, again after each end, until the stream is no longer held under this epoch.

        A run that heard something is no failure, and the next one follows soon: a station that plays and hangs up,
        again and again, is heard nearly as much as it plays. A run that was long was at least no refusal.
        """
        failures = 0
        self._running[stream.stream_id] = stream
        if self.held.get(stream.stream_id) is stream:
            self._started(stream)
        while self._wanted(stream.stream_id) is stream:
            began, context, error = clock(), self._make_context(stream), None
            url = redact(stream.url)
            logger.info("handler started stream_id=%s epoch=%s url=%s", stream.stream_id, stream.epoch, url)
            try:
                await self._handler(stream, context)
            except Exception as raised:
                error = f"{type(raised).__name__}: {redact_error(raised)}"
                # The full traceback once; a handler that keeps failing says no more than its error.
                logger.debug("handler raised stream_id=%s", stream.stream_id, exc_info=raised)
            finally:
                logger.info("handler ended stream_id=%s epoch=%s", stream.stream_id, stream.epoch)
            if self._wanted(stream.stream_id) is not stream:
                return
            ran = (clock() - began) / RESTART_FIRST
            was_heard = _was_heard(context, ran, error is None)
            failures = 0 if was_heard else 1 if ran >= ENDED_WELL_AFTER else failures + 1
            pause = backoff(failures, RESTART_FIRST, RESTART_LONGEST)
            error = error or "the handler returned"
            logger.warning(
                "handler %s stream_id=%s error=%r failures=%d restart_in=%.1f",
                *("was interrupted" if was_heard else "failed", stream.stream_id, error, failures, pause),
            )
            if was_heard:
                self._interrupted(stream)
            else:
                self._failed(stream, error)
            self._pausing.add(stream.stream_id)
            try:
                await asyncio.sleep(pause)
            finally:
                self._pausing.discard(stream.stream_id)


def _was_heard(context: Context, ran: float, returned: bool) -> bool:
    """Whether a run that ended by itself had heard something: it says so, or, where none does, its length and end do.

    A run that was shorter than a first pause does not count: a station may play a greeting to all it refuses.
    """
    if context.tells_progress:
        return ran >= 1 and context.has_progressed
    return ran >= (ENDED_WELL_AFTER if returned else SURELY_HEARD_AFTER)


def _goes_on(handler: Handler, known: Stream, stream: Stream) -> bool:
    """Whether the handler that runs for a stream goes on when that has this epoch."""
    reads_epoch_once = getattr(handler, "reads_epoch_once", False)
    return known.url == stream.url and (known.epoch == stream.epoch or not reads_epoch_once)


def _warn_when_running(stream_id: int, run: asyncio.Task[None], waited: float) -> None:
    if not run.done():
        logger.warning("handler is slow to stop stream_id=%s waited=%s", stream_id, waited)
