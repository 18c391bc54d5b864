"""What goes wrong with calls: said in one line each, with what it takes to find out why."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from worker_shim.patience import one_line

_SECRET = re.compile(r"passw|secret|token|credential|api_?key|private_?key|dsn|conninfo", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"(://[^/@\s:]*:)[^@\s]*@")
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
    return _cut(_PASSWORD_IN_URL.sub(r"\1***@", value)) if isinstance(value, str) else value


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
