"""The product as it is deployed, for the clients to meet: a table of stations, a database, a driver, servers."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from orchestrator.database import db
from orchestrator.http.access import Limits
from orchestrator.http.server import Options
from orchestrator.sources.sync import sync
from tests.driver.processes import DriverProcess
from tests.field.faults import Way
from tests.field.judge import Judge
from tests.field.launcher import Field
from tests.field.production import TABLE
from tests.http.processes import HttpServer
from tests.support import Database, query

FIRST_STREAM_ID = 1001
"""Of our own ids, which no index is like."""

SCALED = (
    "disconnect_grace", "handoff_timeout", "heartbeat_interval", "heartbeat_timeout", "heartbeat_warning",
    "heartbeats_timeout", "http_absence", "http_absence_grace", "http_ask_rhythm", "http_ask_timeout",
    "http_beat_timeout", "http_fleet_memory", "http_ghost_timeout", "http_hold", "http_memory",
    "http_remainder_wait", "http_silence_grace", "probation_time", "rebalance_cooldown", "refusal_time",
    "restart_grace", "settle_window", "stall_timeout", "streams_waiting_alert",
)  # fmt: skip

_STREAMS = """
    create table streams (
        url text, name text, sheet text, cidade text, estado text, regiao text, segmento text, "index" integer
    )
"""


def scale_windows(database: Database, factor: float) -> None:
    """Let the product's time run as the clients' does, as far as the bounds of its settings allow."""
    query(
        database.connect(),
        "update {p}.setting set value = greatest(value::interval / %s, minimum::interval)::text where name = any(%s)",
        database.names,
        [factor, list(SCALED)],
    )
    # alerts are looked for every ten seconds
    query(database.connect(), "update {p}.job set schedule = '1 second' where job = 'evaluate_alerts'", database.names)


def without_password(dsn: str) -> str:
    """A source's address has none: whoever reads it has it from libpq's places."""
    parts: dict[str, Any] = {key: value for key, value in conninfo_to_dict(dsn).items() if key != "password"}
    return make_conninfo(**parts)


def make_table(dsn: str, indexes: Sequence[int], ids: Sequence[int] | None = None) -> None:
    """The table in the field. With `ids` it is the newer one, which has its own ids beside the indexes."""
    with psycopg.connect(dsn) as conn:
        conn.execute(_STREAMS)
        conn.execute(TABLE)
        if ids is not None:
            conn.execute("alter table streams add id bigint, add assigned_server text")
        for place, index in enumerate(indexes):
            conn.execute(
                'insert into streams (url, name, sheet, cidade, estado, regiao, segmento, "index") '
                "values (%s, %s, 'sheet', 'Campinas', 'SP', 'sudeste', 'pop', %s)",
                [f"http://radio.example/{index}", f"Radio {index}", index],
            )
            if ids is not None:
                conn.execute('update streams set id = %s where "index" = %s', [ids[place], index])


@dataclass
class World:
    """All of it. What the product believes is asked here, what is heard is asked of the judge."""

    database: Database
    table: str
    """Where the table of stations is."""
    indexes: Sequence[int]
    factor: float
    within: Path
    servers: list[HttpServer] = field(default_factory=list)
    _open: ExitStack = field(default_factory=ExitStack)

    def start(
        self,
        *,
        servers: int = 1,
        column_map: Mapping[str, Any] | None = None,
        first_stream_id: int = FIRST_STREAM_ID,
    ) -> None:
        self.owner = self.database.connect()
        self.admin = self.database.connect("admin")
        self.query("alter table {p}.stream alter column stream_id restart with " + str(first_stream_id))
        scale_windows(self.database, self.factor)
        options = {"column_map": dict(column_map)} if column_map else {}
        self.add_source(**options)
        sync(self.admin, "field")
        self.driver = DriverProcess(self.database.dsn, self.database.names.api, self.within / "driver.log")
        self._open.callback(self.driver.end)
        self.login = self.database.create_login("worker", "reader")
        for _ in range(servers):
            self.serve()
        self.way = Way([server.port for server in self.servers])
        self._open.callback(self.way.end)
        self.driver.wait_for_line(event="connected")
        self.judge = Judge(self.indexes, self.factor)
        self.field = Field(self.judge, self.within, url=self.way.url, table=("--dsn", self.table))
        self._open.callback(self.field.end)

    def add_source(self, **options: Any) -> None:
        db.call(
            self.admin,
            "add_source",
            source="field",
            conninfo=without_password(self.table),
            table_name="streams",
            **options,
        )

    def serve(self) -> HttpServer:
        log = self.within / f"server-{len(self.servers)}.log"
        server = HttpServer(self.login, self.database.names.api, log, options=Options(limits=Limits(rate=0)))
        self.servers.append(server)
        self._open.callback(server.stop)
        return server

    def freeze(self) -> None:
        """The servers stand still, and what is sent to them meanwhile waits for them."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for server in self.servers:
            if server.process.pid is not None and server.process.is_alive():
                os.kill(server.process.pid, number)

    def end(self) -> None:
        self.thaw()
        self._open.close()

    def production(self) -> dict[str, dict[str, Any]]:
        """What the hosts wrote of themselves, by name."""
        with psycopg.connect(self.table, row_factory=dict_row) as conn:
            return {row["server_id"]: row for row in conn.execute("select * from server_heartbeats")}

    # -- what the product believes -------------------------------------------------------------------------------------

    def query(self, text: str, *parameters: Any) -> list[db.Row]:
        """{p} is the private schema, {a} the public one."""
        return query(self.owner, text, self.database.names, parameters)

    def owners(self) -> dict[int, str | None]:
        """By index."""
        rows = db.view(self.admin, "streams")
        return {int(row["external_id"]): row["instance_id"] for row in rows}

    def booked(self, name: str) -> set[int]:
        return {index for index, owner in self.owners().items() if owner == name}

    def unassigned(self) -> set[int]:
        rows = db.view(self.admin, "streams")
        return {int(row["external_id"]) for row in rows if row["state"] == "waiting" or row["instance_id"] is None}

    def epochs(self) -> dict[int, int]:
        return {int(row["external_id"]): row["epoch"] for row in db.view(self.admin, "streams")}

    def movements(self) -> int:
        """How often a stream changed hands."""
        return len(db.view(self.admin, "movements"))

    def registrations(self, name: str) -> int:
        """It grows with each."""
        [row] = db.view(self.admin, "instances", where={"instance_id": name})
        return int(row["incarnation"])

    def open_alerts(self, *words: str) -> list[db.Row]:
        """Those whose text holds all of these words."""
        rows = [row for row in db.view(self.admin, "alerts") if row["resolved_at"] is None]
        return [row for row in rows if all(word in str(dict(row)) for word in words)]
