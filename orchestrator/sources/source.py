"""Streams from the tables where they really are: reads an external PostgreSQL and hands it to `sync_streams`.

The source is read first, into a file, and merged afterwards in one short transaction: no lock of the orchestrator ever
waits for somebody else's network, and a merge that has to be tried again does not read again. What the rows mean for
the fleet is decided in the database.

The queries here run on somebody else's database; that is why they are not in `sql/`.
"""

import json
import os
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import IO, Any, ClassVar, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator import progress, templates
from orchestrator.conninfo import Timeouts, connection_options, parse, session_settings
from orchestrator.database import db
from orchestrator.database.retry import Round, log_breaker
from orchestrator.errors import BadArgument, OrchestratorError, UnusableSource
from orchestrator.logs.log import get_logger
from orchestrator.names import Names
from orchestrator.sources.playlist import Entry

ENVIRONMENT_SOURCE = "environment"
"""The name of the source that POSTGRES_* and DB_TABLE_NAME describe."""

OLDEST_SERVER = 100000
"""PostgreSQL 10, the oldest that psycopg speaks with."""

KNOWN_NAMES: Mapping[str, tuple[str, ...]] = {
    "external_id": ("id", "index"),
    "name": ("name", "nome"),
    "url": ("url",),
    "active": ("active", "ativo"),
    "status": ("status",),
    "region": ("region", "regiao"),
    "required_capabilities": ("required_capabilities",),
}
"""What a column may be called without being mapped, the best first."""
_NEEDED = ("external_id", "url")

# What changes without the station changing; as metadata, each would be a change of the stream at each sync.
_NEVER_METADATA = frozenset({"assigned_to", "last_check", "created_at", "updated_at"})
_INACTIVE_WORDS = ("inactive", "inativo", "inativa", "disabled", "false", "f", "no", "nao", "não", "n", "off", "0")
_MEMORY_BEFORE_DISK = 16 * 1024 * 1024
_ROWS_BETWEEN_TELLINGS = 1000
_PAIRS_A_CALL = 40  # a function takes at most 100 arguments

_log = get_logger("STREAM")


class SourceUnreachable(OrchestratorError):
    """Nobody answers there, or not this login, or not in time. The streams stay as they are."""

    code: str | None = "08001"
    exit_code: ClassVar[int] = 75


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


@dataclass(frozen=True)
class TableSource:
    """A source that is to be added: where a table is. The address never holds a password."""

    name: str
    conninfo: str
    table_name: str


@dataclass(frozen=True)
class Column:
    name: str
    kind: str
    """typcategory of pg_type: B boolean, N number, S text, D date or time, U anything else."""
    type_name: str


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
    return _merge(conn, row, partial(_read, row, environment, tell), force=force, tell=tell)


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
    """Read all at once, and merge each as soon as it is there: one that hangs holds nobody up."""
    results: list[SyncResult] = []
    with ThreadPoolExecutor(max(1, len(rows)), thread_name_prefix="source") as pool:
        reading = {pool.submit(_read, row, environment): row for row in rows}
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
                raise _bad_data(error, {"source": source, "where": error.diag.context}) from error
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
    with tempfile.SpooledTemporaryFile(_MEMORY_BEFORE_DISK) as rows:
        for number, entry in enumerate(entries, start=1):
            line = (batch, number, entry.external_id, entry.name, entry.url, entry.active, entry.region, entry.metadata)
            rows.write(to_copy_text(line))
        return merge_batch(
            conn, source, batch, rows, force=force, is_list=True, keep_vanished=not replace, count=number, tell=tell
        )


def source_from_environment(environment: Mapping[str, str]) -> TableSource | None:
    """The source that the operators' variables describe, or None when POSTGRES_HOST is not set.

    POSTGRES_PASSWORD is not part of it: it stays in the environment and is used when connecting.
    """
    present = {name: value.strip() for name, value in environment.items() if value.strip()}
    if "POSTGRES_HOST" not in present:
        return None
    port = present.get("POSTGRES_PORT", "5432")
    if not port.isdecimal():
        raise BadArgument(
            "POSTGRES_PORT is not a port number", detail={"POSTGRES_PORT": port}, hint="5432, for example"
        )
    parts: dict[str, Any] = {"host": present["POSTGRES_HOST"], "port": port}
    if "POSTGRES_DB" in present:
        parts["dbname"] = present["POSTGRES_DB"]
    if "POSTGRES_USER" in present:
        parts["user"] = present["POSTGRES_USER"]
    return TableSource(ENVIRONMENT_SOURCE, make_conninfo(**parts), present.get("DB_TABLE_NAME", "streams"))


