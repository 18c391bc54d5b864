"""`on_isolation = stop`: nothing is heard any more before other instances may be given the streams.

Everything counts from when the last accepted beat was *sent*, on the worker's own clock (`clock.clock`):

    0 ── stop_after ──────────── stop_within ──────── lease
         handlers are            all of them have     the orchestrator may give
         told to stop            ended, or the        their streams to others
                                 process ends

stop_within = lease - max(1 s, lease / 100): room for two clocks of different speed; the orchestrator checks it.
stop_after = stop_within - stop_timeout - 1 s: what handlers take to stop, and what it takes to notice the time.

A stream that was taken from a worker which is not cut off has twice the lease: within one the worker has heard of it,
and within another, which counts from then, its handler has ended, or the process ends.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Callable
from typing import NoReturn

from worker_shim.clock import clock
from worker_shim.handlers import kill_programs

logger = logging.getLogger("worker_shim")

NOTICING = 1.0  # seconds within which it is noticed, on a machine that is busy, that the time has come
LOOK_EVERY = 0.1
EXIT_STATUS = 75  # EX_TEMPFAIL: start it again


class Isolation:
    """Watches the clock from a thread of its own, which a handler that blocks the loop cannot hold up.

    stop is called, from that thread, again and again while `busy()` and it is time. A process whose handlers have not
    ended after stop_within ends itself, hard: the next owners of the streams rely on it. So it does when one handler
    whose stream was let go of has not ended so long after that (`ending_since()`).
    """

    def __init__(
        self,
        lease: float,
        stop_timeout: float,
        busy: Callable[[], bool],
        ending_since: Callable[[], float],
        stop: Callable[[], None],
    ) -> None:
        self.stop_within = math.floor(1000 * (lease - max(1.0, lease / 100))) / 1000
        self.stop_after = self.stop_within - stop_timeout - NOTICING
        if self.stop_after < lease / 2:
            raise ValueError(
                f"a lease of {lease} s is too short: with stop_timeout {stop_timeout} s the handlers would be stopped"
                f" {self.stop_after:g} s after a beat, and half a lease is the least to get the next one through"
            )
        self.stopped = False  # whether all handlers were told to stop since the last accepted beat
        self.term = 0  # grows when a beat is accepted after that; what was heard in an old term does not count
        self._stop_timeout = stop_timeout
        self._busy = busy
        self._ending_since = ending_since
        self._stop = stop
        self._accepted_at = float("-inf")
        self._ended = threading.Event()

    def renew(self, sent: float) -> None:
        """A beat that was sent then has been accepted."""
        self.term += self.stopped
        self.stopped = False
        self._accepted_at = sent

    @property
    def is_due(self) -> bool:
        """Whether handlers have to stop now."""
        return clock() >= self._accepted_at + self.stop_after

    def counts(self, term: int) -> bool:
        """Whether what is heard in this term still counts: no other instance can have been given the streams."""
        return term == self.term and clock() < self._accepted_at + self.stop_within

    def watch(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._watch, name="worker_shim isolation", daemon=True).start()

    def end(self) -> None:
        """Watch no longer."""
        self._ended.set()

    def _watch(self) -> None:
        looked, until = clock(), 0.0
        while not self._ended.wait(LOOK_EVERY):
            now = clock()
            since = min(self._accepted_at, self._ending_since())
            due, over = since + self.stop_after, since + self.stop_within
            if looked < due and now >= over:
                # The process or the machine slept through all of it: handlers have not even been told to stop. They
                # heard nothing meanwhile, and what they hear now does not count.
                until = now + self._stop_timeout + NOTICING
            looked = now
            if now >= due and self._busy():
                if now >= max(over, until):
                    self._end_the_process(now - self._accepted_at, max(0.0, now - self._ending_since()))
                self._stop()

    def _end_the_process(self, silent_for: float, ending_for: float) -> NoReturn:
        logger.critical(
            "ending the process: handlers did not stop, and their streams may be given to others silent_for=%.1f"
            " ending_for=%.1f stop_within=%.1f status=%d",
            *(silent_for, ending_for, self.stop_within, EXIT_STATUS),
        )
        kill_programs()
        os._exit(EXIT_STATUS)
