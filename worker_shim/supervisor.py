"""The handlers: one per stream, started, stopped, and restarted with backoff when they fail."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import inspect
import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from worker_shim.patience import backoff, clock, one_line
from worker_shim.stream import Stream

logger = logging.getLogger("worker_shim")

RESTART_FIRST = 1.0
RESTART_LONGEST = 60.0

T = TypeVar("T")
Handler = Callable[[Stream, "Context"], Awaitable[None]]
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
    """What an asynchronous handler gets beside its stream."""

    def __init__(self, stream: Stream, counts: Counts, is_current: IsCurrent) -> None:
        self.stream = stream
        self._counts = counts
        self._is_current = is_current

    async def is_current(self) -> bool:
        """Whether this stream is still this worker's, asked of the database.

        Raises psycopg.OperationalError or TimeoutError when the database cannot be asked.
        """
        return await self._is_current(self.stream)

    def processed(self, count: int = 1) -> None:
        """Count work done; it is in the next beat."""
        self._counts.add(processed=count)

    def error(self, error: BaseException | str | None = None) -> None:
        """Count an error that the handler survives; it is in the next beat."""
        self._counts.add(errors=1)
        if error is not None:
            logger.warning("handler error stream_id=%s error=%r", self.stream.stream_id, str(error))


class Stop(threading.Event):
    """What a synchronous handler gets beside its stream: set when it is to end. May be used from any thread."""

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._context = context
        self._loop = loop
        self.processed = context.processed
        self.error = context.error

    def is_current(self) -> bool:
        """Whether this stream is still this worker's; raises as Context.is_current does."""
        return asyncio.run_coroutine_threadsafe(self._context.is_current(), self._loop).result()


class Supervisor:
    """Keeps one handler running for each stream that is held, and none for any other.

    Tells `started(stream)`, `stopped(stream_id)` and `failed(stream, error)`; a stream has stopped when its handler
    has really ended, however long that takes.
    """

    def __init__(
        self,
        handler: Handler,
        make_context: Callable[[Stream], Context],
        started: Callable[[Stream], None],
        stopped: Callable[[int], None],
        failed: Callable[[Stream, str], None],
        stop_timeout: float,
    ) -> None:
        self.held: dict[int, Stream] = {}
        self._handler = handler
        self._make_context = make_context
        self._started = started
        self._stopped = stopped
        self._failed = failed
        self._stop_timeout = stop_timeout
        self._keepers: dict[int, asyncio.Task[None]] = {}
        self._runs: dict[int, asyncio.Task[None]] = {}
        self._running: dict[int, Stream] = {}
        self._removed: set[int] = set()

    @property
    def busy(self) -> bool:
        """Whether any handler runs, even one that is stopping."""
        return bool(self._keepers)

    def start(self, stream: Stream) -> bool:
        """Hold a stream; a handler of another epoch or address is ended first. False when nothing is new."""
        held = self.held.get(stream.stream_id)
        if held is not None and (held.epoch, held.url) == (stream.epoch, stream.url):
            if self._running.get(stream.stream_id) is held:
                self._started(held)  # that it was told before may have been lost
            return False
        self.held[stream.stream_id] = stream
        if stream.stream_id in self._keepers:
            self._cancel(stream.stream_id)
        else:
            self._keepers[stream.stream_id] = asyncio.create_task(self._keep(stream.stream_id))
        return True

    def stop(self, stream_id: int, *, tell: bool = True) -> bool:
        """Let go of a stream; told as stopped when its handler has ended. False when no handler ran."""
        self.held.pop(stream_id, None)
        if stream_id not in self._keepers:
            if tell:
                self._stopped(stream_id)
            return False
        if tell:
            self._removed.add(stream_id)
        self._cancel(stream_id)
        return True

    async def stop_all(self, within: float) -> bool:
        """Let go of everything without telling; True when every handler has ended in time."""
        for stream_id in list(self._keepers):
            self.stop(stream_id, tell=False)
        if self._keepers:
            await asyncio.wait(self._keepers.values(), timeout=within)
        if self._keepers:
            logger.error("handlers did not end in time streams=%s within=%s", sorted(self._keepers), within)
        return not self._keepers

    def _cancel(self, stream_id: int) -> None:
        run = self._runs.get(stream_id)
        if run is not None and not run.cancelling():  # a second cancel would break into the handler's own ending
            run.cancel()
            asyncio.get_running_loop().call_later(self._stop_timeout, self._warn_when_running, stream_id, run)

    def _warn_when_running(self, stream_id: int, run: asyncio.Task[None]) -> None:
        if not run.done():
            logger.warning("handler is slow to stop stream_id=%s waited=%s", stream_id, self._stop_timeout)

    async def _keep(self, stream_id: int) -> None:
        """Run handlers for a stream, one epoch after the other, until it is no longer held."""
        while True:
            if stream_id in self._removed:
                self._removed.discard(stream_id)
                self._stopped(stream_id)
            stream = self.held.get(stream_id)
            if stream is None:
                break
            run = self._runs[stream_id] = asyncio.create_task(self._run(stream), name=f"stream-{stream_id}")
            await asyncio.wait((run,))
            self._running.pop(stream_id, None)
        self._runs.pop(stream_id, None)
        del self._keepers[stream_id]

    async def _run(self, stream: Stream) -> None:
        """Run the handler, again after each failure, until the stream is no longer held under this epoch."""
        failures = 0
        self._running[stream.stream_id] = stream
        self._started(stream)
        while self.held.get(stream.stream_id) is stream:
            began = clock()
            error = "the handler returned"
            logger.info("handler started stream_id=%s epoch=%s url=%s", stream.stream_id, stream.epoch, stream.url)
            try:
                await self._handler(stream, self._make_context(stream))
            except Exception as raised:
                error = f"{type(raised).__name__}: {one_line(raised)}"
                # The full traceback once; a handler that keeps failing says no more than its error.
                logger.debug("handler raised stream_id=%s", stream.stream_id, exc_info=raised)
            finally:
                logger.info("handler ended stream_id=%s epoch=%s", stream.stream_id, stream.epoch)
            if self.held.get(stream.stream_id) is not stream:
                return
            failures = 1 if clock() - began > RESTART_LONGEST else failures + 1
            pause = backoff(failures, RESTART_FIRST, RESTART_LONGEST)
            logger.warning(
                "handler failed stream_id=%s error=%r failures=%d restart_in=%.1f",
                *(stream.stream_id, error, failures, pause),
            )
            self._failed(stream, error)
            await asyncio.sleep(pause)


