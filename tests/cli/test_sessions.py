"""Every connection that the project opens says whose it is, and docs/operating/operators.md lists the names."""

import socket
import subprocess
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, get_args

from orchestrator.database.sessions import Who, who_is
from tests.cli.conftest import Cli, Fleet
from tests.cli.terminal import PROGRAMS
from tests.driver.processes import wait_until
from tests.support import Database

OPERATORS = Path(__file__).parents[2] / "docs" / "operating" / "operators.md"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_every_session_of_a_running_fleet_is_known_by_its_name(cli: Cli, fleet: Fleet, database: Database) -> None:
    """A driver with a source to read, a worker, the HTTP face, a command."""
    fleet.conn.execute("create view station as select 1 as id, 'http://radio.example/1' as url from pg_sleep(600)")
    cli("source", "add", "field", "--from", database.dsn, "--table", "station")
    port = free_port()
    here = ("--dsn", database.dsn, "--schema", database.names.api)

    def ask() -> Any:
        with suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/instances", timeout=10).status

    def names() -> dict[str, tuple[str, str]]:
        rows = fleet.conn.execute(
            "select application_name from pg_stat_activity"
            " where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()"
        ).fetchall()
        return {row["application_name"]: who_is(row["application_name"]) for row in rows}

    with ExitStack() as stack:
        for program, *arguments in (
            ("orchestrator", "run", "--name", "node-a", *here),
            ("orchestrator", "serve", "--port", str(port), *here),
            ("orchestrator", "status", "--watch", "--json", *here),
            ("worker-shim", "run", "--instance-id", "w1", "--max-streams", "3", "--exec", "sleep 600", *here),
        ):
            process = subprocess.Popen(
                [PROGRAMS / program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
        wait_until(ask)
        wanted = {("driver", "node-a"), ("worker", "w1"), ("http", ""), ("command", "status"), ("source", "field")}
        wait_until(lambda: wanted <= set(names().values()), what=str(wanted))
        unknown = {name for name, (who, _) in names().items() if who in ("dba", "other")}
    assert not unknown


def test_the_names_are_documented() -> None:
    documented = OPERATORS.read_text()
    rows = [line for line in documented.splitlines() if line.startswith("| `") and line.count("|") == 4]
    told = {row.split("|")[2].strip() for row in rows}
    assert set(get_args(Who)) <= told
    for row in rows:
        name, who = (cell.strip().strip("`") for cell in row.split("|")[1:3])
        if who in get_args(Who) and who != "other":
            assert who_is(name.replace("NAME", "x").replace("ID", "x").replace("SCHEMA", "s"))[0] == who, row
