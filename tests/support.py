"""What the fixtures hand to a test, for its annotations: `from tests.support import Clock, Database`."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import md5
from itertools import count
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.database import db
from orchestrator.names import Names

_login_numbers = count(1)


def digest_of(streams: Iterable[tuple[int, int]]) -> int:
    """xor over (stream_id, epoch) of the first 8 bytes of md5('stream_id:epoch') as a signed big-endian integer."""
    total = 0
    for stream_id, epoch in streams:
        total ^= int.from_bytes(md5(f"{stream_id}:{epoch}".encode(), usedforsecurity=False).digest()[:8], "big")
    return total - (1 << 64) if total >= 1 << 63 else total


def statement(text: str, names: Names) -> sql.Composed:
    """SQL in which {a} or {api}, {p} or {private}, and {owner} stand for the names of a fleet."""
    by_name = {name: sql.Identifier(value) for name, value in names.as_dict().items()}
    return sql.SQL(text).format(a=by_name["api"], p=by_name["private"], **by_name)


def query(
    conn: psycopg.Connection[dict[str, Any]],
    text: str,
    names: Names,
    parameters: Sequence[Any] | Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The rows of such a statement, if it returns any."""
    cursor = conn.execute(statement(text, names), parameters)
    return cursor.fetchall() if cursor.description else []


@dataclass(frozen=True)
class Server:
    """Where the server of this session is, in the words of pytest-postgresql."""

    host: str
    port: str
    user: str
    password: str | None = None
    options: str = ""
    maintenance_dbname: str = "postgres"
    template_dbname: str | None = None

    def dsn(self, dbname: str = "postgres") -> str:
        return make_conninfo(host=self.host, port=self.port, user=self.user, password=self.password, dbname=dbname)


@dataclass
class Database:
    """A migrated database of its own for one test."""

    dsn: str
    names: Names
    lend: Callable[[str | None], db.Connection] | None = None
    """Where sessions come from that many tests use one after the other (kept.py)."""
    _opened: ExitStack = field(default_factory=ExitStack)

    def connect(self, role: str | None = None, *, autocommit: bool = True) -> db.Connection:
        """A connection as the superuser, or as a member of `role` ("admin", "worker", "reader", "owner") only."""
        if self.lend is not None:
            conn = self.lend(role)
        else:
            conn = db.connect(self.dsn, schema=self.names.api, application_name=role or "test", autocommit=True)
            self._opened.enter_context(conn)
            if role is not None:
                conn.execute(sql.SQL("set role {}").format(sql.Identifier(getattr(self.names, role))))
        conn.autocommit = autocommit
        return conn

    def connect_as(self, dsn: str) -> db.Connection:
        """A connection with a DSN of its own."""
        return self._opened.enter_context(db.connect(dsn, schema=self.names.api, application_name="test login"))

    def create_login(self, *roles: str, password: str | None = None) -> str:
        """The DSN of a new login that is a member of these roles ("admin", "worker", "reader"). It goes with the
        database."""
        name = f"{self.names.api}_{'_'.join(roles)}_{os.getpid()}_{next(_login_numbers)}"
        login, superuser = sql.Identifier(name), self.connect()
        superuser.execute(sql.SQL("create role {} login password {}").format(login, sql.Literal(password)))
        self._opened.callback(superuser.execute, sql.SQL("drop role {}").format(login))
        for role in roles:
            superuser.execute(sql.SQL("grant {} to {}").format(sql.Identifier(getattr(self.names, role)), login))
        return make_conninfo(self.dsn, user=name, password=password)

    def close(self) -> None:
        self._opened.close()


@dataclass(frozen=True)
class Clock:
    """Stands in for the clock of one database: time passes only when a test says so."""

    conn: db.Connection

    @property
    def now(self) -> datetime:
        row = self.conn.execute(statement("select {private}.now() as now", self.conn.names)).fetchone()
        assert row is not None
        moment = row["now"]
        assert isinstance(moment, datetime)
        return moment

    def advance(self, by: str | timedelta) -> datetime:
        """Let time pass, in every session of this database, while somebody looks all the time."""
        with self.conn.transaction():
            self.step(by)
            self.conn.execute(
                statement("update {private}.job set last_started_at = last_started_at + %s::interval", self.conn.names),
                [by],
            )
        return self.now

    def step(self, by: str | timedelta) -> datetime:
        """The clock steps, and no time passes. (Of time that passes without a look this cannot be told.)"""
        self.conn.execute(
            statement('update {private}."test_clock" set moment = moment + %s::interval', self.conn.names), [by]
        )
        return self.now

    def set(self, moment: datetime | str) -> datetime:
        """Let time pass until a moment."""
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment)
        return self.advance(moment - self.now)

    def install(self) -> None:
        self.conn.execute(
            statement(
                """
                create table {private}.test_clock (moment timestamptz not null);
                insert into {private}.test_clock values ('2026-03-01 12:00:00+00');
                grant select on {private}.test_clock to public;
                create or replace function {private}.now() returns timestamptz
                    language sql volatile security definer set search_path = pg_catalog, pg_temp
                    as $$ select moment from {private}.test_clock $$;
                create or replace function {private}.server_started_at() returns timestamptz
                    language sql volatile as $$ select timestamptz '2026-02-01 12:00:00+00' $$;
                """,
                self.conn.names,
            )
        )
