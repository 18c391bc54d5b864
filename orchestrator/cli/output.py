"""What commands print: tables for people, JSON for programs.

On a terminal a table fits the width: cells are folded, and the last columns are left out when there is no room for
them, which is said. On a pipe a row is one line, however long.
"""

import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import click

from orchestrator.errors import OrchestratorError
from orchestrator.redact import lines, one_line
from orchestrator.units import in_units

_GAP = 2  # between two columns
_ENOUGH = 14  # to what a column may be folded: a time of day; but no word is broken, it may have to be copied
_SENTENCE, _ENOUGH_OF_SENTENCE = 40, 26  # to what it may be folded when it is longer than this
_LINES = 5  # of one cell, about; the rest is cut
_MOST = 500  # characters of one detail of an error; JSON has all


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
    pairs = [[text(key), text(value)] for key, value in found.items()]
    width = max((len(key) for key, _ in pairs), default=0)
    if is_terminal() and _rich_record(pairs, width):
        return
    for key, value in pairs:
        click.echo(f"{key:<{width}}  {value}".rstrip())


def line(said: str, *, err: bool = False) -> None:
    """A line that quotes what comes from elsewhere."""
    click.echo(lines(said), err=err)


def as_json_text(value: Any, *, one_line: bool = False, err: bool = False) -> None:
    indent = None if one_line else 2
    line(json.dumps(value, indent=indent, ensure_ascii=False, default=_plain), err=err)


def error(raised: OrchestratorError, *, as_json: bool, one_line: bool = False) -> None:
    """Message, detail and hint, on standard error."""
    if as_json:
        told = {"code": raised.code, "message": raised.message, "detail": raised.detail, "hint": raised.hint}
        as_json_text({"error": told}, one_line=one_line, err=True)
        return
    code = f" ({raised.code})" if raised.code else ""
    click.echo(f"{click.style('error', fg='red')}: {lines(raised.message)}{code}", err=True)
    if raised.detail:
        told_of = {key: text(value) for key, value in raised.detail.items() if value is not None}
        details = ", ".join(
            f"{text(key)} {value[:_MOST]}{'…' * (len(value) > _MOST)}" for key, value in told_of.items()
        )
        click.echo(f"{click.style('detail', fg='cyan')}: {details}", err=True)
    if raised.hint:
        click.echo(f"{click.style('hint', fg='cyan')}: {lines(raised.hint)}", err=True)


@contextmanager
def clean_usage_errors(*, as_json: bool) -> Iterator[None]:
    """What click says of a command that was written wrongly: harmless for a terminal, and in JSON when that is wanted.

    Its detail names the parameter, as far as one is to blame.
    """
    try:
        yield
    except click.UsageError as error:
        usage_error(error, as_json=as_json)
        raise click.exceptions.Exit(error.exit_code) from error


def usage_error(error: click.UsageError, *, as_json: bool) -> None:
    if not as_json:
        told = io.StringIO()
        error.show(told)
        click.echo(lines(told.getvalue()), err=True, nl=False)
        return
    param, hint = getattr(error, "param", None), getattr(error, "param_hint", None)
    named = getattr(error, "option_name", None) or (param.get_error_hint(error.ctx) if param and error.ctx else hint)
    answer = {
        "code": "usage",
        "message": error.format_message(),
        "detail": {"parameter": (named if isinstance(named, str) else ", ".join(named)).strip("'")} if named else None,
        "hint": f"{error.ctx.command_path} --help" if error.ctx else None,
    }
    as_json_text({"error": answer}, err=True)


def text(value: Any) -> str:
    """A value as a cell of a table, harmless for a terminal."""
    return one_line(_text(value))


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
    return f"{sign}{in_units(int(seconds))}"


def is_terminal() -> bool:
    """Whether the output is a terminal that can do more than a typewriter."""
    return sys.stdout.isatty() and os.environ.get("TERM") not in (None, "", "dumb", "unknown")


@contextmanager
def progress(what: str, *, as_json: bool) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on standard error while something long runs: call what this gives with how much is done, and of how much
    (None: unknown). Nothing is shown when the answer is JSON, or where there is no terminal."""
    if as_json or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        yield lambda _done, _total: None
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _table(header: list[str], cells: list[list[str]], title: str | None) -> None:
    if title:
        line(title)
    if is_terminal() and _rich_table(header, cells):
        return
    widths = [max(len(row[i]) for row in [header, *cells]) for i in range(len(header))]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for row in [header, *cells]:
        shown = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(shown if len(shown) <= room else f"{shown[: room - 1]}…")


def _rich_table(header: list[str], cells: list[list[str]]) -> bool:
    """Whether rich is installed, and has printed the table."""
    try:
        from rich import box
        from rich.cells import cell_len
        from rich.console import Console
        from rich.table import Column, Table
        from rich.text import Text
    except ImportError:
        return False
    console = Console()
    words = [name.replace("_", " ") for name in header]  # can be folded
    columns_of_cells = [[name, *(row[i] for row in cells)] for i, name in enumerate(words)]
    wanted = [max(map(cell_len, column)) for column in columns_of_cells]
    least = [
        min(width, max(_ENOUGH, *(cell_len(word) for cell in column for word in cell.split())))
        if width <= _SENTENCE
        else _ENOUGH_OF_SENTENCE
        for column, width in zip(columns_of_cells, wanted, strict=True)
    ]
    shown = len(least)
    while shown > 1 and sum(least[:shown]) + _GAP * (shown - 1) > console.width:
        shown -= 1
    widths = _shared_out(least[:shown], wanted[:shown], console.width - _GAP * (shown - 1))
    columns = [Column(name, width=width, overflow="fold") for name, width in zip(words, widths, strict=False)]
    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    is_cut = False
    for row in cells:
        shown_cells = [Text(cell) for cell in row[:shown]]  # a cell is no markup
        for cell, width in zip(shown_cells, widths, strict=True):
            is_cut |= cell.cell_len > width * _LINES
            cell.truncate(width * _LINES, overflow="ellipsis")
        table.add_row(*shown_cells)
    console.print(table)
    left_out = [f"no room for {', '.join(words[shown:])}"] if shown < len(words) else []
    left_out += ["long texts are cut"] if is_cut else []
    if left_out:
        console.print(Text(f"{'; '.join(left_out)}: --json has all", style="dim"))
    return True


def _shared_out(least: Sequence[int], wanted: Sequence[int], room: int) -> list[int]:
    """Widths of columns: the least of each, and what room there is beside goes first to those that want little more."""
    widths = [min(width, room) for width in least]
    spare = max(0, room - sum(widths))
    by_want = sorted(range(len(widths)), key=lambda i: wanted[i] - widths[i])
    for place, i in enumerate(by_want):
        more = min(max(0, wanted[i] - widths[i]), spare // (len(by_want) - place))
        widths[i] += more
        spare -= more
    return widths


def _rich_record(pairs: Sequence[Sequence[str]], width: int) -> bool:
    """Whether rich is installed, and has printed them: keys on the left, what is long folded on the right."""
    try:
        from rich.console import Console
        from rich.table import Column, Table
        from rich.text import Text
    except ImportError:
        return False
    console = Console()
    room = max(_ENOUGH, console.width - width - _GAP)
    grid = Table.grid(Column(width=width), Column(width=room, overflow="fold"), padding=(0, _GAP, 0, 0))
    for key, value in pairs:
        grid.add_row(Text(key), Text(value))
    console.print(grid)
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
