"""What most commands do: call one function, and answer with its rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import tenacity

from orchestrator import db
from orchestrator.cli import options, output
from orchestrator.errors import Contention


def act(target: options.Target, function: str, **parameters: Any) -> list[db.Row]:
    """Call a function that changes something. Contention is tried again; a lost connection is not, because nobody
    knows whether the change was made."""
    retrying = db.retrying().copy(retry=tenacity.retry_if_exception_type(Contention))
    with target.connect(function) as conn:
        return retrying(db.call, conn, function, **parameters)


def act_and_show(target: options.Target, function: str, **parameters: Any) -> None:
    """The same for a function with one row, which is the answer."""
    [row] = act(target, function, **parameters)
    output.record(row, as_json=target.json)


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
