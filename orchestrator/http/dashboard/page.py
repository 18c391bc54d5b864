"""HTML of what the database says. All of it is escaped."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.http.dashboard.charts import HEIGHT, WIDTH, charts
from orchestrator.redact import lines
from orchestrator.units import in_units

State = Mapping[str, Any]
"""The body of http_dashboard()."""

PARTS = {
    "verdict": ("verdict", "health", "fleet", "alerts", "diagnosis", "coverage"),
    "trouble": ("alerts", "diagnosis"),
    "instances": ("instances", "fleet"),
    "history": ("history",),
    "coverage": ("coverage",),
    "decisions": ("decisions",),
    "handovers": ("handovers", "fleet"),
    "jobs": ("jobs",),
}
"""The parts that are kept up to date, each a template of that name, and what of the state each shows."""

# Lines are drawn up to here, and so do not move with every look.
_TICK = timedelta(minutes=3)


def _finalize(value: Any) -> Any:
    """Nothing that is shown moves a cursor or turns a line round."""
    return lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def clock(text: str) -> str:
    """A moment, in UTC."""
    return moment(text).strftime("%Y-%m-%d %H:%M:%S")


def age(seconds: float) -> str:
    """A duration in one unit, or two. page.js says the same."""
    left = max(math.floor(seconds), 0)
    return f"{left // 60} min" if 600 <= left < 3600 else in_units(left, with_zero=True)


def number(value: float) -> str:
    """With separators, and without a fraction that says nothing."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def words(value: Any) -> str:
    """A value out of some JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def is_link(url: str) -> bool:
    """Whether a browser may be sent there: nothing but http leads away from this page."""
    try:
        return urlsplit(url).scheme.lower() in ("http", "https")
    except ValueError:
        return False


_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    autoescape=True,
    finalize=_finalize,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {"clock": clock, "age": age, "number": number, "words": words}
_environment.tests |= {"link": is_link}
_environment.globals |= {"width": WIDTH, "height": HEIGHT, "parts": PARTS}


def whole(state: State, *, has_actions: bool, **more: Any) -> str:
    """The page. `more`: what was searched for and found (query, found), or whose story it tells."""
    return _render("page", state, has_actions=has_actions, live=False, **more)


def parts(state: State, before: State, *, has_actions: bool) -> dict[str, str]:
    """Each part that may look otherwise than `before`. Ages are left to the browser, which counts them on."""
    return {
        name: _render(name, state, has_actions=has_actions, live=True)
        for name, shows in PARTS.items()
        if any(state[key] != before.get(key) for key in shows)
    }


def plan(moves: list[dict[str, Any]], effect: list[dict[str, Any]]) -> str:
    """What a plan would do."""
    return _environment.get_template("plan.html.j2").render(moves=moves, effect=effect)


def failure(title: str, detail: str | None, status: int) -> str:
    """The page when there is none: it tries again by itself."""
    return _environment.get_template("failure.html.j2").render(title=title, detail=detail, status=status)


def _render(name: str, state: State, **more: Any) -> str:
    now = moment(state["now"])
    tick = datetime.fromtimestamp(math.ceil(now.timestamp() / _TICK.seconds) * _TICK.seconds, UTC)
    return _environment.get_template(f"{name}.html.j2").render(
        state=state,
        fleet=state["fleet"],
        charts=lambda: charts(state["history"], tick, state["fleet"]["imbalance_threshold"]),
        since=lambda text: age((now - moment(text)).total_seconds()),
        until=lambda text: age((moment(text) - now).total_seconds()),
        **more,
    )
