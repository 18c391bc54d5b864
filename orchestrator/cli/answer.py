"""What most commands do: call one function and answer with its rows, or read a page and show it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

import click

from orchestrator.cli import options, output, watch
from orchestrator.database import db
from orchestrator.database.retry import Round, is_contention
from orchestrator.errors import DatabaseError, UnknownInstance, UnknownStream

Page = TypeVar("Page")


def act(target: options.Target, function: str, /, **parameters: Any) -> list[db.Row]:
    """Call a function that changes something; a parameter that is None is left to the function's default.

    Contention is tried again; a lost connection is not, because it is unknown whether the change was made.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    with target.connect() as conn:
        if "stream_id" in given:
            given["stream_id"] = stream_id_of(conn, given["stream_id"])
        try:
            return Round(worth=is_contention).run(db.call, conn, function, **given)
        except DatabaseError as error:
            # What PostgreSQL cannot read it refuses itself, before the function could say which argument it is.
            if error.detail is None and (error.code or "").startswith("22"):
                error.detail = {name: value for name, value in given.items() if str(value) in error.message} or None
            raise


def act_and_show(target: options.Target, function: str, /, **parameters: Any) -> None:
    """The same for a function of one row, which is the answer; no row (in JSON: null) says that all was so already."""
    rows = act(target, function, **parameters)
    if rows:
        output.record(rows[0], as_json=target.json)
    elif target.json:
        output.as_json_text(None)
    else:
        click.echo("nothing to do")


def stream_id_of(conn: db.Connection, stream: int | options.SourceId) -> int:
    """Our id of a stream.

    Raises:
        UnknownStream: no source has that id, or several have.
    """
    if isinstance(stream, int):
        return stream
    where = {"external_id": stream.external_id} | ({"source": stream.source} if stream.source else {})
    found = db.view(conn, "streams", where=where, order_by=["source"], limit=20)
    if len(found) != 1:
        raise UnknownStream(
            "several sources have this id" if found else "unknown stream",
            detail=where | ({"sources": [row["source"] for row in found]} if found else {}),
            hint="name the source: SOURCE:ID" if found else "'orchestrator stream find' looks for it",
        )
    return int(found[0]["stream_id"])


def require_instance(conn: db.Connection, instance_id: str) -> db.Row:
    """An instance by its name; refused when there is none."""
    found = db.view(conn, "instances", where={"instance_id": instance_id})
    if not found:
        raise UnknownInstance(
            "unknown instance",
            detail={"instance_id": instance_id},
            hint="'orchestrator instance list --all' lists those that are known",
        )
    return found[0]


def look(target: options.Target, read: Callable[[db.Connection], Page], show: Callable[[Page], None]) -> Page | None:
    """Read a page and show it: as JSON, or to people by `show`. With --watch again and again; then None."""
    if target.watch is not None:
        watch.watch(
            lambda: target.connect(timeouts=watch.TIMEOUTS),
            read,
            show,
            title=options.command_name(),
            every=target.watch,
            as_json=target.json,
        )
        return None
    with target.connect() as conn:
        page = read(conn)
    if target.json:
        output.as_json_text(page)
    else:
        show(page)
    return page


def look_at_rows(
    target: options.Target, read: Callable[[db.Connection], list[db.Row]], columns: Sequence[str], *, empty: str
) -> list[db.Row] | None:
    """`look` for a list: all columns as JSON, these for people."""
    return look(target, read, lambda rows: table(rows, columns, empty=empty))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, empty: str, title: str | None = None) -> None:
    """Those columns, the most important first: a terminal may have no room for the last. Of an event id they show what
    `orchestrator event` needs."""
    chosen = [{column: _short(row[column]) for column in columns} for row in rows]
    output.rows(chosen, as_json=False, empty=empty, title=title)


def _short(value: Any) -> Any:
    return str(value)[:8] if isinstance(value, UUID) else value
