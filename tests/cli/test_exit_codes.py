"""The exit statuses that scripts go by, each from the real program, with its answer in JSON."""

import json
import subprocess
from typing import Any

import pytest

from tests.cli.conftest import Fleet
from tests.cli.terminal import PROGRAMS
from tests.support import Database


def orchestrator(*arguments: str) -> tuple[int, Any, Any]:
    """The status, and what was said on standard output and on standard error."""
    done = subprocess.run(
        [PROGRAMS / "orchestrator", *arguments, "--json"], capture_output=True, text=True, check=False
    )
    answer, error = (json.loads(said) if said else None for said in (done.stdout, done.stderr))
    return done.returncode, answer, error


def test_each_exit_status(fleet: Fleet, database: Database, empty_database: str) -> None:
    here = ("--dsn", database.dsn, "--schema", database.names.api)

    status, answer, error = orchestrator("instance", "list", *here)
    assert (status, [row["instance_id"] for row in answer], error) == (0, ["one", "two"], None)

    status, answer, error = orchestrator("instance", "show", "unknown", *here)
    assert (status, answer, error["error"]["code"]) == (1, None, "OR103")

    status, answer, error = orchestrator("instance", "show", *here)
    assert (status, answer, error["error"]["code"]) == (2, None, "usage")

    status, answer, error = orchestrator("db", "check", "--dsn", empty_database)
    assert (status, [row["kind"] for row in answer], error) == (3, ["pending"], None)

    fleet.conn.execute(f"alter table {database.names.private}.stream add column left_over text")
    status, answer, error = orchestrator("db", "check", *here)
    assert (status, [row["kind"] for row in answer], error) == (4, ["altered"], None)

    status, answer, error = orchestrator("instance", "list", "--dsn", "host=/nowhere")
    assert (status, answer, error["error"]["code"]) == (75, None, "08000")
    assert error["error"].keys() == {"code", "message", "detail", "hint"}


@pytest.mark.parametrize("program", ["orchestrator", "worker-shim"])
def test_help_and_version_succeed(program: str) -> None:
    for option in ("--help", "-h"):
        assert subprocess.run([PROGRAMS / program, option], capture_output=True, check=False).returncode == 0
