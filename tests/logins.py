"""Logins and group roles that a test makes, renames and drops."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.database import db
from tests.support import Database


@dataclass
class Logins:
    """Roles of one test. They begin with a name of their own, since roles are the whole server's."""

    database: Database
    superuser: db.Connection
    _prefix: str = field(default_factory=lambda: f"test_{secrets.token_hex(4)}_")
    _connections: ExitStack = field(default_factory=ExitStack)
    _roles: set[str] = field(default_factory=set)

    def name(self, short: str) -> str:
        return self._prefix + short

    def group(self, short: str) -> str:
        """A role that cannot log in; returns its name."""
        return self._create(short, "nologin")

    def worker(self, short: str, *groups: str, options: str = "") -> str:
        """A login with the worker's role and these groups; returns its name."""
        name = self._create(short, "login")
        for group in (self.database.names.worker, *groups):
            self.do(f"grant {{}} to {{}} {options}", group, name)
        return name

    def admin(self, short: str) -> str:
        name = self._create(short, "login")
        self.do("grant {} to {}", self.database.names.admin, name)
        return name

    def dsn(self, name: str) -> str:
        return make_conninfo(self.database.dsn, user=name, password="known")

    def connect(self, name: str) -> db.Connection:
        return self._connections.enter_context(
            db.connect(self.dsn(name), schema=self.database.names.api, application_name="test", autocommit=True)
        )

    def rename(self, name: str, short: str) -> str:
        self.do("alter role {} rename to {}", name, self.name(short))
        self.do("alter role {} password 'known'", self.name(short))
        self._roles = self._roles - {name} | {self.name(short)}
        return self.name(short)

    def drop(self, name: str) -> None:
        """Drop a role whose sessions are gone."""
        sessions = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = %s"
        self.superuser.execute(sessions, [name])
        self.do("drop role {}", name)
        self._roles -= {name}

    def do(self, text: str, *names: str) -> None:
        self.superuser.execute(sql.SQL(text).format(*map(sql.Identifier, names)))

    def close(self) -> None:
        self._connections.close()
        for name in list(self._roles):
            self.drop(name)

    def _create(self, short: str, kind: str) -> str:
        name = self.name(short)
        self.do(f"create role {{}} {kind} password 'known'", name)
        self._roles.add(name)
        return name


@contextmanager
def logins_of(database: Database) -> Iterator[Logins]:
    made = Logins(database, database.connect())
    yield made
    made.close()
