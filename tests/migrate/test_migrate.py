"""Installing and upgrading: what `orchestrator db migrate` does to a database."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.errors import BadArgument
from orchestrator.install import check, migrate, script, session
from orchestrator.install.history import Drift
from orchestrator.install.migrate import MigrationBlocked, Report
from orchestrator.install.program import MigrationError
from orchestrator.names import Names
from tests.migrate.conftest import Fleet
from tests.support import Server


def test_an_empty_database_gets_everything_in_one_run(fleet: Fleet) -> None:
    report = fleet.migrate()
    assert report.migrations == ["0001_note.sql"]
    assert len(report.repeatables) == 5
    fleet.run("insert into {private}.note values (1, 'quiet')")
    assert fleet.run("select * from {api}.read_note(1)") == [{"body": "QUIET"}]
    assert fleet.check() == []


def test_a_second_run_finds_nothing_to_do_and_takes_no_lock(fleet: Fleet) -> None:
    fleet.migrate()
    with fleet.connect() as other, other.transaction():
        other.execute(fleet.sql("lock table {private}.note in access exclusive mode"))
        other.execute(fleet.sql("lock table {private}.schema_object in share row exclusive mode"))
        report = fleet.migrate(patience=0)
    assert report.nothing_to_do
    assert report.attempts == 1


def test_twenty_at_once_make_one_installation(fleet: Fleet) -> None:
    barrier = threading.Barrier(20)

    def install(_: int) -> Report:
        barrier.wait()
        return fleet.migrate()

    with ThreadPoolExecutor(20) as pool:
        reports = list(pool.map(install, range(20)))
    assert sorted(report.nothing_to_do for report in reports) == [False] + [True] * 19
    assert fleet.run("select count(*) as applied from {private}.schema_migration") == [{"applied": 1}]
    assert fleet.check() == []


def test_installations_in_several_databases_of_a_server_may_make_the_same_roles_at_once(
    fleet: Fleet, server: Server, superuser: psycopg.Connection[Any]
) -> None:
    databases = [f"{fleet.names.api}_db_{number}" for number in range(4)]
    for database in databases:
        superuser.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
    try:
        barrier = threading.Barrier(len(databases))

        def install(database: str) -> Report:
            barrier.wait()
            return fleet.migrate(dsn=server.dsn(database))

        with ThreadPoolExecutor(len(databases)) as pool:
            reports = list(pool.map(install, databases))
        assert not any(report.nothing_to_do for report in reports)
    finally:
        for database in databases:
            superuser.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database)))


def test_two_fleets_live_in_one_database(fleet: Fleet) -> None:
    other = Fleet(fleet.dsn, Names.for_schema(f"{fleet.names.api}b"), fleet.directory)
    fleet.migrate()
    other.migrate()
    fleet.run("insert into {private}.note values (1, 'first')")
    other.run("insert into {private}.note values (1, 'second')")
    assert fleet.run("select body from {api}.notes") == [{"body": "FIRST"}]
    assert other.run("select body from {api}.notes") == [{"body": "SECOND"}]
    fleet.replace("sql/views/notes.sql", "n.note_id, n.body", "n.note_id, n.body, 1 as one")
    fleet.migrate()
    assert fleet.check() == []
    assert other.run("select * from {api}.notes") == [{"note_id": 1, "body": "SECOND"}]
    other.migrate()
    assert other.check() == []
    other.run("drop owned by {owner} cascade")
    other.run("drop owned by {reader} cascade")
    for role in ("owner", "admin", "worker", "reader"):
        other.run(f"drop role {{{role}}}")


class TestAnUpgrade:
    def test_applies_new_migrations_under_the_functions_and_views_that_stand_on_the_tables(self, fleet: Fleet) -> None:
        fleet.migrate()
        fleet.run("insert into {private}.note values (1, 'kept')")
        fleet.write("migrations/0002_wide.sql", "alter table {{ private }}.note alter column note_id type numeric;")
        fleet.replace("sql/api/read_note.sql", "p_note_id bigint", "p_note_id numeric")
        fleet.replace("sql/grants.sql", "read_note(bigint)", "read_note(numeric)")
        report = fleet.migrate()
        assert report.migrations == ["0002_wide.sql"]
        assert fleet.run("select * from {api}.read_note(1)") == [{"body": "KEPT"}]
        assert fleet.check() == []

    def test_may_rename_a_parameter(self, fleet: Fleet) -> None:
        fleet.migrate()
        fleet.replace("sql/api/read_note.sql", "p_note_id", "p_id")
        fleet.migrate()
        assert fleet.run("select * from {api}.read_note(p_id => 1)") == []

    def test_may_add_a_parameter_without_leaving_an_overload(self, fleet: Fleet) -> None:
        fleet.migrate()
        fleet.replace("sql/api/read_note.sql", "p_note_id bigint", "p_note_id bigint, p_more text default null")
        fleet.replace("sql/grants.sql", "read_note(bigint)", "read_note(bigint, text)")
        fleet.migrate()
        assert len(fleet.run("select proname from pg_proc where proname = 'read_note'")) == 1

    def test_may_change_what_a_function_returns_and_which_columns_a_view_has(self, fleet: Fleet) -> None:
        fleet.migrate()
        fleet.replace("sql/api/read_note.sql", "(body text)", "(text text)")
        fleet.replace("sql/views/notes.sql", "n.note_id, n.body", "n.body as words")
        fleet.migrate()
        fleet.run("insert into {private}.note values (1, 'x')")
        assert fleet.run("select * from {api}.notes") == [{"words": "X"}]
        assert fleet.run("select * from {api}.read_note(1)") == [{"text": "X"}]

    def test_drops_what_left_the_manifest(self, fleet: Fleet) -> None:
        fleet.migrate()
        fleet.write("sql/manifest", "api/read_note.sql\nviews/notes.sql\ngrants.sql\n")
        assert ("pending", "private/shout.sql is no longer in the manifest") in fleet.check()
        fleet.migrate()
        fleet.run("insert into {private}.note values (1, 'quiet')")
        assert fleet.run("select * from {api}.read_note(1)") == [{"body": "quiet"}]
        assert fleet.check() == []

    def test_takes_back_a_privilege_that_left_the_grants(self, fleet: Fleet) -> None:
        fleet.migrate()
        fleet.replace("sql/grants.sql", "grant select on {{ api }}.notes to {{ reader }};", "")
        fleet.migrate()
        granted = fleet.run(
            "select has_table_privilege(r.rolname, c.oid, 'select') as may_read "
            "from pg_roles as r, pg_class as c "
            f"where r.rolname = '{fleet.names.reader}' and c.oid = '{fleet.names.api}.notes'::regclass"
        )
        assert granted == [{"may_read": False}]

    def test_leaves_what_a_dba_built_on_it_alone(self, fleet: Fleet) -> None:
        fleet.migrate()
        fleet.run("create view public.dashboard as select n.body from {api}.notes as n, {api}.read_note(n.note_id)")
        fleet.run("create function {api}.own() returns integer language sql as 'select 1'")
        fleet.run("create table {private}.own_table (id integer)")
        fleet.replace("sql/private/shout.sql", "upper", "lower")
        fleet.migrate()
        fleet.run("insert into {private}.note values (1, 'LOUD')")
        assert fleet.run("select * from public.dashboard") == [{"body": "loud"}]
        assert sorted(fleet.check()) == [
            ("left over", f"function {fleet.names.api}.own()"),
            ("left over", f"table {fleet.names.private}.own_table"),
        ]

    def test_that_would_break_what_a_dba_built_on_it_says_so_and_changes_nothing(self, fleet: Fleet) -> None:
        fleet.migrate()
        fleet.run("create view public.dashboard as select n.body from {api}.notes as n")
        fleet.replace("sql/views/notes.sql", "n.note_id, n.body", "n.body as words")
        with pytest.raises(MigrationError, match=r"views/notes\.sql:"):
            fleet.migrate()
        assert fleet.run("select * from public.dashboard") == []
        assert fleet.run("select * from {api}.notes") == []

    def test_with_an_error_in_a_file_names_the_line_and_changes_nothing(self, fleet: Fleet) -> None:
        fleet.migrate()
        before = fleet.run("select * from {private}.schema_object order by kind, identity")
        fleet.write("migrations/0002_more.sql", "create table {{ private }}.more (id integer);")
        fleet.write(
            "sql/views/notes.sql",
            "-- A view.\ncreate view {{ api }}.notes as\nselect n.nothing from {{ private }}.note as n;",
        )
        with pytest.raises(MigrationError, match=r"views/notes\.sql:3: column n\.nothing does not exist") as caught:
            fleet.migrate()
        assert caught.value.exit_code == 1
        assert fleet.run("select * from {private}.schema_object order by kind, identity") == before
        assert fleet.status().database_version == 1
        assert fleet.run("select to_regclass('more')") == [{"to_regclass": None}]


def _internal_error(message: str, *, tries: int) -> str:
    """So many times; a sequence counts on when all else is rolled back."""
    return f"""
        do $$
        begin
            if nextval('public.tries') <= {tries} then
                raise exception using errcode = 'XX000', message = '{message}';
            end if;
        end
        $$;
    """


class TestLocks:
    def test_a_long_transaction_is_waited_for_in_short_turns_that_let_others_pass(self, fleet: Fleet) -> None:
        """R2.1: who comes after the migration does not wait for the long transaction before it."""
        fleet.migrate()
        fleet.replace("sql/private/shout.sql", "upper", "lower")
        with ThreadPoolExecutor(1) as pool:
            with fleet.connect() as long, long.transaction():
                long.execute(fleet.sql("select from {private}.note"))
                migrating = pool.submit(fleet.migrate)
                slowest = 0.0
                deadline = time.monotonic() + 5
                while time.monotonic() < deadline:
                    started = time.monotonic()
                    fleet.run("select * from {api}.notes")
                    slowest = max(slowest, time.monotonic() - started)
                    time.sleep(0.05)
                assert not migrating.done()
            report = migrating.result(timeout=30)
        assert report.attempts > 1
        assert slowest < 3
        assert fleet.check() == []

    def test_a_transaction_that_does_not_end_is_named_when_patience_is_over(self, fleet: Fleet) -> None:
        fleet.migrate()
        fleet.replace("sql/private/shout.sql", "upper", "lower")
        with fleet.connect() as long, long.transaction():
            long.execute("set local application_name = 'nightly report'")
            long.execute(fleet.sql("select from {private}.note"))
            pid = long.info.backend_pid
            with pytest.raises(MigrationBlocked) as caught:
                fleet.migrate(patience=1)
        assert caught.value.exit_code == 75
        assert caught.value.code == "55P03"
        assert f"pid {pid}" in str(caught.value.hint)
        assert "nightly report" in str(caught.value.hint)
        assert len(fleet.status().changed) == 1

    def test_a_change_of_the_same_row_of_the_catalog_is_tried_again(self, fleet: Fleet) -> None:
        fleet.run("create sequence public.tries; grant usage on public.tries to public")
        fleet.write("migrations/0002_more.sql", _internal_error("tuple concurrently updated", tries=2))
        report = fleet.migrate()
        assert report.attempts == 3
        assert report.migrations == ["0001_note.sql", "0002_more.sql"]
        assert fleet.check() == []

    def test_any_other_internal_error_is_told_at_once_with_its_place(self, fleet: Fleet) -> None:
        """It is nobody's lock, and would come again."""
        fleet.run("create sequence public.tries; grant usage on public.tries to public")
        fleet.write("migrations/0002_more.sql", _internal_error("could not read block 7", tries=9))
        with pytest.raises(MigrationError, match=r"0002_more\.sql: could not read block 7") as caught:
            fleet.migrate()
        assert caught.value.code == "XX000"
        assert fleet.run("select last_value from public.tries") == [{"last_value": 1}]

    def test_calls_go_on_while_the_functions_are_made_anew(self, fleet: Fleet) -> None:
        fleet.migrate()
        fleet.run("insert into {private}.note values (1, 'x')")
        stop = threading.Event()
        failures: list[psycopg.Error] = []
        calls = 0

        def call() -> None:
            nonlocal calls
            with fleet.connect() as conn:
                while not stop.is_set():
                    try:
                        conn.execute(fleet.sql("select * from {api}.read_note(%s)"), [1]).fetchall()
                        conn.execute(fleet.sql("select * from {api}.notes")).fetchall()
                        calls += 1
                        time.sleep(0.002)
                    except psycopg.Error as error:
                        failures.append(error)

        callers = [threading.Thread(target=call) for _ in range(2)]
        for caller in callers:
            caller.start()
        for _ in range(10):
            fleet.migrate(repair=True)
        stop.set()
        for caller in callers:
            caller.join()
        assert calls > 0
        assert [(type(failure).__name__, str(failure)) for failure in failures] == []


