"""What commands print: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import click

from orchestrator import printable
from orchestrator.errors import OrchestratorError


def rows(
    found: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str = "nothing", title: str | None = None
) -> None:
    """A list: a table, or a JSON array of objects with the same keys."""
    if as_json:
        as_json_text(list(found))
    elif not found:
        click.echo(empty)
    else:
        _table([str(key) for key in found[0]], [[text(value) for value in row.values()] for row in found], title)


def record(found: Mapping[str, Any], *, as_json: bool) -> None:
    """One thing: a line for each of its keys, or one JSON object."""
    if as_json:
        as_json_text(found)
        return
    width = max((len(key) for key in found), default=0)
    for key, value in found.items():
        click.echo(f"{key:<{width}}  {text(value)}".rstrip())


def as_json_text(value: Any) -> None:
    click.echo(printable.lines(json.dumps(value, indent=2, ensure_ascii=False, default=_plain)))


def error(raised: OrchestratorError, *, as_json: bool) -> None:
    """Message, detail and hint, on standard error."""
    if as_json:
        answer = {
            "error": {"code": raised.code, "message": raised.message, "detail": raised.detail, "hint": raised.hint}
        }
        click.echo(printable.lines(json.dumps(answer, indent=2, ensure_ascii=False, default=_plain)), err=True)
        return
    code = f" ({raised.code})" if raised.code else ""
    click.echo(f"{click.style('error', fg='red')}: {printable.lines(raised.message)}{code}", err=True)
    if raised.detail:
        told = ", ".join(f"{key} {text(value)}" for key, value in raised.detail.items() if value is not None)
        click.echo(f"{click.style('detail', fg='cyan')}: {told}", err=True)
    if raised.hint:
        click.echo(f"{click.style('hint', fg='cyan')}: {printable.lines(raised.hint)}", err=True)


def text(value: Any) -> str:
    """A value as a cell of a table, harmless for a terminal."""
    return printable.one_line(_text(value))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        return duration(value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=_plain)
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat(sep=" ", timespec="seconds") if hasattr(value, "hour") else value.isoformat())
    return str(value)


def duration(value: timedelta) -> str:
    """1.5 s, 2 min 5 s, 3 h 20 min, 4 d 2 h."""
    seconds = value.total_seconds()
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    if seconds < 1:
        return f"{sign}{seconds * 1000:.3g} ms"
    if seconds < 60:
        return f"{sign}{seconds:.3g} s"
    for unit, size, lesser_unit, lesser_size in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            lesser = int(seconds % size // lesser_size)
            return f"{sign}{int(seconds // size)} {unit}" + (f" {lesser} {lesser_unit}" if lesser else "")
    raise AssertionError("a minute or more always has a unit")


def _table(header: list[str], cells: list[list[str]], title: str | None) -> None:
    if sys.stdout.isatty() and _rich_table(header, cells, title):
        return
    if title:
        click.echo(title)
    widths = [max(len(line[i]) for line in [header, *cells]) for i in range(len(header))]
    for line in [header, *cells]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _rich_table(header: list[str], cells: list[list[str]], title: str | None) -> bool:
    """Whether rich is installed, and has printed the table."""
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False
    table = Table(*header, title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for line in cells:
        table.add_row(*(Text(cell) for cell in line))  # a cell is no markup
    Console().print(table)
    return True


def _plain(value: Any) -> Any:
    """How JSON says what it has no type for: an interval is its seconds."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)
