"""Reads what clients in the field write beside HTTP: a row of each in server_heartbeats, and music_log.

What the rows mean is decided in the database. A witness that cannot be read tells nothing: its record says why, the log
says it when that changes, and nobody is lost for it. As the queries of table.py, those here run on another company's
database: read-only, limited in time, and asking for no more rows than are new.
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from orchestrator.database import db
from orchestrator.database.retry import Round, log_breaker
from orchestrator.errors import OrchestratorError
from orchestrator.logs.log import get_logger
from orchestrator.sources.address import environment_for
from orchestrator.sources.sync import error_as_dict, record_failure
from orchestrator.sources.table import find_table, reading

MOST_ROWS = 5000
"""Of one reading. A fleet of twenty hosts writes some 300 songs a minute."""

_log = get_logger("INSTANCE")

# The age is told where the row is: no two clocks have to agree. Rows of hosts that are long gone are left there.
_HEARTBEATS = """
    select
        h.server_id::text, h.last_heartbeat::text, h.status::text, h.ip_address::text,
        extract(epoch from now() - h.last_heartbeat)::double precision as age,
        h.info ->> 'processing_streams' as processing,
        h.info ->> 'total_streams' as first_answer
    from {relation} as h
    where isfinite(h.last_heartbeat) and h.last_heartbeat > now() - interval '1 hour'
    order by h.last_heartbeat desc
    limit {most}
"""

# Both go along the primary key. Dates and times in that table are of many clocks; ids are of one.
_NEWEST = "select max(m.id) from {relation} as m"
_MUSIC = """
    with newest as (
        select m.name::text, m.identified_by::text as written_by from {relation} as m
        where m.id > {after} order by m.id desc limit {most}
    )
    select distinct n.name, n.written_by from newest as n where n.name is not null and n.written_by is not null
"""


def read_witnesses(conn: db.Connection, *, environment: Mapping[str, str] = os.environ) -> dict[str, Any] | None:
    """Read each witness whose time has come, all at once. Returns those that could not be read; None: all could."""
    rows = Round().run(db.call, conn, "witnesses_due")
    unreadable: list[str] = []
    with ThreadPoolExecutor(max(1, len(rows)), thread_name_prefix="witness") as pool:
        readings = {pool.submit(_read, row, environment_for(row["conninfo"], environment, conn)): row for row in rows}
        for done in as_completed(readings):
            row = readings[done]
            try:
                _record(conn, row, done.result())
            except OrchestratorError as error:
                if conn.closed:
                    raise
                unreadable.append(f"{row['source']}, {row['witness']}")
                _record_failure(conn, row, error)
    return {"unreadable": unreadable} if unreadable else None


def _read(row: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """What a witness tells, as the parameters of the function that takes it."""
    with reading(row, environment) as there:
        relation, _ = find_table(there, row["table_name"])
        if row["witness"] == "heartbeats":
            found = _rows(there, _HEARTBEATS, relation=relation)
            return {"rows": Jsonb([{**each, **_counts(each)} for each in found])}
        [(newest,)] = there.execute(sql.SQL(_NEWEST).format(relation=relation)).fetchall()
        written = []
        if row["after_id"] is not None and newest is not None:
            written = _rows(there, _MUSIC, relation=relation, after=sql.Literal(row["after_id"]))
        return {"rows": Jsonb(written), "last_id": newest}


def _rows(there: psycopg.Connection[Any], query: str, **parts: sql.Composable) -> list[dict[str, Any]]:
    cursor = there.execute(sql.SQL(query).format(most=sql.Literal(MOST_ROWS), **parts))
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def _counts(row: Mapping[str, Any]) -> dict[str, int | None]:
    """A count in the JSON of a host is a number; anything else is none."""
    texts = {key: str(row[key]) for key in ("processing", "first_answer")}
    return {
        key: int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
        for key, text in texts.items()
    }


def _record(conn: db.Connection, row: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    function = "record_heartbeats" if row["witness"] == "heartbeats" else "record_music"
    Round().run(db.call, conn, function, source=row["source"], read_at=row["read_at"], **told)
    _log_breaker(row, 0)


def _record_failure(conn: db.Connection, row: Mapping[str, Any], error: OrchestratorError) -> None:
    failure = {"source": row["source"], "witness": row["witness"], "error": error_as_dict(error)}
    if row["consecutive_failures"] == 0:
        _log.warning("witness cannot be read", source=row["source"], witness=row["witness"], **error_as_dict(error))
    for failed in record_failure(conn, "record_witness_failure", failure):
        _log_breaker(row, failed["consecutive_failures"])


def _log_breaker(row: Mapping[str, Any], failures: int) -> None:
    dependency = f"{row['witness']} of source {row['source']}"
    log_breaker(dependency, failures=failures, failures_before=row["consecutive_failures"])