def ensure_environment_source(conn: db.Connection, environment: Mapping[str, str] = os.environ) -> TableSource | None:
    """Create or update the source that the environment describes, if it does. What an administrator has set for it
    (columns, interval, part) stays."""
    wanted = source_from_environment(environment)
    if wanted is not None:
        db.call(conn, "add_source", source=wanted.name, conninfo=wanted.conninfo, table_name=wanted.table_name)
    return wanted


def address_without_password(dsn: str) -> str:
    """A DSN as it may be stored. One that holds a password is refused: it would be readable in the database."""
    parts = parse(dsn, "the DSN of the source")
    if parts.keys() & {"password", "sslpassword"}:
        raise BadArgument(
            "the DSN of the source holds a password",
            hint="leave it out; put it into the password file (PGPASSFILE, ~/.pgpass) or the environment (PGPASSWORD) "
            "of every program that synchronises: the drivers, and this command line",
        )
    return make_conninfo(**parts)


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
    rows = tempfile.SpooledTemporaryFile(_MEMORY_BEFORE_DISK)  # noqa: SIM115  # whoever merges closes it
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
            [failed] = db.call(conn, "record_sync_failure", **failure)
            _log_breaker(row, failed["consecutive_failures"])
        raise
    _log_breaker(row, 0)
    return result


def _log_breaker(row: Mapping[str, Any], failures: int) -> None:
    log_breaker(f"source {row['source']}", failures=failures, failures_before=row["consecutive_failures"])


def read_table(
    row: Mapping[str, Any],
    batch: uuid.UUID,
    rows: IO[bytes],
    *,
    environment: Mapping[str, str],
    tell: progress.Tell = progress.to_nobody,
) -> int:
    """Copy the table of a source (a row of `sources_due`) to `rows`, in the columns of the staging table; how many."""
    count = told = 0
    with reading(row, environment) as conn:
        relation, columns = _find_table(conn, row["table_name"])
        mapping = map_columns(columns, row["column_map"], table_name=row["table_name"])
        with conn.cursor().copy(_copy_from_table(relation, mapping, batch)) as copy:
            for chunk in copy:
                rows.write(chunk)
                count += bytes(chunk).count(b"\n")
                if count >= told + _ROWS_BETWEEN_TELLINGS:
                    tell(count, None)
                    told = count
    return count