# ---------------------------------------------------------------------------
# What a handler may be, besides an async function
# ---------------------------------------------------------------------------


async def in_thread(function: Callable[..., T], *arguments: Any, name: str, on_cancel: Callable[[], None]) -> T:
    """Call a function in a thread of its own and wait for its end, also after a cancellation.

    Not the loop's thread pool: that one is small, and a function that never returns would hold up the exit.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # None only where T is None

    def body() -> None:
        result, error = None, None
        try:
            result = function(*arguments)
        except Exception as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=body, name=name, daemon=True).start()
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        on_cancel()
        await asyncio.wait((future,))
        future.result()  # its own error says more than the cancellation
        raise


def threaded(function: Callable[[Stream, Stop], None]) -> Handler:
    """A handler from a plain function, which runs in a thread per stream and ends when its Stop is set."""

    async def handler(stream: Stream, context: Context) -> None:
        stop = Stop(context, asyncio.get_running_loop())
        await in_thread(function, stream, stop, name=f"stream-{stream.stream_id}", on_cancel=stop.set)

    return handler


def callbacks(on_start: Callable[[Stream], Any], on_stop: Callable[[Stream], Any]) -> Handler:
    """A handler for a program that manages its own threads: each callback returns when it is done."""

    async def call(function: Callable[[Stream], Any], stream: Stream) -> None:
        if inspect.iscoroutinefunction(function):
            await function(stream)
        else:
            await in_thread(function, stream, name=f"stream-{stream.stream_id}", on_cancel=lambda: None)

    async def handler(stream: Stream, context: Context) -> None:
        try:
            await call(on_start, stream)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await call(on_stop, stream)
            raise

    return handler


class ProgramEnded(Exception):
    """A program that should run as long as its stream is held has ended."""


def program(command: str, stop_timeout: float) -> Handler:
    """A handler that runs a program per stream; {url} {stream_id} {epoch} {name} stand for the stream's.

    Words are split as a shell would, before the values are filled in, so that no value can become a second word.
    To end it: SIGTERM to its process group, SIGKILL after stop_timeout seconds.
    """
    words = shlex.split(command)
    if not words:
        raise ValueError("the command is empty")

    async def handler(stream: Stream, context: Context) -> None:
        values = {"{url}": stream.url, "{stream_id}": str(stream.stream_id)}
        values |= {"{epoch}": str(stream.epoch), "{name}": stream.name}
        process = await asyncio.create_subprocess_exec(
            *(_fill(word, values) for word in words), start_new_session=True, preexec_fn=partial(_end_with, os.getpid())
        )
        try:
            status = await process.wait()
        except asyncio.CancelledError:
            await _end(process, stop_timeout)
            raise
        finally:
            _signal_group(process, signal.SIGKILL)  # what it may have left behind would listen a second time
        raise ProgramEnded(f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}")

    return handler


def _fill(word: str, values: dict[str, str]) -> str:
    # In one pass, so that a URL which contains "{name}" stays as it is.
    result, rest = "", word
    while rest:
        placeholder = next((p for p in values if rest.startswith(p)), None)
        result += values[placeholder] if placeholder else rest[0]
        rest = rest[len(placeholder) :] if placeholder else rest[1:]
    return result


async def _end(process: asyncio.subprocess.Process, stop_timeout: float) -> None:
    _signal_group(process, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), stop_timeout)
    except TimeoutError:
        logger.warning("program did not end on SIGTERM, killing it pid=%s", process.pid)
        _signal_group(process, signal.SIGKILL)
        await process.wait()


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def _end_with(worker_pid: int) -> None:
    """In the child: have the kernel end the program when the worker is killed, or it would listen on for nobody."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != worker_pid:  # it was killed in between
            os._exit(1)
