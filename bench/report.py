"""What people see: goals on the terminal; docs/internals/benchmarks.md, its plots and its summary."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.table import Table

from bench import plots
from bench.part import Goal

Figures = Mapping[str, Any]

INTERNALS = Path(__file__).parent.parent / "docs" / "internals"

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


def write(parts: Sequence[Figures], run: Figures, drawn: Mapping[str, plots.Plot], docs: Path = INTERNALS) -> None:
    """The page benchmarks.md, and beside it the plots and summary.json. A part has name, title, goals and figures."""
    plots.write(drawn, docs / "benchmarks")
    write_texts(parts, run, docs)


def write_texts(parts: Sequence[Figures], run: Figures, docs: Path = INTERNALS) -> None:
    """The page and its summary.json."""
    summary = summarise(run, parts)
    (docs / "benchmarks").mkdir(parents=True, exist_ok=True)
    (docs / "benchmarks" / "summary.json").write_text(summary_text(summary))
    (docs / "benchmarks.md").write_text(page(summary, parts))


def as_json(run: Figures, parts: Sequence[Figures]) -> str:
    """Everything that was measured, with no more digits than mean something."""
    whole = dict(run) | {
        part["name"]: {"goals": [asdict(goal) for goal in part["goals"]], "figures": part["figures"]} for part in parts
    }
    return json.dumps(rounded(whole), indent=1) + "\n"


def summarise(run: Figures, parts: Sequence[Figures]) -> dict[str, Any]:
    """When, on what, with which versions, and what came of each goal: what the page begins with."""
    return dict(run) | {
        "minutes": round(run["minutes"], 1),
        "load_average": {name: round(load, 1) for name, load in run["load_average"].items()},
        "goals": [{"part": part["title"], **asdict(goal)} for part in parts for goal in part["goals"]],
    }


def summary_text(summary: Figures) -> str:
    """As JSON, with a line for each of its entries and goals."""
    goals = ",\n".join(f"  {json.dumps(goal, ensure_ascii=False)}" for goal in summary["goals"])
    entries = [
        f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in summary.items()
        if name != "goals"
    ]
    return "{\n" + ",\n".join([*entries, f' "goals": [\n{goals}\n ]']) + "\n}\n"


def rounded(value: Any) -> Any:
    """Floats to four digits that count."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return value


def page(summary: Figures, parts: Sequence[Figures]) -> str:
    """The page; without parts only its beginning, which says no more than the summary."""
    environment = _environment()
    sections = [
        {
            "title": part["title"],
            "text": environment.get_template(f"{part['name']}.md.j2").render(figures=part["figures"]).strip(),
        }
        for part in parts
    ]
    return environment.get_template("page.md.j2").render(run=summary, goals=summary["goals"], sections=sections)


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
