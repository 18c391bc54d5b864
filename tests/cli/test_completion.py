"""Completion, through the shell that asks for it."""

import os
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Fleet
from tests.cli.terminal import PROGRAMS
from tests.support import Database

BASH = """
{setup}
COMP_WORDS=({words} "{last}")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
{function} {program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@cache
def setup(program: str) -> str:
    return subprocess.check_output([PROGRAMS / program, "completion", "bash"], text=True)


def complete(line: str, program: str = "orchestrator", **environment: str) -> list[str]:
    """What bash is offered for the last word of a line."""
    *words, last = line.split(" ")
    function = f"_{program.replace('-', '_')}_completion"
    script = BASH.format(setup=setup(program), program=program, words=" ".join(words), last=last, function=function)
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", **environment},
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_what_the_database_knows_is_offered(cli: Cli, fleet: Fleet, database: Database) -> None:
    ids = fleet.add_streams(3)
    cli("source", "add", "field", "--from", "host=x")
    cli("alerts", "target", "set", "night_shift")
    alert_id = fleet.open_alert()
    here = {"ORCHESTRATOR_DSN": database.dsn, "ORCHESTRATOR_SCHEMA": database.names.api}
    assert complete("orchestrator instance show ", **here) == ["one", "two"]
    assert complete("orchestrator stream move 1 t", **here) == ["two"]
    assert complete("orchestrator stream explain ", **here) == [str(stream_id) for stream_id in ids]
    assert complete("orchestrator settings set heartbeat_", **here) == [
        "heartbeat_interval",
        "heartbeat_timeout",
        "heartbeat_warning",
    ]
    assert complete("orchestrator jobs run watch_i", **here) == ["watch_instances"]
    assert complete("orchestrator source sync f", **here) == ["field"]
    assert complete("orchestrator alerts target set n", **here) == ["night_shift"]
    assert complete("orchestrator alerts ack ", **here) == [str(alert_id)]
    assert complete("orchestrator rebalance plan --without o", **here) == ["one"]


def test_names_of_commands_and_options_are_offered_and_ask_no_database() -> None:
    """A database that takes a connection and never answers would be noticed."""
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(Path(directory) / ".s.PGSQL.5432"))
        silent.listen()
        silent.settimeout(0)
        here = {"ORCHESTRATOR_DSN": f"host={directory} dbname=x user=x"}
        assert complete("orchestrator st", **here) == ["status", "stream"]
        assert complete("orchestrator instance d", **here) == ["drain"]
        assert complete("orchestrator instance list --w", **here) == ["--watch"]
        with pytest.raises(BlockingIOError):
            silent.accept()

        began = time.monotonic()
        assert complete("orchestrator instance show ", **here) == []
        silent.accept()[0].close()
        assert time.monotonic() - began < 20  # 2 s, and a busy machine


def test_a_database_that_is_away_is_no_reason_to_say_anything(empty_database: str) -> None:
    for dsn in ("host=/nowhere", "nonsense", empty_database):
        assert complete("orchestrator instance show ", ORCHESTRATOR_DSN=dsn) == []


def test_each_shell_gets_its_script(cli: Cli) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_ORCHESTRATOR_COMPLETE" in cli("completion", shell).stdout
    assert complete("worker-shim run --instance", "worker-shim") == ["--instance-id"]
