"""Streams from the tables where they really are: reads an external PostgreSQL and hands it to `sync_streams`.

The source is read first, into a file, and merged afterwards in one short transaction: no lock of the orchestrator ever
waits for another network, and a merge that has to be tried again does not read again. What the rows mean for
the fleet is decided in the database.
"""

import os
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

from orchestrator import progress
from orchestrator.database import db
from orchestrator.database.retry import Round, log_breaker
from orchestrator.errors import Contention, OrchestratorError
from orchestrator.logs.log import get_logger
from orchestrator.sources.address import environment_for
from orchestrator.sources.merge import MEMORY_BEFORE_DISK, SyncResult, merge_batch
from orchestrator.sources.table import read_table

_log = get_logger("STREAM")


def sync(
    conn: db.Connection,
    source: str,
    *,
    force: bool = False,
    environment: Mapping[str, str] = os.environ,
    tell: progress.Tell = progress.to_nobody,
) -> SyncResult:
    """Read a source now and make the fleet's streams equal to it. A failure is recorded and raised. `tell` hears of
    rows: first read, then merged.

    Raises:
        UnknownName: there is no such source.
        SourceUnreachable: it does not answer.
        UnusableSource: table or columns missing, no permission, or rows without a usable id.
        TooManyRemovals: more streams would be lost than the source allows, and `force` is not given.
    """
    (row,) = Round().run(db.call, conn, "sources_due", source=source)
    read = partial(_read, row, environment_for(row["conninfo"], environment, conn), tell)
    return _merge(conn, row, read, force=force, tell=tell)


def sync_due(
    conn: db.Connection, *, environment: Mapping[str, str] = os.environ, event_id: uuid.UUID | None = None
) -> list[SyncResult]:
    """Synchronise each source whose time has come. One that fails does not keep the others from theirs: its result
    carries the error, which is recorded. `event_id` is that of the job's run."""
    results = _sync_each(conn, Round().run(db.call, conn, "sources_due"), environment, event_id)
    for result in results:
        if result.error is not None:
            _log.error("source not synchronised", source=result.source, **result.error)
        else:
            _log.info("source synchronised", **{k: v for k, v in result.as_dict().items() if v})
    return results


def sync_all(
    conn: db.Connection, *, environment: Mapping[str, str] = os.environ, tell: progress.Tell = progress.to_nobody
) -> list[SyncResult]:
    """The same for every enabled table, due or not. `tell` hears of sources."""
    tables = db.view(conn, "sources", where={"kind": "postgresql", "enabled": True}, order_by=["source"])
    rows = [row for table in tables for row in db.call(conn, "sources_due", source=table["source"])]
    return _sync_each(conn, rows, environment, tell=tell)


def _sync_each(
    conn: db.Connection,
    rows: Sequence[Mapping[str, Any]],
    environment: Mapping[str, str],
    event_id: uuid.UUID | None = None,
    tell: progress.Tell = progress.to_nobody,
) -> list[SyncResult]:
    """Read all at once, and merge each as soon as it is there: one that hangs holds no other up."""
    results: list[SyncResult] = []
    with ThreadPoolExecutor(max(1, len(rows)), thread_name_prefix="source") as pool:
        reading = {pool.submit(_read, row, environment_for(row["conninfo"], environment, conn)): row for row in rows}
        for done in as_completed(reading):
            tell(len(results), len(rows))
            row = reading[done]
            try:
                results.append(_merge(conn, row, done.result, force=False, event_id=event_id))
            except OrchestratorError as error:
                if conn.closed:
                    raise
                results.append(SyncResult(source=row["source"], error=error_as_dict(error)))
    return results


def record_failure(conn: db.Connection, function: str, failure: Mapping[str, Any]) -> list[db.Row]:
    """Record that something could not be read. Where a lock forbids even that, it is only in the log, and what failed
    keeps its own error."""
    with suppress(Contention):
        return Round().run(db.call, conn, function, **failure)
    return []


def error_as_dict(error: OrchestratorError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message, "detail": error.detail, "hint": error.hint}


@dataclass(frozen=True)
class _Reading:
    """A source as it was read: rows in COPY text format, each with the id of the batch."""

    batch: uuid.UUID
    rows: IO[bytes]
    count: int


def _read(row: Mapping[str, Any], environment: Mapping[str, str], tell: progress.Tell = progress.to_nobody) -> _Reading:
    batch = uuid.uuid4()
    rows = tempfile.SpooledTemporaryFile(MEMORY_BEFORE_DISK)  # noqa: SIM115  # the merge closes it
    return _Reading(batch, rows, read_table(row, batch, rows, environment=environment, tell=tell))


def _merge(
    conn: db.Connection,
    row: Mapping[str, Any],
    read: Callable[[], _Reading],
    *,
    force: bool,
    event_id: uuid.UUID | None = None,
    tell: progress.Tell = progress.to_nobody,
) -> SyncResult:
    """Merge what `read` brings; a failure of either is recorded and raised."""
    try:
        reading = read()
        with reading.rows:
            result = merge_batch(
                conn,
                row["source"],
                reading.batch,
                reading.rows,
                force=force,
                read_at=row["read_at"],
                count=reading.count,
                event_id=event_id,
                tell=tell,
            )
    except OrchestratorError as error:
        if not conn.closed:
            failure = {"source": row["source"], "error": error_as_dict(error), "event_id": event_id}
            for failed in record_failure(conn, "record_sync_failure", failure):
                _log_breaker(row, failed["consecutive_failures"])
        raise
    _log_breaker(row, 0)
    return result


def _log_breaker(row: Mapping[str, Any], failures: int) -> None:
    log_breaker(f"source {row['source']}", failures=failures, failures_before=row["consecutive_failures"])
