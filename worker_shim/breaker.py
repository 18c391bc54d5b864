"""Patience: what is tried again, how soon, and when to leave the database alone for a while."""

from __future__ import annotations

import logging
import random
import time

import psycopg
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

logger = logging.getLogger("worker_shim")

# Serialization failure, deadlock, lock not available, query cancelled (a timeout of the server's).
_TRANSIENT_CODES = ("40001", "40P01", "55P03", "57014")
# Connection exceptions, not enough resources, operator intervention (57P01 … shutting down, starting up), not now.
_TRANSIENT_CLASSES = ("08", "53", "57P", "OR2")

TRIES_PER_ROUND = 3


def clock() -> float:
    """Seconds on a clock that never jumps and, where the system has one, goes on while the machine sleeps.

    The lease is counted on it: the database's time passes during a suspend, so ours must too.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def is_transient(error: BaseException) -> bool:
    """Whether trying the same thing again may help."""
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return error.sqlstate in _TRANSIENT_CODES or error.sqlstate.startswith(_TRANSIENT_CLASSES)
    return isinstance(error, psycopg.OperationalError | OSError)  # lost or never reached; TimeoutError is an OSError


def one_round() -> AsyncRetrying:
    """A round of tries with exponential backoff and full jitter; the last error is raised as it came."""
    return AsyncRetrying(
        retry=retry_if_exception(is_transient),
        stop=stop_after_attempt(TRIES_PER_ROUND),
        wait=wait_random_exponential(multiplier=0.25, max=5),
        before_sleep=_log_try,
        reraise=True,
    )


def _log_try(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logger.info(
        "trying again attempt=%d in=%.2f error=%r", state.attempt_number + 1, state.upcoming_sleep, one_line(error)
    )


def one_line(error: object) -> str:
    """An error's text for a log line. libpq never puts a password into it."""
    return " ".join(str(error).split()) or type(error).__name__


def backoff(attempt: int, first: float, most: float) -> float:
    """Seconds before the given attempt (1, 2, …): doubling from first up to most, the upper half at random."""
    longest = min(most, first * 2.0 ** min(attempt - 1, 30))
    return random.uniform(longest / 2, longest)


class Breaker:
    """Opens when a round has failed, twice as long each time; a good step closes it.

    While it is open nothing is tried: its owner sleeps, and every other call finds no connection and fails at once.
    """

    def __init__(self, first_pause: float = 0.5, longest_pause: float = 15.0) -> None:
        self.failures = 0
        self._first_pause = first_pause
        self._longest_pause = longest_pause

    def failed(self) -> float:
        """Count a failed round; returns the seconds for which to stay away."""
        self.failures += 1
        return backoff(self.failures, self._first_pause, self._longest_pause)

    def succeeded(self) -> None:
        """Close."""
        self.failures = 0
