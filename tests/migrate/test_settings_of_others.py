"""Installing where defaults and encodings are others than those that PostgreSQL is delivered with."""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.database import embedded
from orchestrator.install import check, migrate, script
from tests import hostile
from tests.cli.conftest import cli_for

ENCODINGS = ("SQL_ASCII", "LATIN1", "LATIN2", "WIN1252", "EUC_JP")


def _psql(dsn: str, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(embedded.program_path("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-f", "-"],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture
def encoded(empty_database: str, superuser: psycopg.Connection[object]) -> Iterator[Callable[[str], str]]:
    """Makes a database in an encoding, and returns its DSN."""
    dbname = f"{conninfo_to_dict(empty_database)['dbname']}_encoded"
    name = sql.Identifier(dbname)

    def create(encoding: str) -> str:
        options = sql.SQL("encoding {} lc_collate 'C' lc_ctype 'C' template template0").format(sql.Literal(encoding))
        superuser.execute(sql.SQL("create database {} ").format(name) + options)
        return make_conninfo(empty_database, dbname=dbname)

    yield create
    superuser.execute(sql.SQL("drop database if exists {} with (force)").format(name))


@pytest.fixture
def with_defaults(empty_database: str) -> Callable[[Mapping[str, str]], str]:
    """The DSN of an empty database with these defaults."""

    def make(settings: Mapping[str, str]) -> str:
        name = sql.Identifier(str(conninfo_to_dict(empty_database)["dbname"]))
        with psycopg.connect(empty_database, autocommit=True) as conn:
            conn.execute("set default_transaction_read_only = off")
            for statement in hostile.set_for(sql.SQL("database {}").format(name), settings):
                conn.execute(statement)
        return empty_database

    return make


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_database_that_is_not_in_utf8_is_refused_in_a_sentence(encoded: Callable[[str], str], encoding: str) -> None:
    dsn = encoded(encoding)

    answer = cli_for(dsn, "orchestrator")("db", "migrate", "--json")
    assert answer.exit_code == 1
    assert (
        answer.error["message"] == f"the encoding of the database is {encoding}; only UTF8 holds every station's name"
    )
    assert "encoding 'UTF8' template template0" in answer.error["hint"]
    for client in ("UTF8", encoding):
        done = _psql(dsn, script.render(), PGCLIENTENCODING=client)
        assert done.returncode != 0
        assert f"the encoding of the database is {encoding}; only UTF8 holds" in done.stderr.splitlines()[0]
    with psycopg.connect(dsn) as conn:
        assert conn.execute("select from pg_namespace where nspname like 'orchestrator%'").fetchall() == []


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_fence_stands_in_a_database_of_any_encoding(encoded: Callable[[str], str], encoding: str) -> None:
    dsn = encoded(encoding)
    done = _psql(dsn, script.render_fence(), PGCLIENTENCODING="UTF8", PGOPTIONS=hostile.options(hostile.FORMS))
    assert (done.returncode, done.stderr) == (0, "")
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("select orchestrator_fence.advance(1, 5)")
        assert conn.execute("select orchestrator_fence.is_current(1, 4)").fetchone() == (False,)


_ALL_BUT_LIMITS = {name: value for name, value in hostile.ALL.items() if name not in hostile.LIMITS}


def test_it_installs_and_upgrades_under_the_defaults_of_others(
    with_defaults: Callable[[Mapping[str, str]], str],
) -> None:
    """The same definitions, as each session reads them, and texts as they stand in the files."""
    with psycopg.connect(with_defaults({}), autocommit=True) as conn:
        conn.execute("create access method another type table handler heap_tableam_handler")
    dsn = with_defaults({**hostile.ALL, "default_table_access_method": "another"})
    migrate.migrate(dsn)
    assert check.check(dsn) == []
    migrate.migrate(dsn, repair=True)
    with psycopg.connect(dsn) as conn:
        others = conn.execute(
            "select relname from pg_class as c join pg_am as a on relam = a.oid where amname = 'another'"
        )
        assert others.fetchall() == []
    with psycopg.connect(dsn, autocommit=True, options="-c default_transaction_isolation=serializable") as conn:
        conn.execute("set default_transaction_read_only = off")
        conn.execute(
            sql.SQL("alter database {} reset all").format(sql.Identifier(str(conninfo_to_dict(dsn)["dbname"])))
        )
    assert check.check(dsn) == []
    with psycopg.connect(dsn, client_encoding="UTF8") as conn:
        assert conn.execute("select orchestrator_private.redact('password=abc')").fetchone() == ("password=…",)


def test_what_was_installed_looks_unchanged_under_the_defaults_of_others(
    with_defaults: Callable[[Mapping[str, str]], str],
) -> None:
    migrate.migrate(with_defaults({}))
    dsn = with_defaults(hostile.ALL)
    assert check.check(dsn) == []
    with psycopg.connect(dsn, client_encoding="UTF8") as conn:
        found = conn.execute("select subject from orchestrator.diagnose() where code like '%schema%'").fetchall()
    assert found == []


@pytest.mark.parametrize("client", ["LATIN1", "SQL_ASCII"])
def test_the_script_goes_through_a_psql_with_the_defaults_of_others(empty_database: str, client: str) -> None:
    options = hostile.options({**_ALL_BUT_LIMITS, "client_encoding": client})
    done = _psql(empty_database, script.render(), PGCLIENTENCODING=client, PGOPTIONS=options)
    assert done.returncode == 0, done.stderr
    assert check.check(empty_database) == []


def test_a_primary_that_was_frozen_is_not_migrated(with_defaults: Callable[[Mapping[str, str]], str]) -> None:
    """default_transaction_read_only may be how a failover keeps a primary from changes."""
    dsn = with_defaults({"default_transaction_read_only": "on"})
    answer = cli_for(dsn, "orchestrator")("db", "migrate", "--json")
    assert (answer.exit_code, answer.error["code"]) == (75, "25006")
    assert "default_transaction_read_only" in answer.error["hint"]


def test_an_event_trigger_that_forbids_changes_is_named(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute(
            "create function forbid() returns event_trigger language plpgsql as "
            "$$ begin raise exception 'no changes without a ticket'; end $$"
        )
        conn.execute("create event trigger forbid on ddl_command_start execute function forbid()")
    answer = cli_for(empty_database, "orchestrator")("db", "migrate", "--json")
    assert answer.exit_code == 1
    assert "no changes without a ticket" in answer.error["message"]
