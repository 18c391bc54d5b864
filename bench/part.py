"""What each part of the benchmark is made of.

A part is a module `bench.NAME` with

- `TITLE`, the heading of its section;
- `measure(quick) -> Figures`, everything that JSON can hold, raw numbers included, from a server of its own;
- `goals(figures) -> list[Goal]`, what is promised beside what was found;
- `plots(figures) -> dict[str, Plot]`, by the name of the SVG file (without `.svg`);
- `NAME.md.j2`, its section of docs/internals/benchmarks.md, below its heading; it sees the part's own `figures` and the
  filters of bench.report, and shows its plots as `benchmarks/NAME-….svg`.

`python -m bench.NAME [--quick]` runs it alone (`run_alone`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import click

from bench.plots import Plot

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Goal:
    """One promise and what came of it. Texts carry their units. The reason is told where it was not kept."""

    what: str
    wanted: str
    found: str
    is_reached: bool
    reason: str = ""


class Part(Protocol):
    """A module that measures one part."""

    TITLE: str

    @staticmethod
    def measure(quick: bool) -> dict[str, Any]: ...

    @staticmethod
    def goals(figures: Figures) -> list[Goal]: ...

    @staticmethod
    def plots(figures: Figures) -> dict[str, Plot]: ...


def run_alone(part: Part) -> None:
    """The command line of one part: its figures as JSON, then its goals."""

    @click.command(help=part.TITLE)
    @click.option("--quick", is_flag=True, help="Small and short: to see that it works, not to quote.")
    def command(quick: bool) -> None:
        figures = part.measure(quick)
        click.echo(json.dumps(figures, indent=2))
        for goal in part.goals(figures):
            click.echo(
                f"{'reached' if goal.is_reached else 'MISSED '}  {goal.what}: {goal.found} (wanted {goal.wanted})",
                err=True,
            )

    command()