@contextmanager
def reading(row: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[psycopg.Connection[Any]]:
    """One snapshot of a source, read-only and limited in time; its errors in words that say what to do."""
    timeout: timedelta = row["network_timeout"] or timedelta(seconds=30)
    limits = _limits(timeout.total_seconds())
    where = {"source": row["source"], "table": row["table_name"], "address": row["conninfo"]}
    try:
        with (
            db.LimitedConnection[Any].connect(
                _complete_conninfo(row["source"], row["conninfo"], timeout, environment)
            ) as conn,
            # The server ends what takes longer than network_timeout; one that is frozen ends nothing.
            db.answered(conn, within=2 * timeout.total_seconds()),
        ):
            if conn.info.server_version < OLDEST_SERVER:
                raise UnusableSource(
                    "the server of the source is too old",
                    detail={**where, "server_version": conn.info.server_version},
                    hint="PostgreSQL 10 is the oldest that can be read",
                )
            conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            conn.read_only = True
            text = templates.render("runner/source_session.sql", Names.for_schema())
            conn.execute(sql.SQL(cast(Any, text)), (list(limits), list(limits.values())))
            yield conn
    except psycopg.Error as error:
        raise _source_error(error, where) from error


def _limits(seconds: float) -> dict[str, str]:
    """The settings of the transaction that reads."""
    timeouts = Timeouts(
        statement_timeout=seconds,
        transaction_timeout=2 * seconds,
        idle_in_transaction_session_timeout=seconds,
        network_timeout=seconds,
    )
    settings = session_settings(timeouts)
    del settings["client_connection_check_interval"]  # not every system has it, and a source may run on any
    return settings | {"TimeZone": "UTC"}  # gives times in the metadata one form, wherever this runs


def _complete_conninfo(source: str, conninfo: str, timeout: timedelta, environment: Mapping[str, str]) -> str:
    name = f"orchestrator:source {source}"[:63]
    defaults = {**connection_options(timeout.total_seconds()), "application_name": name}
    given = conninfo_to_dict(conninfo)
    secrets: dict[str, Any] = {}
    described = source_from_environment(environment)
    # The password of the environment goes to the server that the environment names, and to no other.
    is_described = described is not None and _login(given) == _login(conninfo_to_dict(described.conninfo))
    if is_described and environment.get("POSTGRES_PASSWORD"):
        secrets["password"] = environment["POSTGRES_PASSWORD"]
    return make_conninfo(**{**defaults, **given, **secrets, "client_encoding": "UTF8"})


def _login(parts: Mapping[str, Any]) -> tuple[Any, ...]:
    return parts.get("host"), str(parts.get("port", 5432)), parts.get("user"), parts.get("hostaddr")


def _find_table(conn: psycopg.Connection[Any], table_name: str) -> tuple[sql.Identifier, list[Column]]:
    """The table of that name, as the catalog spells it ("streams", or "schema.streams"), and its columns."""
    found = conn.execute(
        """
        select c.oid, n.nspname, c.relname
        from pg_catalog.pg_class as c
        join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
        where c.relkind in ('r', 'p', 'v', 'm', 'f')
            and (
                (c.relname = %(name)s and pg_catalog.pg_table_is_visible(c.oid))
                or n.nspname || '.' || c.relname = %(name)s
            )
        order by pg_catalog.pg_table_is_visible(c.oid) desc
        limit 1
        """,
        {"name": table_name},
    ).fetchone()
    if found is None:
        similar = conn.execute(
            """
            select n.nspname || '.' || c.relname
            from pg_catalog.pg_class as c
            join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
            where c.relkind in ('r', 'p', 'v', 'm', 'f')
                and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\\_toast%%'
            order by lower(c.relname) = %(folded)s desc, 1
            limit 20
            """,
            {"folded": table_name.rpartition(".")[2].lower()},
        ).fetchall()
        raise UnusableSource(
            "the source has no such table",
            detail={"table": table_name, "tables": [name for (name,) in similar]},
            hint="give the name as the catalog spells it, with its schema when that is not in the search path",
        )
    oid, schema, name = found
    columns = conn.execute(
        """
        select a.attname, t.typcategory::text, t.typname
        from pg_catalog.pg_attribute as a
        join pg_catalog.pg_type as t on a.atttypid = t.oid
        where a.attrelid = %s and a.attnum > 0 and not a.attisdropped
        order by a.attnum
        """,
        (oid,),
    ).fetchall()
    return sql.Identifier(schema, name), [Column(*column) for column in columns]


def map_columns(
    columns: Iterable[Column], column_map: Mapping[str, Any], *, table_name: str
) -> dict[str, list[Column]]:
    """Which columns are what: the given map first, then the known names. Keys are those of KNOWN_NAMES and "metadata",
    which takes every other column unless the map says which."""
    by_name = {column.name: column for column in columns}
    by_folded = {name.lower(): column for name, column in reversed(by_name.items())}
    given = {key: names_in(value) for key, value in column_map.items()}
    if unknown := sorted(given.keys() - KNOWN_NAMES.keys() - {"metadata"}):
        raise UnusableSource(
            "the column map names what a stream does not have",
            detail={"unknown": unknown, "known": [*KNOWN_NAMES, "metadata"]},
            hint="map only those keys",
        )
    if missing := sorted({name for names in given.values() for name in names} - by_name.keys()):
        raise UnusableSource(
            "mapped columns are not in the table",
            detail={"table": table_name, "missing": missing, "columns": list(by_name)},
            hint="correct the column map: orchestrator source add … --column KEY=COLUMN",
        )
    mapping: dict[str, list[Column]] = {}
    for key, known in KNOWN_NAMES.items():
        if key in given:
            mapping[key] = [by_name[name] for name in given[key][:1]]
        else:
            candidates = [by_name.get(name) or by_folded.get(name) for name in known]
            mapping[key] = [column for column in candidates if column is not None][:1]
    if missing := [key for key in _NEEDED if not mapping[key]]:
        raise UnusableSource(
            "the table lacks columns that a stream needs",
            detail={
                "table": table_name,
                "missing": {key: " or ".join(KNOWN_NAMES[key]) for key in missing},
                "columns": list(by_name),
            },
            hint="map them: orchestrator source add … " + " ".join(f"--column {key}=COLUMN" for key in missing),
        )
    used = {column.name for chosen in mapping.values() for column in chosen}
    mapping["metadata"] = (
        [by_name[name] for name in given["metadata"]]
        if "metadata" in given
        else [
            column
            for column in by_name.values()
            if column.name not in used
            and column.name.lower() not in _NEVER_METADATA
            and column.kind != "D"
            and column.type_name != "bytea"
        ]
    )
    return mapping


def names_in(value: Any) -> list[str]:
    """The column names in one value of a column map: none, one, or a list."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(name) for name in value]


def _copy_from_table(relation: sql.Identifier, mapping: Mapping[str, list[Column]], batch: uuid.UUID) -> sql.Composed:
    external_id, url = mapping["external_id"][0], mapping["url"][0]
    return sql.SQL(
        """
        copy (
            select
                {batch}::uuid, (row_number() over (order by t.{id}))::integer, t.{id}::text,
                {name}, t.{url}::text, {active}, {region}, {metadata}
            from {relation} as t
        ) to stdout
        """
    ).format(
        batch=sql.Literal(str(batch)),
        id=sql.Identifier(external_id.name),
        name=_text(mapping["name"]),
        url=sql.Identifier(url.name),
        active=_active(mapping),
        region=_text(mapping["region"]),
        metadata=_metadata(mapping),
        relation=relation,
    )


def _column(column: Column) -> sql.Composed:
    return sql.SQL("t.{}").format(sql.Identifier(column.name))


def _text(columns: list[Column]) -> sql.Composable:
    return sql.SQL("{}::text").format(_column(columns[0])) if columns else sql.SQL("null::text")


def _active(mapping: Mapping[str, list[Column]]) -> sql.Composable:
    """True unless a column says otherwise; a station is silenced by a clear word only."""
    conditions: list[sql.Composable] = []
    for column in mapping["active"] + mapping["status"]:
        if column.kind == "B":
            conditions.append(sql.SQL("coalesce({}, true)").format(_column(column)))
        elif column.kind == "N":
            conditions.append(sql.SQL("coalesce({} <> 0, true)").format(_column(column)))
        else:
            words = sql.SQL(", ").join(sql.Literal(word) for word in _INACTIVE_WORDS)
            conditions.append(
                sql.SQL("coalesce(lower(btrim({}::text)) not in ({}), true)").format(_column(column), words)
            )
    return sql.SQL("({})").format(sql.SQL(" and ").join(conditions)) if conditions else sql.SQL("true")


def _metadata(mapping: Mapping[str, list[Column]]) -> sql.Composable:
    """One JSON object of the metadata columns by their names; a JSON column called metadata is spread out in it."""
    pairs = [(column.name, column) for column in mapping["metadata"]]
    spread = [column for name, column in pairs if name.lower() == "metadata" and column.type_name in ("json", "jsonb")]
    pairs = [(name, column) for name, column in pairs if column not in spread]
    pairs += [("required_capabilities", column) for column in mapping["required_capabilities"]]
    parts: list[sql.Composable] = []
    for first in range(0, len(pairs), _PAIRS_A_CALL):
        arguments = sql.SQL(", ").join(
            sql.SQL("{}::text, to_jsonb({})").format(sql.Literal(name), _column(column))
            for name, column in pairs[first : first + _PAIRS_A_CALL]
        )
        parts.append(sql.SQL("jsonb_strip_nulls(jsonb_build_object({}))").format(arguments))
    for column in spread:
        parts.append(
            sql.SQL("case when jsonb_typeof({0}::jsonb) = 'object' then {0}::jsonb else '{{}}'::jsonb end").format(
                _column(column)
            )
        )
    return sql.SQL(" || ").join(parts) if parts else sql.SQL("'{}'::jsonb")


def _copy_to_staging(conn: db.Connection) -> sql.Composed:
    return sql.SQL("copy {} (batch, line, external_id, name, url, active, region, metadata) from stdin").format(
        sql.Identifier(conn.names.api, "stream_staging")
    )


def _source_error(error: psycopg.Error, where: Mapping[str, Any]) -> OrchestratorError:
    state = error.sqlstate
    message = " ".join((error.diag.message_primary or str(error)).split())  # libpq's own has several lines
    detail = {**where, "error": message, **({"sqlstate": state} if state else {})}
    if state is None or state.startswith(("08", "28", "3D", "57P", "53")):
        return SourceUnreachable(
            "the source cannot be reached",
            code=state,
            detail=detail,
            hint="check that the server runs, the address, the login and its password (PGPASSFILE or PGPASSWORD where "
            "this program runs); the fleet keeps its streams meanwhile",
        )
    if state == "57014":
        return SourceUnreachable(
            "the source did not answer in time",
            code=state,
            detail=detail,
            hint="look for what blocks its table, or raise the setting network_timeout",
        )
    if state == "42501":
        return UnusableSource(
            "the login may not read the source's table",
            detail=detail,
            hint="on the source: grant select on the table (and usage on its schema) to that login",
        )
    if state.startswith("22"):
        return _bad_data(error, where)
    return UnusableSource("the source's table cannot be read", detail=detail, hint="see the error in the detail")


def _bad_data(error: psycopg.Error, where: Mapping[str, Any]) -> UnusableSource:
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
