"""orchestrator source: where streams come from."""

import os
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import click

from orchestrator.cli import answer, completion, options, output
from orchestrator.database import db
from orchestrator.sources.address import address_without_password, source_from_environment
from orchestrator.sources.columns import KNOWN_NAMES
from orchestrator.sources.merge import SyncResult
from orchestrator.sources.sync import sync as sync_source
from orchestrator.sources.sync import sync_all

COLUMNS = (
    "source",
    "kind",
    "enabled",
    "table_name",
    "streams",
    "active_streams",
    "last_success_at",
    "consecutive_failures",
    "problem",
)


@click.group()
def source() -> None:
    """Tables that streams are taken from; add, synchronise and remove them."""


@source.command()
@click.argument("name", shell_complete=completion.sources)
@click.option(
    "--from",
    "address",
    metavar="DSN",
    help="Where the table is, without a password. Default: POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB, POSTGRES_USER.",
)
@click.option("--table", "table_name", metavar="TABLE", help="Its name. Default: DB_TABLE_NAME, or else streams.")
@click.option(
    "--column",
    "columns",
    metavar="KEY=COLUMN",
    multiple=True,
    help=f"What a column is when its name does not say so. KEY: {', '.join(KNOWN_NAMES)}, or metadata, which "
    "may be given several times. KEY= takes no column. Repeatable.",
)
@click.option(
    "--interval", metavar="INTERVAL", help="How often it is read, such as '5 minutes'.  [default: 60 seconds]"
)
@click.option(
    "--max-removed-part",
    type=options.Number(0, 1),
    metavar="PART",
    help="A sync that would lose more of its streams is refused.  [default: 0.2]",
)
@click.option("--enabled/--disabled", default=None, help="Whether it is read by itself.")
@click.option(
    "--heartbeats",
    metavar="[TABLE]",
    is_flag=False,
    flag_value="server_heartbeats",
    help="Read the rows that clients write of themselves into its database, as a second sign of life. Without TABLE: "
    "server_heartbeats.",
)
@click.option("--no-heartbeats", is_flag=True, help="Do so no more.")
@click.option(
    "--music-log",
    metavar="[TABLE]",
    is_flag=False,
    flag_value="music_log",
    help="Read what clients recognised, as a witness of who hears what. Without TABLE: music_log.",
)
@click.option("--no-music-log", is_flag=True, help="Do so no more.")
@options.common
def add(
    target: options.Target,
    name: str,
    address: str | None,
    table_name: str | None,
    columns: tuple[str, ...],
    interval: str | None,
    max_removed_part: float | None,
    enabled: bool | None,
    heartbeats: str | None,
    no_heartbeats: bool,
    music_log: str | None,
    no_music_log: bool,
) -> None:
    """Add a PostgreSQL table as a source, or change what is given of the one called NAME.

    The password, if it takes one, stays outside: in the password file (PGPASSFILE) or the environment (PGPASSWORD;
    POSTGRES_PASSWORD for the server in POSTGRES_HOST) of whatever synchronises.
    """
    column_map = _column_map(columns) if columns else None
    conninfo = None if address is None else address_without_password(address)
    if conninfo is None or table_name is None:
        default_conninfo, default_table_name = _where_it_is(target, name)
        conninfo, table_name = conninfo or default_conninfo, table_name or default_table_name
    if conninfo is None and table_name is not None:
        raise click.UsageError("give --from DSN, or set POSTGRES_HOST")
    answer.act_and_show(
        target,
        "add_source",
        source=name,
        conninfo=conninfo,
        table_name=table_name,
        column_map=column_map,
        sync_interval=interval,
        max_removed_part=None if max_removed_part is None else Decimal(str(max_removed_part)),
        enabled=enabled,
        heartbeats="" if no_heartbeats else heartbeats,
        music_log="" if no_music_log else music_log,
    )


