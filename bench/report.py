"""What people see: goals on the terminal; docs/internals/benchmarks.md, its plots and its raw numbers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from bench.part import Goal

Figures = Mapping[str, Any]

INTERNALS = Path(__file__).parent.parent / "docs" / "internals"

# The same figures make the same file, and its texts can be searched.
_SVG: Any = {"svg.hashsalt": "bench", "svg.fonttype": "none"}

_console = Console(width=None if Console().is_terminal else 170)
_stderr = Console(stderr=True)


def progress(text: str) -> None:
    _stderr.print(text, highlight=False)


def show(goals: Sequence[Goal]) -> None:
    table = Table()
    for column in ("goal", "wanted", "found", ""):
        table.add_column(column)
    for goal in goals:
        table.add_row(goal.what, goal.wanted, goal.found, reached(goal))
    _console.print(table)


def write(parts: Sequence[Figures], run: Figures, plots: Mapping[str, Figure], docs: Path = INTERNALS) -> None:
    """The page benchmarks.md, and beside it the plots and figures.json. A part has name, title, goals and figures."""
    beside = docs / "benchmarks"
    beside.mkdir(parents=True, exist_ok=True)
    for old in beside.glob("*.svg"):
        old.unlink()
    with mpl.rc_context(_SVG):
        for name, plot in plots.items():
            plot.savefig(beside / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
    (beside / "figures.json").write_text(as_json(run, parts))
    (docs / "benchmarks.md").write_text(page(run, parts))


def as_json(run: Figures, parts: Sequence[Figures]) -> str:
    """Everything that was measured, with no more digits than mean something."""
    whole = dict(run) | {
        part["name"]: {"goals": [asdict(goal) for goal in part["goals"]], "figures": part["figures"]} for part in parts
    }
    return json.dumps(rounded(whole), indent=1) + "\n"


def rounded(value: Any) -> Any:
    """Floats to four digits that count."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return value


def page(run: Figures, parts: Sequence[Figures]) -> str:
    environment = _environment()
    sections = [
        {
            "title": part["title"],
            "text": environment.get_template(f"{part['name']}.md.j2").render(figures=part["figures"]).strip(),
        }
        for part in parts
    ]
    goals = [(part["title"], goal) for part in parts for goal in part["goals"]]
    return environment.get_template("page.md.j2").render(run=run, goals=goals, sections=sections)


def milliseconds(value: float) -> str:
    """Three digits that count, and no more than two after the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def count(value: float) -> str:
    return f"{value:,.0f}"


def reached(goal: Goal) -> str:
    return "reached" if goal.is_reached else "missed"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"milliseconds": milliseconds, "count": count, "reached": reached}
    return environment
