"""A small fleet of its own for each test: tables, a function, a view, a trigger and grants, free to be edited."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from orchestrator import templates
from orchestrator.install import check, migrate
from orchestrator.install.check import Status
from orchestrator.install.migrate import Report
from orchestrator.names import Names

_FILES = {
    "migrations/0001_note.sql": """
        create table {{ private }}.note (
            note_id bigint not null, body text not null, constraint note_pkey primary key (note_id)
        );
        create index note_by_body on {{ private }}.note (body);
    """,
    "sql/manifest": """
        private/shout.sql
        triggers/shout.sql
        api/read_note.sql
        views/notes.sql
        grants.sql
    """,
    "sql/private/shout.sql": """
        create or replace function {{ private }}.shout() returns trigger language plpgsql as $function$
        begin
            new.body := upper(new.body);
            return new;
        end
        $function$;
    """,
    "sql/triggers/shout.sql": """
        create or replace trigger shout before insert on {{ private }}.note
            for each row execute function {{ private }}.shout();
    """,
    "sql/api/read_note.sql": """
        create or replace function {{ api }}.read_note(p_note_id bigint) returns table (body text)
            language sql stable security definer set search_path = pg_catalog, pg_temp
        begin atomic
            select n.body from {{ private }}.note as n where n.note_id = p_note_id;
        end;
    """,
    "sql/views/notes.sql": """
        create or replace view {{ api }}.notes as select n.note_id, n.body from {{ private }}.note as n;
    """,
    "sql/grants.sql": """
        alter default privileges in schema {{ api }} revoke execute on functions from public;
        revoke execute on all functions in schema {{ api }} from public;
        grant usage on schema {{ api }} to {{ reader }};
        grant select on {{ api }}.notes to {{ reader }};
        grant execute on function {{ api }}.read_note(bigint) to {{ reader }};
    """,
}
_numbers = count(1)


@dataclass(frozen=True)
class Fleet:
    """A database, a schema name and SQL files, all this test's own."""

    dsn: str
    names: Names
    directory: Path

    @property
    def roots(self) -> dict[str, Any]:
        return {"sql_root": self.directory / "sql", "migrations_root": self.directory / "migrations"}

    def migrate(self, *, dsn: str | None = None, **options: Any) -> Report:
        return migrate.migrate(dsn or self.dsn, self.names.api, **options, **self.roots)

    def check(self) -> list[tuple[str, str]]:
        return [(finding.kind, finding.what) for finding in check.check(self.dsn, self.names.api, **self.roots)]

    def status(self) -> Status:
        return check.status(self.dsn, self.names.api, **self.roots)

    def write(self, path: str, text: str) -> None:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.directory / path).read_text()
        assert old in text
        self.write(path, text.replace(old, new))

    def connect(self) -> psycopg.Connection[dict[str, Any]]:
        return psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row)

    def run(self, statement: str) -> list[dict[str, Any]]:
        """As a superuser, with {api}, {private} and the roles for their names."""
        with self.connect() as conn:
            cursor = conn.execute(self.sql(statement))
            return cursor.fetchall() if cursor.description else []

    def sql(self, statement: Any) -> sql.Composed:
        return sql.SQL(statement).format(**{key: sql.Identifier(name) for key, name in self.names.as_dict().items()})


@pytest.fixture
def fleet(empty_database: str, superuser: psycopg.Connection[Any], tmp_path: Path) -> Iterator[Fleet]:
    names = Names.for_schema(f"m{next(_numbers)}")
    fleet = Fleet(empty_database, names, tmp_path)
    shutil.copytree(templates.SQL_ROOT / "runner", tmp_path / "sql" / "runner")
    for path, text in _FILES.items():
        fleet.write(path, text)
    yield fleet
    with psycopg.connect(empty_database, autocommit=True) as conn, suppress(psycopg.errors.UndefinedObject):
        for role in (names.owner, names.admin, names.worker, names.reader):
            conn.execute(sql.SQL("drop owned by {} cascade").format(sql.Identifier(role)))
    for role in (names.owner, names.admin, names.worker, names.reader):
        with suppress(psycopg.errors.DependentObjectsStillExist):  # another database of the same test
            superuser.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))


@pytest.fixture
def login(superuser: psycopg.Connection[Any]) -> Iterator[str]:
    """A login without any privilege."""
    name = f"login_{next(_numbers)}"
    superuser.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
    yield name
    with psycopg.connect(superuser.info.dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("alter role {} nologin").format(sql.Identifier(name)))
