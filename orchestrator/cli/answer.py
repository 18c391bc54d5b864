"""What most commands do: call one function, and answer with its rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from orchestrator import db
from orchestrator.cli import options, output
from orchestrator.patience import Round, is_contention


def act(target: options.Target, function: str, /, **parameters: Any) -> list[db.Row]:
    """Call a function that changes something; a parameter that is None is left to the function's default.

    Contention is tried again; a lost connection is not, because nobody knows whether the change was made.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    with target.connect(function) as conn:
        return Round(worth=is_contention).run(db.call, conn, function, **given)


def act_and_show(target: options.Target, function: str, /, **parameters: Any) -> None:
    """The same for a function of one row, which is the answer; no row (in JSON: null) says that all was so already."""
    rows = act(target, function, **parameters)
    if rows:
        output.record(rows[0], as_json=target.json)
    elif target.json:
        output.as_json_text(None)
    else:
        click.echo("nothing to do")


def table(
    target: options.Target,
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    empty: str,
    title: str | None = None,
) -> None:
    """All columns as JSON; those that fit a terminal for people."""
    if not target.json:
        rows = [{column: row[column] for column in columns} for row in rows]
    output.rows(rows, as_json=target.json, empty=empty, title=title)
