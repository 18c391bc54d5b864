"""What a handler may be besides an async function: a plain one, two callbacks, or a program."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import inspect
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, TypeVar, cast

from worker_shim.arguments import check_handler
from worker_shim.context import Context, Stop
from worker_shim.placeholders import PLACEHOLDERS, fill, split
from worker_shim.stream import Stream
from worker_shim.supervisor import Handler

logger = logging.getLogger("worker_shim")

T = TypeVar("T")

ThreadHandler = Callable[[Stream, Stop], None]
"""A plain function; a thread runs it until its `stop` is set."""
Callback = Callable[[Stream], object]
"""One of on_start and on_stop, plain or async."""


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
        with contextlib.suppress(RuntimeError):  # the loop is gone, and with it what waited
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=body, name=name, daemon=True).start()
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        on_cancel()
        await asyncio.wait((future,))
        future.result()  # its own error says more than the cancellation
        raise


def threaded(function: ThreadHandler) -> Handler:
    """A handler from a plain function, which runs in a thread per stream and ends when its Stop is set."""

    def run(stream: Stream, stop: Stop) -> None:
        result: object = function(stream, stop)  # type: ignore[func-returns-value]  # it may not be what it says
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError("the handler returned a coroutine and ran nothing: make it an async def")

    async def handler(stream: Stream, context: Context) -> None:
        stop = Stop(context, asyncio.get_running_loop())
        await in_thread(run, stream, stop, name=f"stream-{stream.stream_id}", on_cancel=stop.set)

    return handler


def callbacks(on_start: Callback, on_stop: Callback) -> Handler:
    """A handler for a program that manages its own threads: each callback returns when it is done."""

    async def call(function: Callback, stream: Stream) -> None:
        if is_async(function):
            await cast("Awaitable[object]", function(stream))
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


def is_async(function: Callable[..., Any]) -> bool:
    """Whether to call it is to make a coroutine; also of an object that can be called."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def as_handler(handler: Handler | ThreadHandler | None, on_start: Callback | None, on_stop: Callback | None) -> Handler:
    """The handler that a worker was given, whichever kind it is. ValueError when it is none, or two, or no function."""
    if handler is not None and on_start is None and on_stop is None:
        if callable(handler) and is_async(handler):
            check_handler("handler", handler, Context)
            return cast("Handler", handler)
        check_handler("handler", handler, Stop)
        return threaded(cast("ThreadHandler", handler))
    if handler is None and on_start is not None and on_stop is not None:
        check_handler("on_start", on_start, None)
        check_handler("on_stop", on_stop, None)
        return callbacks(on_start, on_stop)
    raise ValueError("give either a handler, or on_start and on_stop")


class ProgramEnded(Exception):
    """A program that should run as long as its stream is held has ended, and not well."""


# Process groups of the programs that run, so that they can be ended without the loop.
_programs: set[int] = set()


def kill_programs() -> None:
    """Kill all programs at once; from any thread."""
    for group in list(_programs):
        _signal_group(group, signal.SIGKILL)


def program(
    command: str, stop_timeout: float, progress_from_output: bool = False, killed_with_worker: bool = False
) -> Handler:
    """A handler that runs a program per stream; {url} {stream_id} {epoch} {name} stand for the stream's.

    Words are split as a shell would, before the values are filled in, so that no value can become a second word. Where
    a value would become a part of a program, ValueError says so.
    To end it: SIGTERM to its process group, SIGKILL after stop_timeout seconds. With progress_from_output, all that it
    writes to its standard output is progress, and passed on. When the worker is killed the kernel ends the program by
    SIGTERM, or with killed_with_worker by SIGKILL, so that it cannot hear on.
    """
    words = split(command)

    async def handler(stream: Stream, context: Context) -> None:
        values = {"{url}": stream.url, "{stream_id}": str(stream.stream_id)}
        values |= {"{epoch}": str(stream.epoch), "{name}": stream.name}
        variables = {PLACEHOLDERS[placeholder]: value for placeholder, value in values.items()}
        with _passed_on(context) if progress_from_output else contextlib.nullcontext() as output:
            process = await asyncio.create_subprocess_exec(
                *fill(words, values),
                env=os.environ | variables,
                stdout=output,
                start_new_session=True,
                preexec_fn=partial(_end_with, os.getpid(), signal.SIGKILL if killed_with_worker else signal.SIGTERM),
            )
            _programs.add(process.pid)
            try:
                status = await process.wait()
            except asyncio.CancelledError:
                await _end(process, stop_timeout)
                raise
            finally:
                _signal_group(process.pid, signal.SIGKILL)  # what it may have left behind would listen a second time
                _programs.discard(process.pid)
        if status:
            raise ProgramEnded(f"exit status {status}" if status > 0 else f"killed by {signal.Signals(-status).name}")

    # a running program cannot be told of a newer one
    vars(handler)["reads_epoch_once"] = "{epoch}" in command or "STREAM_EPOCH" in command
    return handler


@contextlib.contextmanager
def _passed_on(context: Context) -> Iterator[int]:
    """A pipe for a program's output, which is progress, and passed on to ours.

    Not asyncio's own: there a program has not ended before every process that inherited the pipe has.
    """
    loop = asyncio.get_running_loop()
    mine, its = os.pipe()

    def pass_on() -> None:
        if piece := os.read(mine, 65536):
            context.progress()
            with contextlib.suppress(OSError):  # our own output is closed
                sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
        else:
            loop.remove_reader(mine)

    loop.add_reader(mine, pass_on)
    try:
        yield its
    finally:
        loop.remove_reader(mine)
        os.close(mine)
        os.close(its)


async def _end(process: asyncio.subprocess.Process, stop_timeout: float) -> None:
    _signal_group(process.pid, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), stop_timeout)
    except TimeoutError:
        logger.warning("program did not end on SIGTERM, killing it pid=%s", process.pid)
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def _end_with(worker_pid: int, number: signal.Signals) -> None:
    """In the child: have the kernel end the program when the worker is killed: its results would not count."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != worker_pid:  # it was killed in between
            os._exit(1)
