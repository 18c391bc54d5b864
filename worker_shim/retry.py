"""How soon something is tried again, and when to leave the database alone for a while.

What is tried again is said by `orchestrator.sqlstates`. A call is a round of three tries (tenacity); rounds pass
through a circuit breaker (pybreaker), which opens when one has failed. While it is open nothing is sent; then one round
is let through, and decides whether it closes.
"""

from __future__ import annotations

import logging
import random
from datetime import UTC, datetime, timedelta

import psycopg
import pybreaker
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from orchestrator.redact import redact_error
from orchestrator.sqlstates import is_retried
from worker_shim.clock import clock

logger = logging.getLogger("worker_shim")

# Answers of a healthy orchestrator, which leave the breaker closed: the worker registers anew, …
STALE = {
    "OR103": "this instance is not known any more",
    "OR301": "this incarnation is not",
}
# … or it ends, and says why.
UNWANTED = {
    "OR104": "another process has the id",
    "OR106": "the id is another login's",
    "OR404": "removed by an administrator",
}

TRIES_PER_ROUND = 3
FIRST_PAUSE = 0.5  # seconds for which the breaker is open at first, …
LONGEST_PAUSE = 15.0  # … doubling up to this


def one_round() -> AsyncRetrying:
    """A round of tries with exponential backoff and full jitter; the last error is raised as it came."""
    return AsyncRetrying(
        retry=retry_if_exception(is_retried),
        stop=stop_after_attempt(TRIES_PER_ROUND),
        wait=wait_random_exponential(multiplier=0.25, max=5),
        before_sleep=_log_try,
        reraise=True,
    )


def _log_try(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logger.info(
        "trying again attempt=%d in=%.2f error=%r", state.attempt_number + 1, state.upcoming_sleep, redact_error(error)
    )


def backoff(attempt: int, first: float, most: float) -> float:
    """Seconds before the given attempt (1, 2, …): doubling from first up to most, the upper half at random."""
    longest = min(most, first * 2.0 ** min(attempt - 1, 30))
    return random.uniform(longest / 2, longest)


class _OwnClock(pybreaker.CircuitMemoryStorage):
    """pybreaker asks the wall clock how long it has been open. That one jumps, so it is told by `clock` instead."""

    opened = 0.0

    @property
    def opened_at(self) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=clock() - self.opened)

    @opened_at.setter
    def opened_at(self, _: datetime) -> None:
        self.opened = clock()


class Breaker(pybreaker.CircuitBreaker, pybreaker.CircuitBreakerListener):
    """Opens when a round has failed, for longer each time, until it has stayed closed for the longest pause.

    `with breaker.calling():` lets a round through, or raises pybreaker.CircuitBreakerError while it is open.
    `fail_counter` is the number of rounds that failed in a row.
    """

    def __init__(self) -> None:
        self._storage = _OwnClock(pybreaker.STATE_CLOSED)
        self._streak = 0
        self._closed_at = float("-inf")
        self.opened = 0  # how often, ever
        super().__init__(
            fail_max=1,
            exclude=[lambda error: not isinstance(error, psycopg.Error | OSError), _is_answer],
            listeners=[self],
            state_storage=self._storage,
            throw_new_error_on_trip=False,
        )

    @property
    def remaining(self) -> float:
        """Seconds until a round is let through; 0 when one is."""
        is_open = self.current_state == pybreaker.STATE_OPEN
        # a millisecond more than it asks for: its own sum is rounded
        return max(0.0, self._storage.opened + self.reset_timeout + 0.001 - clock()) if is_open else 0.0

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        """Log each change; grow the pause with each opening."""
        if new_state.name == pybreaker.STATE_CLOSED:
            self._closed_at = clock()
        elif new_state.name == pybreaker.STATE_OPEN:
            self.opened += 1
            was_well = old_state is not None and old_state.name == pybreaker.STATE_CLOSED
            self._streak = 1 if was_well and clock() - self._closed_at > LONGEST_PAUSE else self._streak + 1
            self.reset_timeout = backoff(self._streak, FIRST_PAUSE, LONGEST_PAUSE)
        logger.log(
            logging.INFO if new_state.name == pybreaker.STATE_CLOSED else logging.WARNING,
            "breaker from=%s to=%s opened=%d open_for=%.1f",
            *(old_state.name if old_state else None, new_state.name, self.opened, self.reset_timeout),
        )


def _is_answer(error: BaseException) -> bool:
    return isinstance(error, psycopg.Error) and error.sqlstate in STALE.keys() | UNWANTED.keys()
