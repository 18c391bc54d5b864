"""What the fixtures hand to a test, for its annotations: `from tests.support import Clock, Database`."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.database import db
from orchestrator.names import Names


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
    _opened: ExitStack = field(default_factory=ExitStack)

    def connect(self, role: str | None = None, *, autocommit: bool = True) -> db.Connection:
        """A connection as the superuser, or as a member of `role` ("admin", "worker", "reader", "owner") only."""
        conn = db.connect(self.dsn, schema=self.names.api, application_name=role or "test", autocommit=True)
        self._opened.enter_context(conn)
        if role is not None:
            conn.execute(sql.SQL("set role {}").format(sql.Identifier(getattr(self.names, role))))
        conn.autocommit = autocommit
        return conn

    def close(self) -> None:
        self._opened.close()


@dataclass(frozen=True)
class Clock:
    """Stands in for the clock of one database: time passes only when a test says so."""

    conn: db.Connection

    @property
    def now(self) -> datetime:
        row = self.conn.execute(self._sql("select {private}.now() as now")).fetchone()
        assert row is not None
        moment = row["now"]
        assert isinstance(moment, datetime)
        return moment

    def advance(self, by: str | timedelta) -> datetime:
        """Let time pass, in every session of this database."""
        self.conn.execute(self._sql('update {private}."test_clock" set moment = moment + %s::interval'), [by])
        return self.now

    def set(self, moment: datetime | str) -> datetime:
        self.conn.execute(self._sql('update {private}."test_clock" set moment = %s::timestamptz'), [moment])
        return self.now

    def install(self) -> None:
        self.conn.execute(
            self._sql(
                """
                create table {private}.test_clock (moment timestamptz not null);
                insert into {private}.test_clock values ('2026-03-01 12:00:00+00');
                grant select on {private}.test_clock to public;
                create or replace function {private}.now() returns timestamptz
                    language sql volatile security definer set search_path = pg_catalog, pg_temp
                    as $$ select moment from {private}.test_clock $$;
                create or replace function {private}.server_started_at() returns timestamptz
                    language sql volatile as $$ select timestamptz '2026-02-01 12:00:00+00' $$;
                """
            )
        )

    def _sql(self, text: Any) -> sql.Composed:
        return sql.SQL(text).format(private=sql.Identifier(self.conn.names.private))
