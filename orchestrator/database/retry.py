"""How soon something is tried again, and when something broken is left alone for a while. What is tried again is said
by sqlstates.py.

One call is a `Round`: three tries with exponential waits and full jitter, so that those who collided do not collide
again (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). After a round that failed, a
process that lives on takes a `PAUSE_SECONDS` before the next.

What drivers depend on beside their database (each source of streams, each alert target) has its breaker where all
drivers share it, in the database: after a failure `sources_due` and `claim_alert_deliveries` hand it out only when its
pause is over, longer each time, and then for a single try.

>>> Round().run(db.call, conn, "rebalance")
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import tenacity

from orchestrator.errors import CallerMistake, Contention, DatabaseUnavailable, RefusedByPolicy
from orchestrator.logs import log

RETRIED = (Contention, DatabaseUnavailable)
"""What another try may mend: the classes of errors that sqlstates.py has tried again."""

ANSWERS = (CallerMistake, RefusedByPolicy)
"""Refusals of a healthy orchestrator: no failure of anything."""

PAUSE_SECONDS = 10.0
"""Between two rounds of a process that never gives up."""

attempt: ContextVar[int] = ContextVar("attempt", default=1)
"""Which try of its round is running, for the log (R2.4)."""

P = ParamSpec("P")
T = TypeVar("T")
_Retrying = TypeVar("_Retrying", tenacity.Retrying, tenacity.AsyncRetrying)


def is_retryable(error: BaseException) -> bool:
    return isinstance(error, RETRIED)


def is_contention(error: BaseException) -> bool:
    """The same without lost connections: of those it is unknown whether what was asked has happened."""
    return isinstance(error, Contention)


@dataclass(frozen=True)
class Round:
    """So many tries, or as many as fit into `within` seconds, at what is `worth` another.

    Waits are random, at most `first_wait` seconds and twice as many with each try up to `longest_wait`; without
    `exponential` they are all `longest_wait`. The last error is raised as it came.
    """

    tries: int = 3
    within: float | None = None
    first_wait: float = 0.2
    longest_wait: float = 5.0
    exponential: bool = True
    worth: Callable[[BaseException], bool] = is_retryable

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        token = attempt.set(1)
        try:
            return self._configure(tenacity.Retrying())(work, *args, **kwargs)
        finally:
            attempt.reset(token)

    async def run_async(self, work: Callable[[], Awaitable[T]], *, sleep: Callable[[float], Awaitable[None]]) -> T:
        """The same for asyncio; `sleep` may end early."""
        token = attempt.set(1)
        try:
            return await self._configure(tenacity.AsyncRetrying(sleep=sleep))(work)
        finally:
            attempt.reset(token)

    def _configure(self, retrying: _Retrying) -> _Retrying:
        return retrying.copy(
            retry=tenacity.retry_if_exception(self.worth),
            stop=tenacity.stop_after_attempt(self.tries)
            if self.within is None
            else tenacity.stop_after_delay(self.within),
            wait=tenacity.wait_random_exponential(multiplier=self.first_wait, max=self.longest_wait)
            if self.exponential
            else tenacity.wait_fixed(self.longest_wait),
            before=_count_attempt,
            before_sleep=_log_wait,
            reraise=True,
        )


def log_breaker(dependency: str, *, failures: int, failures_before: int) -> None:
    """A breaker that the database keeps is open while there are failures in a row; say so when that changes."""
    if bool(failures) == bool(failures_before):
        return
    logger = log.get_logger("DATABASE")
    tell, state = (logger.warning, "open") if failures else (logger.info, "closed")
    tell("breaker", dependency=dependency, state=state, failures=failures or failures_before)


def _count_attempt(state: tenacity.RetryCallState) -> None:
    attempt.set(state.attempt_number)


def _log_wait(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.get_logger("DATABASE").warning(
        "trying again",
        attempt=state.attempt_number + 1,
        after=f"{state.upcoming_sleep:.3f} s",
        sqlstate=getattr(error, "code", None),
        message=str(error),
    )
