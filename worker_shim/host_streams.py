"""The streams of a host that asks for them: what is its worker's, what it was told, and what becomes of what is taken.

A host that cannot be told to stop hears on; when others were given what it hears, its process is ended.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterable

from worker_shim.stream import Stream

logger = logging.getLogger("worker_shim")

SETTLES = 1.0  # seconds; what is given at a start comes in more than one piece
TOLD_WITHIN = 30.0  # the host, that a stream was taken; as long as handoff_timeout
BACK_WITHIN = 1.0  # a stream that comes back under another epoch

OnStreamsTaken = Callable[[list[int]], Awaitable[None] | None]


class HostStreams:
    """`given` and `taken` are called in the worker's thread, the rest in the host's."""

    def __init__(
        self,
        name: str,
        number_of: Callable[[Stream], int],
        on_streams_taken: OnStreamsTaken | None,
        was_there: Callable[[], bool],
        has_promised: bool = False,
    ) -> None:
        self.assigned: list[int] = []  # what the host was given and has not given back, and was not taken from it
        self.held: dict[int, Stream] = {}  # what is the worker's
        self.host: asyncio.AbstractEventLoop | None = None
        self.is_leaving = False
        self._name = name
        self._number_of = number_of
        self._on_streams_taken = on_streams_taken
        self._was_there = was_there
        self._has_promised = has_promised  # to have stopped before others start: on_isolation = stop
        self._withdrawn: set[int] = set()  # heard by a host that cannot stop, and not its own
        self._lock = threading.Lock()  # what is held and what the host was told change together

    # -- In the host's thread --------------------------------------------------

    def take_new(self) -> list[int]:
        """What the host was not told of yet."""
        with self._lock:
            new = sorted(self.held.keys() - set(self.assigned))
            self.assigned += new
        return new

    def give_back(self, numbers: set[int]) -> dict[int, Stream]:
        """The host hears these no more; those of them that are the worker's."""
        with self._lock:
            self.assigned[:] = [number for number in self.assigned if number not in numbers]
            return {number: self.held.pop(number) for number in numbers & self.held.keys()}

    def keep(self, streams: dict[int, Stream]) -> None:
        """They could not be given back."""
        with self._lock:
            self.held |= streams
            self.assigned += streams

    def has_settled(self) -> Callable[[], bool]:
        """A condition: something was given, and nothing more for a moment."""
        seen, since = 0, time.monotonic()

        def has_settled() -> bool:
            nonlocal seen, since
            if len(self.held) != seen:
                seen, since = len(self.held), time.monotonic()
            return seen > 0 and time.monotonic() - since >= SETTLES

        return has_settled

    def end(self) -> None:
        """The worker has left."""
        self.assigned.clear()
        self.held.clear()
        self._withdrawn.clear()

    # -- In the worker's thread ------------------------------------------------

    async def given(self, stream: Stream) -> None:
        """The stream is the worker's; the host hears of it when it asks."""
        number = self._number_of(stream)
        with self._lock:
            self.held[number] = stream
            self._withdrawn.discard(number)

    async def taken(self, stream: Stream) -> None:
        """The stream is another's as soon as this returns: by then the host has stopped it, if it can."""
        number = self._number_of(stream)
        with self._lock:
            is_ours = self.held.get(number) is stream
            is_heard = is_ours and number in self.assigned
            if is_ours:
                del self.held[number]
            if is_heard and self._on_streams_taken is not None:
                self.assigned.remove(number)
        if not is_heard:
            return
        if self._on_streams_taken is not None:
            await self._tell_host(self._on_streams_taken, number)
        elif not self.is_leaving:
            self._withdrawn.add(number)
            if self._was_there():
                # only its source takes a stream from one that is there; it is heard by no other
                logger.warning("stream was withdrawn and is heard on instance_id=%s number=%s", self._name, number)
            else:
                asyncio.get_running_loop().call_later(BACK_WITHIN, self._end_host_unless_back, number)

    def end_host_that_hears_on(self) -> None:
        """The worker has ended by itself, and others get its streams."""
        if not self.is_leaving and (self._withdrawn or self.assigned):
            self._end_host({*self._withdrawn, *self.assigned})

    async def _tell_host(self, on_streams_taken: OnStreamsTaken, number: int) -> None:
        async def tell() -> None:
            answer = on_streams_taken([number])
            if inspect.isawaitable(answer):
                await answer

        if self.host is None or not self.host.is_running():
            return  # it has ended, and its stations with it
        try:
            told = asyncio.run_coroutine_threadsafe(tell(), self.host)
            await asyncio.wait_for(asyncio.wrap_future(told), TOLD_WITHIN)
        except Exception as error:
            logger.error("host did not stop number=%s instance_id=%s error=%r", number, self._name, error)
            self._end_host({number})
            if self._has_promised:
                await asyncio.Event().wait()  # a host that does not end is ended by its promise
            await asyncio.sleep(TOLD_WITHIN)  # it is another's when it is not heard any more

    def _end_host_unless_back(self, number: int) -> None:
        if number in self._withdrawn and not self.is_leaving:
            self._end_host({number})

    def _end_host(self, numbers: Iterable[int]) -> None:
        logger.critical("others get what this host hears, ending it numbers=%s", sorted(numbers))
        os.kill(os.getpid(), signal.SIGTERM)