class TestRefusals:
    def test_a_database_that_is_newer_than_the_program(self, fleet: Fleet) -> None:
        fleet.write("migrations/0002_more.sql", "create table {{ private }}.more (id integer);")
        fleet.migrate()
        (fleet.directory / "migrations/0002_more.sql").unlink()
        with pytest.raises(MigrationError, match="0002_more, which this program does not know") as caught:
            fleet.migrate()
        assert caught.value.exit_code == 1
        assert ("newer", "0002_more") in fleet.check()

    def test_a_migration_that_was_edited_after_its_release(self, fleet: Fleet) -> None:
        fleet.migrate()
        fleet.replace("migrations/0001_note.sql", "body text not null", "body text")
        with pytest.raises(Drift, match="0001_note was edited") as caught:
            fleet.migrate()
        assert caught.value.exit_code == 4
        assert fleet.check() == [("edited", "0001_note")]

    def test_a_migration_that_comes_too_late(self, fleet: Fleet) -> None:
        fleet.write("migrations/0003_more.sql", "create table {{ private }}.more (id integer);")
        fleet.migrate()
        fleet.write("migrations/0002_late.sql", "create table {{ private }}.late (id integer);")
        with pytest.raises(MigrationError, match="0002_late comes too late"):
            fleet.migrate()

    def test_a_server_that_is_too_old(self, monkeypatch: pytest.MonkeyPatch, fleet: Fleet) -> None:
        monkeypatch.setattr(session, "OLDEST_SERVER", 990000)
        with pytest.raises(MigrationError, match="the oldest that works") as caught:
            fleet.migrate()
        assert caught.value.exit_code == 1

    @pytest.mark.parametrize("schema", ["", "Fleet", "1st", "a b", "pg_fleet", "fifteen_letters", 'x"; drop table y'])
    def test_a_schema_that_cannot_be_one(self, schema: str) -> None:
        with pytest.raises(BadArgument, match="cannot be the schema"):
            migrate.migrate("", schema)

    @pytest.mark.parametrize(
        ("path", "text", "message"),
        [
            ("migrations/2_short.sql", "", "not the name of a migration"),
            ("migrations/0001_again.sql", "", "have the same number"),
            ("sql/manifest", "private/nothing.sql\n", "the manifest names private/nothing.sql"),
            ("sql/views/notes.sql", "select {{ unknown }};", "unknown"),
        ],
    )
    def test_files_that_do_not_fit_together(self, fleet: Fleet, path: str, text: str, message: str) -> None:
        fleet.write(path, text)
        with pytest.raises(MigrationError, match=message):
            fleet.migrate()


