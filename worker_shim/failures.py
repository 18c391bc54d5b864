"""What goes wrong with calls: said in one line each, with what it takes to find out why, and told to the database."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from worker_shim.patience import clock, harmless, one_line

_SECRET = re.compile(r"passw|secret|token|credential|api_?key|private_?key|dsn|conninfo", re.IGNORECASE)
_LONGEST = 200


def describe(error: psycopg.Error | OSError) -> str:
    """SQLSTATE, message, detail and hint, as key=value text."""
    if not isinstance(error, psycopg.Error):
        return f"sqlstate=None error={one_line(error)!r}"
    diagnostic = error.diag
    return (
        f"sqlstate={error.sqlstate} error={one_line(diagnostic.message_primary or error)!r}"
        f" detail={diagnostic.message_detail} hint={diagnostic.message_hint!r}"
    )


def without_secrets(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as they may stand in a log: secrets masked, long ones cut, lists counted."""
    return {name: "***" if _SECRET.search(name) else _brief(value) for name, value in arguments.items()}


def describe_holders(holders: Sequence[Mapping[str, Any]]) -> str:
    """Who holds locks, as lock_holders() says it, on one line."""
    return "; ".join(
        f"{row['lock']} {row['mode']} pid={row['pid']} login={row['login']} program={row['application_name']!r}"
        f" state={row['state']} transaction_age={row['transaction_age']} waiting={row['waiting']}"
        for row in holders
    )


def _brief(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _cut(json.dumps(without_secrets(value), default=str, ensure_ascii=False))
    if isinstance(value, list):
        return f"{len(value)} items"
    return _cut(harmless(value)) if isinstance(value, str) else value


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


# ---------------------------------------------------------------------------
# What the database is told of, when it can be
# ---------------------------------------------------------------------------

MOST_KINDS = 100  # as many as one report may hold
Kind = tuple[str, str | None, str]  # function, SQLSTATE, message


@dataclass
class _Kept:
    """Failed rounds of one kind that were not told yet; times on our own clock."""

    count: int
    first: float
    last: float
    longest_run: int


class Failures:
    """The rounds that failed and were not told yet. Bounded: a kind is a function, an SQLSTATE and a message.

    Of what still fails, the last failure is kept back, so that there is one to tell when it works again.
    """

    def __init__(self) -> None:
        self._kept: dict[Kind, _Kept] = {}
        self._runs: dict[str, int] = {}  # failed rounds in a row, by function

    def failed(self, function: str, error: psycopg.Error | OSError) -> None:
        """A round of tries failed in the end."""
        run = self._runs[function] = self._runs.get(function, 0) + 1
        primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
        kind: Kind = (function, getattr(error, "sqlstate", None), one_line(primary or error)[:_LONGEST])
        if kind not in self._kept and len(self._kept) >= MOST_KINDS - 1:
            kind = ("any", None, "further failures")
        kept = self._kept.setdefault(kind, _Kept(0, clock(), 0, 0))
        kept.count += 1
        kept.last = clock()
        kept.longest_run = max(kept.longest_run, run)

    def worked(self, *functions: str) -> None:
        """A round was answered."""
        for function in functions:
            self._runs.pop(function, None)

    def untold(self) -> dict[Kind, int]:
        """How many of each kind can be told now."""
        telling = {kind: kept.count - (kind[0] in self._runs) for kind, kept in self._kept.items()}
        return {kind: count for kind, count in telling.items() if count > 0}

    def describe(self, telling: Mapping[Kind, int]) -> list[dict[str, Any]]:
        """As report_failures wants them; times as ages in seconds."""
        now = clock()
        return [
            {
                "function": kind[0],
                "sqlstate": kind[1],
                "message": kind[2],
                "count": count,
                "first_ago": round(now - self._kept[kind].first, 3),
                "last_ago": round(now - self._kept[kind].last, 3),
                "consecutive": self._kept[kind].longest_run,
                "over": kind[0] not in self._runs,
            }
            for kind, count in telling.items()
        ]

    def told(self, telling: Mapping[Kind, int]) -> None:
        """Forget what has arrived."""
        for kind, count in telling.items():
            kept = self._kept[kind]
            kept.count -= count
            kept.first = kept.last
            if kept.count == 0:
                del self._kept[kind]
