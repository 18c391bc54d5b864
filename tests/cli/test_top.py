"""`orchestrator top` is pg_activity on this database: run in a terminal of its own."""

import os
import pty
import select
import sys
import termios
import time
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from tests.cli.conftest import Cli
from tests.support import Database

ORCHESTRATOR = Path(sys.executable).with_name("orchestrator")


@pytest.mark.slow  # it asks the terminal for abilities, and waits for answers
def test_top_shows_pg_activity_and_no_password_on_its_command_line(database: Database) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        termios.tcsetwinsize(0, (40, 120))
        os.environ["TERM"] = "xterm"
        dsn = make_conninfo(database.dsn, password="hush")
        os.execv(ORCHESTRATOR, [str(ORCHESTRATOR), "top", "--dsn", dsn, "--no-inst-info"])
    try:
        shown = _read_until(terminal, b"RUNNING QUERIES")
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes()
    finally:
        os.write(terminal, b"q")
        os.close(terminal)
        os.waitpid(pid, 0)
    assert b"RUNNING QUERIES" in shown
    assert b"pg_activity" in command_line
    assert b"hush" not in command_line


def test_top_answers_no_programs(cli: Cli) -> None:
    answer = cli("top", "--json")

    assert answer.exit_code == 2
    assert "status --json" in answer.stderr


def _read_until(terminal: int, wanted: bytes, seconds: float = 20.0) -> bytes:
    shown = b""
    end = time.monotonic() + seconds
    while wanted not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # the process has ended
                break
    return shown