class TestRoles:
    def test_a_login_that_may_create_roles_installs_without_being_superuser(
        self, fleet: Fleet, login: str, superuser: psycopg.Connection[Any]
    ) -> None:
        superuser.execute(sql.SQL("alter role {} createrole").format(sql.Identifier(login)))
        self._may_create_schemas(fleet, login)
        dsn = make_conninfo(fleet.dsn, user=login)
        assert not fleet.migrate(dsn=dsn).nothing_to_do
        assert fleet.migrate(dsn=dsn).nothing_to_do
        fleet.replace("sql/private/shout.sql", "upper", "lower")
        assert not fleet.migrate(dsn=dsn).nothing_to_do
        owners = fleet.run(
            "select distinct relowner::regrole::text as owner from pg_class "
            f"where relnamespace in ('{fleet.names.api}'::regnamespace, '{fleet.names.private}'::regnamespace)"
        )
        assert owners == [{"owner": fleet.names.owner}]
        assert fleet.check() == []

    def test_a_login_that_may_not_is_told_who_can_and_can_migrate_after_that(self, fleet: Fleet, login: str) -> None:
        self._may_create_schemas(fleet, login)
        dsn = make_conninfo(fleet.dsn, user=login)
        with pytest.raises(MigrationError, match="may not create the roles") as caught:
            fleet.migrate(dsn=dsn)
        assert caught.value.exit_code == 1
        assert f"orchestrator db roles --schema {fleet.names.api} --login {login}" in str(caught.value.hint)
        with fleet.connect() as conn:
            conn.execute(script.roles(fleet.names.api, login=login))
        fleet.migrate(dsn=dsn)
        assert fleet.check() == []

    def test_a_login_that_is_no_member_of_the_owner_may_neither_migrate_nor_look(
        self, fleet: Fleet, login: str
    ) -> None:
        fleet.migrate()
        fleet.replace("sql/private/shout.sql", "upper", "lower")
        dsn = make_conninfo(fleet.dsn, user=login)
        with pytest.raises(MigrationError, match="may not act as"):
            fleet.migrate(dsn=dsn)
        with pytest.raises(MigrationError, match="may not read the history"):
            check.check(dsn, fleet.names.api, **fleet.roots)

    def _may_create_schemas(self, fleet: Fleet, login: str) -> None:
        with fleet.connect() as conn:
            conn.execute(
                sql.SQL("grant create on database {} to {}").format(
                    sql.Identifier(conn.info.dbname), sql.Identifier(login)
                )
            )


def test_a_server_that_is_too_old_is_refused(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "OLDEST_SERVER", 990000)
    with pytest.raises(MigrationError, match="is the oldest that works") as refused:
        fleet.migrate()
    assert refused.value.code == "55000"
    assert refused.value.hint == "upgrade the server; 15 to 18 are supported"
    assert fleet.run("select to_regnamespace('{api}') as made") == [{"made": None}]


def test_a_schema_that_belongs_to_all_is_refused() -> None:
    with pytest.raises(BadArgument, match="public"):
        Names.for_schema("public")
