"""A second database on the same server stands for the table in the field."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from orchestrator.database import db
from orchestrator.sources.merge import SyncResult
from orchestrator.sources.sync import sync
from tests.support import Database, query

Run = Callable[..., Result]
"""Runs a command with its arguments, on the fleet."""

MODERN = """
    create table streams (
        id bigint, name text, url text, status text, assigned_to text, last_check timestamptz,
        created_at timestamptz default now(), updated_at timestamptz default now(), metadata jsonb, active boolean
    )
"""
OLDER = """
    create table streams (
        url text, name text, sheet text, cidade text, estado text, regiao text, segmento text, "index" integer
    )
"""


@dataclass
class External:
    """The database of another company, with a table of stations."""

    dsn: str
    conn: psycopg.Connection[dict[str, Any]]

    def create(self, table: str = MODERN) -> None:
        self.conn.execute(table)  # a constant of this module

    def execute(self, query: str, parameters: Sequence[Any] | None = None) -> None:
        self.conn.execute(query, parameters)  # written in the tests

    def add(self, first: int, last: int) -> None:
        """Stations of the modern shape with the ids first to last."""
        self.execute(
            "insert into streams (id, name, url, active) "
            "select i, 'Station ' || i, 'http://radio.example/' || i, true from generate_series(%s::int, %s::int) as i",
            [first, last],
        )


@dataclass
class Fleet:
    """The orchestrator's side: an administrator's connection, and a look at the tables."""

    conn: db.Connection
    owner: db.Connection
    database: Database
    incarnations: dict[str, int] = field(default_factory=dict)

    def add_source(self, external: External, table_name: str = "streams", **options: Any) -> None:
        db.call(self.conn, "add_source", source="field", conninfo=external.dsn, table_name=table_name, **options)

    def sync(self, **options: Any) -> SyncResult:
        return sync(self.conn, "field", **options)

    def query(self, text: str, *parameters: Any) -> list[db.Row]:
        """Rows of the private tables; {p} is their schema, {a} the public one."""
        return query(self.owner, text, self.database.names, parameters)

    def streams(self, source_name: str = "field") -> dict[str, db.Row]:
        """The streams of a source by their external ids, each with its assignment."""
        rows = self.query(
            "select s.*, a.state, a.instance_id, a.epoch, r.capabilities "
            "from {p}.stream s join {p}.assignment a using (stream_id) "
            "join {p}.requirement r on r.requirement_id = s.requirement_id and r.requirement_id = a.requirement_id "
            "where s.source = %s",
            source_name,
        )
        return {row["external_id"]: row for row in rows}

    def source(self, name: str = "field") -> db.Row:
        (row,) = db.view(self.conn, "sources", where={"source": name})
        return row

    def register(self, instance_id: str, max_streams: int, capabilities: Sequence[str] = ()) -> None:
        (row,) = db.call(
            self.owner,
            "register_instance",
            instance_id=instance_id,
            max_streams=max_streams,
            capabilities=["audio_fingerprinting", *capabilities],
            takeover=True,
        )
        self.incarnations[instance_id] = row["incarnation"]

    def assigned(self, instance_id: str) -> dict[int, db.Row]:
        """What an instance should be running, by stream id."""
        rows = db.call(
            self.owner, "get_assignments", instance_id=instance_id, incarnation=self.incarnations[instance_id]
        )
        return {row["stream_id"]: row for row in rows}

    def start_all(self, instance_id: str) -> None:
        """The instance confirms everything that it was given."""
        rows = self.assigned(instance_id).values()
        db.call(
            self.owner,
            "acknowledge",
            instance_id=instance_id,
            incarnation=self.incarnations[instance_id],
            started=[row["stream_id"] for row in rows],
            started_epochs=[row["epoch"] for row in rows],
        )

    def staged_rows(self) -> int:
        return int(self.query("select count(*) as n from {a}.stream_staging")[0]["n"])

    def stage(self, batch: str, rows: Sequence[dict[str, Any]]) -> None:
        """Rows as a DBA would insert them by hand."""
        for line, row in enumerate(rows, start=1):
            self.query(
                "insert into {a}.stream_staging (batch, line, external_id, name, url, active, region, metadata) "
                "values (%s, %s, %s, %s, %s, %s, %s, %s) returning line",
                batch,
                row.get("line", line),
                row.get("external_id"),
                row.get("name"),
                row.get("url"),
                row.get("active"),
                row.get("region"),
                json.dumps(row["metadata"]) if "metadata" in row else None,
            )


@pytest.fixture
def external(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[External]:
    parts: dict[str, Any] = conninfo_to_dict(empty_database)
    if password := parts.pop("password", None):
        monkeypatch.setenv("PGPASSWORD", password)
    dsn = make_conninfo(**parts)
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as conn:
        yield External(dsn, conn)


@pytest.fixture
def fleet(database: Database) -> Fleet:
    return Fleet(database.connect("admin"), database.connect(), database)


@pytest.fixture
def run(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Run:
    for variable in ("POSTGRES_HOST", "DB_TABLE_NAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ORCHESTRATOR_DSN", fleet.database.dsn)
    monkeypatch.setenv("ORCHESTRATOR_SCHEMA", fleet.database.names.api)

    def invoke(command: click.Command, *arguments: object, **options: Any) -> Result:
        return CliRunner().invoke(command, [str(argument) for argument in arguments], **options)

    return invoke