@source.command()
@click.argument("name", required=False, shell_complete=completion.sources)
@click.option("--force", is_flag=True, help="Even if more streams are lost than the source allows. Needs NAME.")
@options.common
def sync(target: options.Target, name: str | None, force: bool) -> None:
    """Read a source now, or each enabled table when no NAME is given."""
    if force and name is None:
        raise click.UsageError("--force needs the NAME of one source")
    with target.connect() as conn:
        if name is not None:
            with output.progress(f"rows of {output.text(name)}", as_json=target.json) as tell:
                result = sync_source(conn, name, force=force, tell=tell)
            show_result(result, as_json=target.json)
            return
        with output.progress("sources", as_json=target.json) as tell:
            results = sync_all(conn, tell=tell)
    if target.json:
        output.as_json_text([result.as_dict() for result in results])
    else:
        output.rows([_table_row(result) for result in results], as_json=False, empty="no tables to read")
    if any(result.error for result in results):
        raise SystemExit(1)


@source.command("list")
@options.watchable
def list_sources(target: options.Target) -> None:
    """List the sources and how their last synchronisation went."""
    answer.look(target, lambda conn: db.view(conn, "sources", order_by=["source"]), _show_sources)


def _show_sources(found: list[db.Row]) -> None:
    answer.table([{**row, "problem": _message(row["last_error"])} for row in found], COLUMNS, empty="no sources")


@source.command()
@click.argument("name", shell_complete=completion.sources)
@click.option("--with-streams", is_flag=True, help="Remove its streams too; without this, a source that has any stays.")
@options.common
def remove(target: options.Target, name: str, with_streams: bool) -> None:
    """Remove a source. ('source add NAME --disabled' keeps it and its streams, and stops reading it.)"""
    answer.act_and_show(target, "remove_source", source=name, remove_streams=with_streams)


_NOT_COUNTS = ("skipped_rows", "error", "superseded")


def _where_it_is(target: options.Target, name: str) -> tuple[str | None, str | None]:
    """Address and table of the source of that name, so that they stay; for a new one, those of the environment."""
    with target.connect() as conn:
        known = db.view(conn, "sources", where={"source": name})
    if known:
        return known[0]["conninfo"], known[0]["table_name"]
    described = source_from_environment(os.environ)
    return described.conninfo if described else None, os.environ.get("DB_TABLE_NAME", "").strip() or "streams"


def _column_map(given: Iterable[str]) -> dict[str, list[str] | str | None]:
    column_map: dict[str, list[str] | str | None] = {}
    metadata: list[str] | None = None
    for option in given:
        key, equals, column = option.partition("=")
        if not equals or (key != "metadata" and key not in KNOWN_NAMES):
            raise click.BadParameter(
                f"{option!r} is not KEY=COLUMN with a KEY of {', '.join([*KNOWN_NAMES, 'metadata'])}",
                param_hint="--column",
            )
        if key == "metadata":
            metadata = [*(metadata or []), *([column] if column else [])]
        else:
            column_map[key] = column or None
    if metadata is not None:
        column_map["metadata"] = metadata
    return column_map


def _message(error: Mapping[str, Any] | None) -> str:
    return str(error["message"]) if error else ""


def _table_row(result: SyncResult) -> dict[str, object]:
    return {**_counts(result), "problem": _message(result.error)}


def show_result(result: SyncResult, *, as_json: bool) -> None:
    """What a merge did: the counts, and a line for each row that was skipped."""
    if as_json:
        output.as_json_text(result.as_dict())
        return
    output.record(_counts(result), as_json=False)
    if result.superseded:
        click.echo("a newer reading of this source was merged meanwhile; this one was left out")
    for row in result.skipped_rows:
        output.line(f"skipped row {row['line']} (id {row['external_id']}): {row['problem']}", err=True)


def _counts(result: SyncResult) -> dict[str, object]:
    return {key: value for key, value in result.as_dict().items() if key not in _NOT_COUNTS}
