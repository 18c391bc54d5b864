"""`orchestrator top`: pg_activity on this database in a terminal, and what it knows in one answer."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.database.sessions import Session, who_is
from orchestrator.redact import redact
from tests.cli.conftest import Cli, Fleet
from tests.cli.terminal import PROGRAMS, terminal
from tests.driver.processes import wait_until
from tests.support import Database


@pytest.mark.slow  # it asks the terminal for abilities, and waits for answers
def test_top_shows_pg_activity_with_our_names_and_no_password_on_its_command_line(database: Database) -> None:
    busy = psycopg.connect(database.dsn, autocommit=True, application_name="busy program")
    statement = b"select pg_sleep(600) -- api_key=hush \x1b]0;owned\x07 \xe2\x80\xae"
    waiter = threading.Thread(target=run_until_ended, args=[busy, statement])
    waiter.start()
    dsn = make_conninfo(database.dsn, password="hush")
    with terminal("top", "--dsn", dsn, "--no-inst-info", "--refresh", "1", width=260, more={"TERM": "xterm"}) as shown:
        shown.read_until("RUNNING QUERIES")
        shown.read_until("busy program")
        shown.read_until("api_key=… \\u001b]0;owned\\u0007 \\u202e")
        command_line = Path(f"/proc/{shown.process.pid}/cmdline").read_bytes()
        shown.press("q")
        shown.end()
    busy.cancel_safe()
    waiter.join()
    busy.close()
    assert "\x1b]0;owned" not in shown.shown
    assert b"pg_activity" in command_line
    assert b"--filter=dbname:^" in command_line
    assert b"hush" not in command_line


def run_until_ended(conn: psycopg.Connection[Any], statement: bytes) -> None:
    with suppress(psycopg.errors.QueryCanceled):
        conn.execute(statement)


@contextmanager
def a_jam(database: Database, fleet: Fleet) -> Iterator[dict[str, int]]:
    """A session of psql holds the decision lock and a row; a command waits for the one, a worker for the other."""
    fleet.conn.execute("create table note (id integer, password text); insert into note values (1, '')")
    with (
        psycopg.connect(database.dsn, application_name="psql") as dba,
        psycopg.connect(
            database.dsn, autocommit=True, application_name="worker_shim orchestrator.fingerv7-001"
        ) as worker,
    ):
        dba.execute(sql.SQL("select {}.lock_decisions()").format(sql.Identifier(database.names.private)))
        dba.execute("update note set password = 'the \x1b[2J one that ''alice'' knows'")
        waiter = threading.Thread(target=worker.execute, args=["update note set password = 'hush'"])
        waiter.start()
        command = subprocess.Popen(
            [PROGRAMS / "orchestrator", "rebalance", "now", "--dsn", database.dsn, "--schema", database.names.api],
            stderr=subprocess.DEVNULL,
        )
        try:
            waiting = wait_until(
                lambda: fleet.conn.execute(
                    "select pid from pg_stat_activity where datname = current_database()"
                    " and application_name = 'orchestrator:rebalance now' and cardinality(pg_blocking_pids(pid)) > 0"
                ).fetchone()
            )
            yield {"dba": dba.info.backend_pid, "worker": worker.info.backend_pid, "command": waiting["pid"]}
        finally:
            command.kill()
            command.wait()
            dba.rollback()
            waiter.join()


def test_once_says_who_waits_for_whom_in_our_words(cli: Cli, fleet: Fleet, database: Database) -> None:
    """By locks on rows and on tables alike; without secrets."""
    with a_jam(database, fleet) as pids:
        answer = cli("top", "--once", "--json")
        told = cli("top", "--once").stdout

    found = answer.json
    assert found.keys() == {"sees_all", "running", "waiting", "blocking"}
    assert found["sees_all"] is True
    sessions = [*found["running"], *found["waiting"], *found["blocking"]]
    assert all(list(session) == [field.name for field in fields(Session)] for session in sessions)
    waiting = {session["who"]: session for session in found["waiting"]}
    assert waiting["worker"]["name"] == "fingerv7-001"
    assert (waiting["worker"]["pid"], waiting["worker"]["lock"]) == (pids["worker"], "transactionid")
    assert waiting["command"]["name"] == "rebalance now"
    assert (waiting["command"]["pid"], waiting["command"]["lock"]) == (pids["command"], "relation")
    assert waiting["worker"]["blocked_by"] == waiting["command"]["blocked_by"] == [pids["dba"]]
    [blocking] = found["blocking"]
    assert (blocking["pid"], blocking["who"], blocking["state"]) == (pids["dba"], "dba", "idle in transaction")
    assert blocking["blocks"] == sorted([pids["worker"], pids["command"]])
    assert "rebalance now" in told and "fingerv7-001" in told
    for text in (answer.stdout, told):
        assert "hush" not in text and "alice" not in text and "\x1b" not in text


def test_a_login_that_is_no_superuser_sees_who_blocks_whom_and_is_told_what_it_does_not_see(
    cli: Cli, fleet: Fleet, database: Database
) -> None:
    dsn = database.create_login("reader")
    with a_jam(database, fleet) as pids:
        found: dict[str, Any] = cli("top", "--once", "--json", "--dsn", dsn).json
        told = cli("top", "--once", "--dsn", dsn)

    assert found["sees_all"] is False
    assert {(session["who"], *session["blocked_by"]) for session in found["waiting"]} == {
        ("worker", pids["dba"]),
        ("command", pids["dba"]),
    }
    assert [(session["pid"], session["who"]) for session in found["blocking"]] == [(pids["dba"], "dba")]
    assert told.exit_code == 0
    assert "pg_read_all_stats" in told.stderr


def test_top_refuses_what_it_cannot_use(cli: Cli) -> None:
    answer = cli("top", "--json")
    assert answer.exit_code == 2
    assert "--once" in answer.error["message"]
    assert cli("top", "--once", "--no-inst-info").exit_code == 2
    assert (
        cli("top", "--once", "--dsn", "host=/nowhere").exit_code == cli("top", "--dsn", "host=/nowhere").exit_code == 75
    )


@pytest.mark.parametrize(
    ("application_name", "who"),
    [
        ("orchestrator:run node-a:17", ("driver", "node-a:17")),
        ("orchestrator:run node-a:17 sync_source", ("driver", "node-a:17 sync_source")),
        ("worker_shim fleet_two.fingerv7-001", ("worker", "fingerv7-001")),
        ("orchestrator:http", ("http", "")),
        ("orchestrator:stream import", ("command", "stream import")),
        ("orchestrator:status", ("command", "status")),
        ("orchestrator:migrate", ("migration", "")),
        ("orchestrator:source field", ("source", "field")),
        ("pg_cron scheduler", ("driver", "pg_cron")),
        ("pgAdmin 4 - DB:radio", ("dba", "pgAdmin 4 - DB:radio")),
        ("billing", ("other", "billing")),
        ("", ("other", "")),
    ],
)
def test_a_session_is_known_by_its_application_name(application_name: str, who: tuple[str, str]) -> None:
    assert who_is(application_name) == who


@pytest.mark.parametrize(
    "statement",
    [
        "alter role x password 'hush'",
        "alter role x encrypted password E'hu\\'hush'",
        "select f(p_password => 'hush''hush', p_id => 1)",
        "alter role x password $$hush$$",
        "alter role x password $a$it's hush$a$",
        "select dblink('host=x password=hush user=y')",
        "update t set api_key = 'hu\nhush' where id = 1",
        "alter role x password 'hush and cut off",
        "select 'postgresql://u:hush@h/d'",
    ],
)
def test_a_statement_is_shown_without_its_secrets(statement: str) -> None:
    assert "hush" not in redact(statement)
    assert redact("select name from t where password is null") == "select name from t where password is null"
