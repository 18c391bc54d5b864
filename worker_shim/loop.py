"""The event loop of a worker: how it is woken, and how other threads call into it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from worker_shim.clock import clock

T = TypeVar("T")

LAST_TASKS_WITHIN = 1.0  # seconds


class _OwnLoop(asyncio.SelectorEventLoop):
    """asyncio's own, but a look-up of a host name that hangs holds up nothing: its thread is none of the pool's."""

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> Any:
        """As socket.getaddrinfo."""
        found: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def look_up() -> None:
            try:
                result = socket.getaddrinfo(*arguments, **options)
            except BaseException as error:
                if found.set_running_or_notify_cancel():
                    found.set_exception(error)
            else:
                if found.set_running_or_notify_cancel():
                    found.set_result(result)

        threading.Thread(target=look_up, name="worker_shim look-up", daemon=True).start()
        return await asyncio.wrap_future(found)


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, which waits for ever: for a task that ignores its cancellation, for a host name's look-up."""
    loop = _OwnLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        try:
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks, timeout=LAST_TASKS_WITHIN))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


class Loop:
    """The loop that a worker runs in; it may be made before that loop exists."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()  # set when there is something to do
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the worker has begun to run."""
        return self._loop is not None

    def begin(self) -> asyncio.AbstractEventLoop:
        """The worker runs in this loop from now on."""
        self._loop = asyncio.get_running_loop()
        return self._loop

    def call(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have the loop call a function soon, from any thread; nothing happens while there is no loop to call it."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the worker has ended
                self._loop.call_soon_threadsafe(function, *arguments)

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine in the loop, from any thread. Its result raises RuntimeError while there is no loop."""
        if self._loop is not None and not self._loop.is_closed():
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        refused: concurrent.futures.Future[T] = concurrent.futures.Future()
        refused.set_exception(RuntimeError("the worker does not run"))
        return refused

    async def pause(self, seconds: float, is_enough: Callable[[], bool]) -> None:
        """Wait so long; `is_enough` is asked when the worker is woken, and may end the wait."""
        until = clock() + seconds
        while (remaining := until - clock()) > 0:
            self.wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), remaining)
            if is_enough():
                return
