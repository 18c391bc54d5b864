"""Lines over time, as points for SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

WIDTH, HEIGHT = 600, 120
# How the history is cut, and how much of it may be missing before a line is broken.
_SPAN = timedelta(hours=6)
_GAP = timedelta(minutes=10)


@dataclass(frozen=True)
class Line:
    """One series: the key of its values, its words, and its pieces, each the points of a polyline."""

    key: str
    label: str
    latest: float
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class Chart:
    """Some lines on one scale, from 0 to `top`."""

    title: str
    unit: str
    top: float
    lines: tuple[Line, ...]
    level: float | None
    """Where a threshold lies, in points from above."""


def charts(history: Sequence[Mapping[str, Any]], now: datetime, imbalance_threshold: float) -> list[Chart]:
    """What the page draws. `history` is http_dashboard's, its imbalance a part of 1; the threshold is in percent."""
    rows = [
        {**row, "at": datetime.fromisoformat(row["at"]), "imbalance": round(100 * row["imbalance"], 1)}
        for row in history
    ]
    return [
        _chart(
            "Streams", "", rows, now,
            {"held": "held", "capacity": "capacity", "waiting": "waiting", "handed_over": "being handed over"},
        ),
        _chart("Imbalance", " %", rows, now, {"imbalance": "difference of load"}, level=imbalance_threshold),
        _chart("Instances", "", rows, now, {"serving": "serving", "lost": "lost"}),
    ]  # fmt: skip


def _chart(
    title: str,
    unit: str,
    rows: Sequence[Mapping[str, Any]],
    now: datetime,
    labels: Mapping[str, str],
    level: float | None = None,
) -> Chart:
    top = _round_up(max([level or 0, *(row[key] for row in rows for key in labels)], default=0))
    return Chart(
        title=title,
        unit=unit,
        top=top,
        lines=tuple(
            Line(key, label, rows[-1][key] if rows else 0, _pieces(rows, key, now, top))
            for key, label in labels.items()
        ),
        level=None if level is None else round(HEIGHT * (1 - level / top), 1),
    )


def _pieces(rows: Sequence[Mapping[str, Any]], key: str, now: datetime, top: float) -> tuple[str, ...]:
    """There is no line for a time without samples."""
    pieces: list[list[str]] = []
    before: datetime | None = None
    for row in rows:
        if before is None or row["at"] - before > _GAP:
            pieces.append([])
        before = row["at"]
        x = WIDTH * (1 - (now - row["at"]) / _SPAN)
        pieces[-1].append(f"{max(x, 0):.1f},{HEIGHT * (1 - row[key] / top):.1f}")
    return tuple(" ".join(points) for points in pieces)


def _round_up(value: float) -> float:
    """To the next number that reads well."""
    step = 1.0
    while True:
        for factor in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8):
            if value <= factor * step:
                return factor * step
        step *= 10
