"""What failed, kept until the database can be told (`record_failures`, `report_failures`)."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg

from orchestrator.errors import OrchestratorError
from orchestrator.redact import redact_error

MOST_KINDS = 100
"""So many kinds are kept, and one call reports; more of a kind only count."""
_LONGEST_MESSAGE = 500


class Kind(NamedTuple):
    function: str
    sqlstate: str | None
    message: str


OVERFLOW = Kind("any", None, "further failures")
"""The kind of those for which there was no room."""


@dataclass
class _Kept:
    """Failures of one kind that were not told yet. Times are seconds of our own clock: what is told are ages, so that
    clocks need not agree."""

    first: float
    last: float
    run: str
    """The run that they are part of."""
    count: int = 0
    longest_run: int = 0


class Failures:
    """Bounded, and used by several threads. One failure is one call or round that failed, not each try of it.

    Failures in a row are a run: of one function, or with `one_run` of all functions together, for a program whose calls
    all fail or work together. While a run lasts its last failure is kept back, so that there is one to tell of when it
    is over.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, one_run: bool = False) -> None:
        self._clock = clock
        self._one_run = one_run
        self._kept: dict[Kind, _Kept] = {}
        self._runs: dict[str, int] = {}  # how many failed in a row
        self._lock = threading.Lock()

    @property
    def in_a_row(self) -> int:
        """The length of the longest run that lasts."""
        return max(self._runs.values(), default=0)

    def failed(self, function: str, error: BaseException) -> None:
        """A call, or a round of tries, failed."""
        now = self._clock()
        run = "" if self._one_run else function
        with self._lock:
            self._runs[run] = self._runs.get(run, 0) + 1
            kind = _kind(function, error)
            if kind not in self._kept and len(self._kept) >= MOST_KINDS - 1:
                kind = OVERFLOW
            kept = self._kept.setdefault(kind, _Kept(now, now, run))
            kept.count += 1
            kept.last = now
            kept.run = run
            kept.longest_run = max(kept.longest_run, self._runs[run])

    def worked(self, *functions: str) -> None:
        """These were answered, so that their runs are over; without a function, all are."""
        with self._lock:
            for run in [""] if self._one_run else functions or list(self._runs):
                self._runs.pop(run, None)

    def untold(self) -> dict[Kind, int]:
        """How many of each kind can be told now."""
        with self._lock:
            telling = {kind: kept.count - (kept.run in self._runs) for kind, kept in self._kept.items()}
        return {kind: count for kind, count in telling.items() if count > 0}

    def described(self, telling: Mapping[Kind, int]) -> list[dict[str, Any]]:
        """As the database wants them; ages in seconds."""
        now = self._clock()
        with self._lock:
            return [
                {
                    **kind._asdict(),
                    "count": count,
                    "first_ago": round(now - self._kept[kind].first, 3),
                    "last_ago": round(now - self._kept[kind].last, 3),
                    "consecutive": self._kept[kind].longest_run,
                    "over": self._kept[kind].run not in self._runs,
                }
                for kind, count in telling.items()
            ]

    def told(self, telling: Mapping[Kind, int]) -> None:
        """Forget what has arrived, and nothing that came since."""
        with self._lock:
            for kind, count in telling.items():
                kept = self._kept[kind]
                kept.count -= count
                kept.first = kept.last
                if kept.count == 0:
                    del self._kept[kind]


def _kind(function: str, error: BaseException) -> Kind:
    if isinstance(error, OrchestratorError):
        return Kind(function, error.code, redact_error(error.message)[:_LONGEST_MESSAGE])
    code = error.sqlstate if isinstance(error, psycopg.Error) else None
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return Kind(function, code, redact_error(primary or error)[:_LONGEST_MESSAGE])
