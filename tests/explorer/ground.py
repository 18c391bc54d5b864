"""The database that walks begin from: a small fleet at rest with short times, and a clock that stands still.

A walk is one transaction that is rolled back, so the ground stays as it is. Dead rows are what walks leave; they are
swept away now and then.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from orchestrator.database import db
from orchestrator.database.db import _call
from orchestrator.errors import from_database
from tests.explorer.worker import Refused
from tests.support import Clock, Database, statement

_log = logging.getLogger("psycopg")

STREAMS = 4
SETTINGS = {
    "heartbeat_interval": "10 seconds",
    "heartbeat_warning": "20 seconds",
    "heartbeat_timeout": "40 seconds",
    "handoff_timeout": "15 seconds",
    "disconnect_grace": "5 seconds",
    "restart_grace": "20 seconds",
    "rebalance_cooldown": "10 seconds",
    "refusal_time": "10 seconds",
    "probation_time": "10 seconds",
    "removal_timeout": "10 minutes",
}
"""Times so short that each of them passes in a few steps."""
JOBS = ("watch_instances", "settle", "finish_handoffs", "check_balance")

# A restored database is another server's: this one tells when it was started, and a restore changes it.
_SERVER = """
create table {private}.test_server (started_at timestamptz not null);
insert into {private}.test_server values ('2026-02-01 12:00:00+00');
grant select on {private}.test_server to public;
create or replace function {private}.server_started_at() returns timestamptz
    language sql volatile as $$ select s.started_at from {private}.test_server as s $$;
"""
_ADVANCE = """
update {private}.test_clock set moment = moment + interval '%s';
update {private}.job set last_started_at = last_started_at + interval '%s'
"""
_TABLES = """
select c.oid::regclass::text as name, (
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute as a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
) as columns
from pg_class as c
where c.relnamespace = any(%s::regnamespace[]) and c.relkind = 'r' and c.relname !~ '^test_'
order by 1
"""


class Ground:
    """One database, and one session in which all walks are taken."""

    def __init__(self, database: Database) -> None:
        """The database has the test's clock, and is not as others know it afterwards: it has to be one of its own."""
        self.names = database.names
        self.conn = database.connect()
        self.clock = Clock(self.conn)
        self._advance = statement(_ADVANCE, self.names).as_string(None)
        self.conn.answer_within = None
        self.conn.execute("set idle_in_transaction_session_timeout = 0; set statement_timeout = '60s'")
        self.conn.execute(statement(_SERVER, self.names))
        schemas = [self.names.api, self.names.private]
        self._tables = {row["name"]: row["columns"] for row in self.conn.execute(_TABLES, [schemas]).fetchall()}
        for name, value in SETTINGS.items():
            self.call("set_setting", name=name, value=value)
        for row in db.view(self.conn, "jobs"):
            self.call("schedule_job", job=row["job"], enabled=row["job"] in JOBS)
        self.query("update {private}.job set next_run_at = {private}.now()")
        for number in range(1, STREAMS + 1):
            self.call("add_stream", url=f"http://radio.example/{number}")
        self.call("run_due_jobs")
        self.conn.prepare_threshold = 0  # planned once: each is called thousands of times

    def query(self, text: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> list[db.Row]:
        """{private} and {api} stand for the schemas."""
        cursor = self.conn.execute(statement(text, self.names), parameters)
        return cursor.fetchall() if cursor.description else []

    def call(self, function: str, **parameters: Any) -> list[db.Row]:
        return db.call(self.conn, function, **parameters)

    def try_call(self, function: str, **parameters: Any) -> list[db.Row]:
        """Within a walk: what is refused leaves nothing behind. Raises Refused where that is a fair answer."""
        try:
            with self.conn.pipeline():  # there and back once
                self.order("savepoint call")
                cursor = self.conn.execute(_call(self.names, function, tuple(parameters)), parameters)
                self.order("release savepoint call")
            return cursor.fetchall()
        except psycopg.Error as raised:
            self.order("rollback to savepoint call")
            error = from_database(raised)
            code = str(error.code)
            if code.startswith(("OR1", "OR3", "OR4")) and code != "OR101":
                raise Refused(code) from None
            raise error from raised

    def advance(self, seconds: float) -> None:
        """Let time pass while somebody looks all the time, as Clock.advance does, there and back once."""
        self.order(self._advance.replace("%s", f"{seconds} seconds"))

    def step(self, seconds: float) -> None:
        """The clock steps, and no time passes."""
        self.clock.step(f"{seconds} seconds")

    def order(self, text: str) -> None:
        """Not prepared: where a prepared statement ends a transaction, psycopg forgets all plans."""
        self.conn.execute(text, prepare=False)

    @contextmanager
    def walk(self) -> Iterator[None]:
        """What is done inside is undone."""
        level = _log.level
        _log.setLevel(logging.CRITICAL)  # psycopg warns of each refusal in a pipeline
        self.order("begin")
        try:
            yield
        finally:
            self.order("rollback")
            _log.setLevel(level)

    @contextmanager
    def aside(self, name: str) -> Iterator[None]:
        """Within a walk: what is done inside is undone."""
        self.order(f"savepoint {name}")
        try:
            yield
        finally:
            self.order(f"rollback to savepoint {name}")

    def sweep(self) -> None:
        """Between two walks: take out the dead rows."""
        self.order("vacuum " + ", ".join(self._tables))

    # -- a backup ----------------------------------------------------------------------------------------------------

    def back_up(self) -> dict[str, list[str]]:
        """The rows of all tables."""
        parts = [
            f"select '{name}' as name, array_agg(t::text order by t::text) as rows from {name} as t"
            for name in self._tables
        ]
        rows = self.conn.execute(" union all ".join(parts)).fetchall()
        return {row["name"]: row["rows"] or [] for row in rows}

    def restore(self, backup: Mapping[str, Sequence[str]]) -> None:
        """The database is as it was, on a server that was started now. Time has gone on."""
        self.order("set local session_replication_role = replica")  # neither triggers nor foreign keys have a say
        for name, columns in self._tables.items():
            self.order(f"delete from {name}")
            if backup[name]:
                picked = ", ".join(f"(r.row).{column}" for column in columns.split(", "))
                self.conn.execute(
                    f"insert into {name} ({columns}) overriding system value "
                    f"select {picked} from (select unnest(%s::text[])::{name} as row) as r",
                    [list(backup[name])],
                )
        self.order("set local session_replication_role = origin")
        self.query("update {private}.test_server set started_at = {private}.now()")
