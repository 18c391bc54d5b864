"""Rows of a source, merged into the fleet's streams in one short transaction."""

import json
import tempfile
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import IO, Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from orchestrator import progress
from orchestrator.database import db
from orchestrator.database.retry import Round
from orchestrator.errors import UnusableSource
from orchestrator.sources.entry import Entry

MEMORY_BEFORE_DISK = 16 * 1024 * 1024


@dataclass(frozen=True)
class SyncResult:
    """What a synchronisation did, or why it did nothing (`error`). Counts are streams, `skipped` rows."""

    source: str
    inserted: int = 0
    updated: int = 0
    activated: int = 0
    deactivated: int = 0
    removed: int = 0
    unchanged: int = 0
    skipped: int = 0
    reconnected: int = 0
    superseded: bool = False
    skipped_rows: Sequence[Mapping[str, Any]] = ()
    error: Mapping[str, Any] | None = field(default=None)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def merge_batch(
    conn: db.Connection,
    source: str,
    batch: uuid.UUID,
    rows: IO[bytes],
    *,
    force: bool,
    read_at: datetime | None = None,
    is_list: bool = False,
    keep_vanished: bool = False,
    count: int | None = None,
    event_id: uuid.UUID | None = None,
    tell: progress.Tell = progress.to_nobody,
) -> SyncResult:
    """Copy staged rows (COPY text format) and merge them in one transaction: all of it happens, or nothing. A source
    of kind list is made when it is new. `count`: how many rows, for `tell`."""

    def once() -> SyncResult:
        rows.seek(0)
        done = 0
        with db.translated_errors(), conn.transaction():
            if is_list:
                db.call(conn, "add_source", source=source)
            try:
                with conn.cursor().copy(_copy_to_staging(conn)) as copy:
                    while chunk := rows.read(1 << 16):
                        copy.write(chunk)
                        done += chunk.count(b"\n")
                        tell(done, count)
            except psycopg.DataError as error:
                raise bad_data(error, {"source": source, "where": error.diag.context}) from error
            (merged,) = db.call(
                conn,
                "sync_streams",
                source=source,
                batch=batch,
                force=force,
                read_at=read_at,
                keep_vanished=keep_vanished,
                event_id=event_id,
            )
        return SyncResult(source=source, **merged)

    return Round().run(once)


def import_entries(
    conn: db.Connection,
    source: str,
    entries: Iterable[Entry],
    *,
    replace: bool = False,
    force: bool = False,
    tell: progress.Tell = progress.to_nobody,
) -> SyncResult:
    """Add the entries of a list to a source of its own, or update those it has by their ids. With `replace`, what is
    not in the list is removed. All of it happens, or nothing."""
    batch, number = uuid.uuid4(), 0
    with tempfile.SpooledTemporaryFile(MEMORY_BEFORE_DISK) as rows:
        for number, entry in enumerate(entries, start=1):
            line = (batch, number, entry.external_id, entry.name, entry.url, entry.active, entry.region, entry.metadata)
            rows.write(to_copy_text((*line, None)))  # a list says nothing of standbys
        return merge_batch(
            conn, source, batch, rows, force=force, is_list=True, keep_vanished=not replace, count=number, tell=tell
        )


def station_problems(conn: db.Connection, entries: Sequence[Entry]) -> dict[int, str]:
    """What keeps entries from being stations: their places, from 0, and why."""
    stations = [
        {
            "url": entry.url,
            "external_id": entry.external_id,
            "name": entry.name,
            "region": entry.region,
            "metadata": entry.metadata,
        }
        for entry in entries
    ]
    return {row["place"] - 1: row["problem"] for row in db.call(conn, "station_problems", stations=Jsonb(stations))}


def _copy_to_staging(conn: db.Connection) -> sql.Composed:
    return sql.SQL(
        "copy {} (batch, line, external_id, name, url, active, region, metadata, standby) from stdin"
    ).format(sql.Identifier(conn.names.api, "stream_staging"))


def bad_data(error: psycopg.Error, where: Mapping[str, Any]) -> UnusableSource:
    return UnusableSource(
        "the source holds what cannot be stored here, such as text that is not UTF-8",
        detail={**where, "error": error.diag.message_primary},
        hint="find the value in the detail and repair it; nothing was changed",
    )


def to_copy_text(values: Sequence[Any]) -> bytes:
    """One line of COPY text format."""
    return ("\t".join(_copy_field(value) for value in values) + "\n").encode()


def _copy_field(value: Any) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping) else str(value)
    return text.translate(_COPY_ESCAPES)


_COPY_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
