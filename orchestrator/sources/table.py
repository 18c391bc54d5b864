"""Reads the table of a source: an external PostgreSQL, in one snapshot, read-only and limited in time.

The queries here run on another company's database; that is why they are not in `sql/`.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, Any, ClassVar, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator import progress, templates
from orchestrator.conninfo import Timeouts, connection_options, session_settings
from orchestrator.database import db
from orchestrator.errors import OrchestratorError, UnusableSource
from orchestrator.names import Names
from orchestrator.sources.address import connection_to
from orchestrator.sources.columns import Column, copy_from_table, map_columns
from orchestrator.sources.merge import bad_data

OLDEST_SERVER = 100000
"""PostgreSQL 10, the oldest that psycopg speaks with."""

_ROWS_BETWEEN_TELLINGS = 1000


class SourceUnreachable(OrchestratorError):
    """No server answers there, or not this login, or not in time. The streams stay as they are."""

    code: str | None = "08001"
    exit_code: ClassVar[int] = 75


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
        relation, columns = find_table(conn, row["table_name"])
        mapping = map_columns(columns, row["column_map"], table_name=row["table_name"])
        with conn.cursor().copy(copy_from_table(relation, mapping, batch)) as copy:
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
    return make_conninfo(**{**defaults, **connection_to(conninfo, environment), "client_encoding": "UTF8"})


def find_table(conn: psycopg.Connection[Any], table_name: str) -> tuple[sql.Identifier, list[Column]]:
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
        return bad_data(error, where)
    return UnusableSource("the source's table cannot be read", detail=detail, hint="see the error in the detail")
