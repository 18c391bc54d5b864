"""What failed, kept until the database can be told (`record_failures`)."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.database.retry import ANSWERS
from orchestrator.errors import OrchestratorError

MOST = 100
"""So many kinds of failures are kept, and one call reports; more of a kind only count."""
_LONGEST_MESSAGE = 500


@dataclass
class Failure:
    """Failures of one kind. Times are seconds of the monotonic clock: what is told are ages, so that clocks need not
    agree."""

    function: str
    sqlstate: str | None
    message: str
    first: float
    last: float
    count: int = 1
    consecutive: int = 1
    """The longest run of failures that it was part of."""
    over: bool = False

    @property
    def kind(self) -> tuple[str, str | None, str]:
        return self.function, self.sqlstate, self.message


class Failures:
    """Bounded, and used by several threads. One failure is one call or round that failed, not each try of it; a
    refusal that is an answer is none."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str | None, str], Failure] = {}
        self._lock = threading.Lock()
        self.in_a_row = 0

    def add(self, error: OrchestratorError) -> None:
        if isinstance(error, ANSWERS):
            return
        now = self._clock()
        failure = Failure(error.function or "unknown", error.code, error.message[:_LONGEST_MESSAGE], now, now)
        with self._lock:
            self.in_a_row += 1
            failure.consecutive = self.in_a_row
            self._merge(failure)

    def worked(self) -> None:
        """The database answers: what failed before is over."""
        with self._lock:
            self.in_a_row = 0
            for failure in self._kept.values():
                failure.over = True

    def take(self) -> list[Failure]:
        """All of them; they are not kept any longer."""
        with self._lock:
            taken, self._kept = list(self._kept.values()), {}
        return taken

    def put_back(self, failures: Iterable[Failure]) -> None:
        """They could not be told."""
        with self._lock:
            for failure in failures:
                self._merge(failure)

    def described(self, failures: Iterable[Failure]) -> list[dict[str, Any]]:
        """As record_failures wants them: ages in seconds."""
        now = self._clock()
        return [
            {
                "function": failure.function,
                "sqlstate": failure.sqlstate,
                "message": failure.message,
                "count": failure.count,
                "first_ago": round(now - failure.first, 3),
                "last_ago": round(now - failure.last, 3),
                "consecutive": failure.consecutive,
                "over": failure.over,
            }
            for failure in failures
        ]

    def _merge(self, failure: Failure) -> None:
        known = self._kept.get(failure.kind)
        if known is not None:
            known.first = min(known.first, failure.first)
            known.last = max(known.last, failure.last)
            known.count += failure.count
            known.consecutive = max(known.consecutive, failure.consecutive)
            known.over = known.over and failure.over
        elif len(self._kept) < MOST:
            self._kept[failure.kind] = failure
