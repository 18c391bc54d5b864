"""The event loop of a worker: how it is woken, and how other threads call into it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from worker_shim.clock import clock

T = TypeVar("T")


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
