"""--watch: a live page that outlives its database connection."""

import json
import os
import signal
import subprocess

import pytest
from psycopg import sql

from orchestrator.database import db
from tests.cli.conftest import Cli, Fleet
from tests.cli.terminal import PROGRAMS, terminal
from tests.driver.processes import wait_until
from tests.support import Database


@pytest.fixture
def reader(database: Database) -> tuple[str, ...]:
    """Options of a login that may look. A superuser would come in where others are kept out."""
    return ("--dsn", database.create_login("reader"), "--schema", database.names.api)


def let_in(conn: db.Connection, *, logins: bool) -> None:
    conn.execute(
        sql.SQL("alter database {} connection limit {}").format(
            sql.Identifier(conn.info.dbname), sql.Literal(-1 if logins else 0)
        )
    )


def cut(conn: db.Connection, command: str) -> int:
    """End the sessions of a command; how many there were."""
    ended = conn.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        " and application_name = %s",
        [f"orchestrator:{command}"],
    )
    return len(ended.fetchall())


def test_a_live_page_keeps_its_last_picture_while_the_database_is_away(
    fleet: Fleet, reader: tuple[str, ...], cli: Cli
) -> None:
    """R5.1: it is marked as old, goes on by itself, and Ctrl-C ends it with status 0."""
    fleet.add_streams(2)
    with terminal("status", "--watch", "0.2", *reader, width=100) as live:
        live.read_until("2 held, 0 waiting")
        assert "status  every 0.2 s  refreshed " in live.text
        let_in(fleet.conn, logins=False)
        assert cut(fleet.conn, "status") == 1
        stale = live.read_until("s old: ")
        assert "STALE: the database has been away since " in stale
        live.read_until("2 held, 0 waiting")  # drawn again below it

        let_in(fleet.conn, logins=True)
        cli("rebalance", "pause", "--reason", "new \x1b[31m\u202ecables")
        live.read_until("every 0.2 s  refreshed ")
        shown = live.read_until("cables")
        assert "new \\u001b[31m\\u202ecables" in shown
        assert live.interrupt() == 0
    _, _, afterwards = live.text.rpartition("status  every 0.2 s")
    assert "2 held, 0 waiting" in afterwards, "the last picture stays on the screen"
    assert "Traceback" not in live.text


def test_a_server_that_says_nothing_is_noticed_too(fleet: Fleet, reader: tuple[str, ...]) -> None:
    with terminal("health", "--watch", "0.1", *reader, width=100) as live:
        live.read_until("health  every 0.1 s  refreshed ")
        [row] = fleet.conn.execute(
            "select pid from pg_stat_activity where datname = current_database()"
            " and application_name = 'orchestrator:health'"
        )
        os.kill(row["pid"], signal.SIGSTOP)
        try:
            live.read_until(", no answer for ")
        finally:
            os.kill(row["pid"], signal.SIGCONT)
        live.read_until("health  every 0.1 s  refreshed ")
        assert live.interrupt() == 0


def test_a_page_is_cut_to_the_screen_and_redrawn_in_place(cli: Cli, fleet: Fleet, reader: tuple[str, ...]) -> None:
    with (
        terminal("settings", "list", *reader, height=12) as whole,
        terminal("jobs", "list", "--watch", "0.1", *reader, height=12) as live,
    ):
        whole.end()
        live.read_until("jobs list  every 0.1 s  refreshed")
        live.read_until("lines more")
        assert live.interrupt() == 0
    assert "\x1b[?1049h" in live.shown and "\x1b[?1049l" in live.shown, "a screen of its own, which is left again"


def test_with_json_each_refresh_is_one_line_and_an_error_too(fleet: Fleet, reader: tuple[str, ...], cli: Cli) -> None:
    command = [str(PROGRAMS / "orchestrator"), "alerts", "--watch", "0.1", "--json", *reader]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert [json.loads(process.stdout.readline()) for _ in range(2)] == [[], []]
        let_in(fleet.conn, logins=False)
        wait_until(lambda: cut(fleet.conn, "alerts"))
        error = json.loads(process.stderr.readline())["error"]
        assert error["hint"]
        let_in(fleet.conn, logins=True)
        while process.stdout.readline():  # those from before may still be in the pipe
            if cut_again := cut(fleet.conn, "alerts"):
                break
        assert cut_again == 1, "it is back"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_on_a_pipe_the_table_comes_again_with_an_empty_line_between(fleet: Fleet, reader: tuple[str, ...]) -> None:
    command = [str(PROGRAMS / "orchestrator"), "instance", "list", "--watch", "0.1", *reader]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in range(8)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    assert [line[0] if line else "" for line in lines] == ["instance_id", "one", "two", ""] * 2


def test_what_does_not_pass_ends_it(cli: Cli, fleet: Fleet, reader: tuple[str, ...]) -> None:
    with terminal("instance", "show", "unknown", "--watch", *reader) as live:
        assert live.end() == 1
    assert "unknown instance (OR103)" in live.text
    for wrong in ("soon", "0", "nan", "inf", "1e300"):
        answer = cli("health", f"--watch={wrong}")
        assert answer.exit_code == 2 and "--watch" in answer.stderr, wrong
    assert cli("alerts", "--watch", "2", "ack", "1").exit_code == 2
