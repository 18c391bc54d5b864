"""Alerts in words: the templates beside this file, filled with what was claimed for one target."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.database import db
from orchestrator.redact import one_line, redact, without_mentions

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_EVENTS = 20
"""So many are told in full; more are counted."""
_LONGEST_VALUE = 500

_SEVERITIES = ("info", "warning", "critical")


@dataclass(frozen=True)
class Message:
    """One message about several events, in the forms that targets take."""

    title: str
    text: str
    html: str
    short: str
    severity: str
    """The worst of its events."""
    is_over: bool
    """Everything that it tells is resolved."""


def compose(fleet: str, events: Sequence[db.Row]) -> Message:
    """Word the rows of claim_alert_deliveries, the worst and the oldest first."""
    ordered = sorted(events, key=lambda event: (event["event"] == "resolved", -_SEVERITIES.index(event["severity"])))
    variables = {
        "fleet": fleet,
        "events": ordered,
        "open": [event for event in ordered if event["resolved_at"] is None and event["acknowledged_by"] is None],
        "most": MOST_EVENTS,
    }
    rendered = {name: _environment(name).get_template(f"{name}.j2").render(**variables).strip() for name in _FORMS}
    return Message(
        **rendered,
        severity=ordered[0]["severity"],
        is_over=all(event["event"] == "resolved" for event in ordered),
    )


_FORMS = ("title", "text", "html", "short")


@cache
def _environment(form: str) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # a driver loads this module at its start

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=form == "html",
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=harmless,
    )
    environment.filters |= {"moment": _moment, "value": _value}
    return environment


def harmless(value: Any) -> Any:
    """What is filled in comes from anywhere: names of stations, messages of servers. It stays on its line, shows no
    secret, moves no cursor, and mentions no one in a chat."""
    if not isinstance(value, str):
        return value
    return without_mentions(one_line(redact(value)))[:_LONGEST_VALUE]


def _moment(value: datetime) -> str:
    return value.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
