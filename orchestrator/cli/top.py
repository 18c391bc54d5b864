"""orchestrator top: pg_activity on this database."""

import os
import shutil
import sys
from pathlib import Path

import click
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator import db
from orchestrator.cli import options
from orchestrator.errors import OrchestratorError


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("pg_activity_options", nargs=-1, type=click.UNPROCESSED)
@options.common
def top(target: options.Target, pg_activity_options: tuple[str, ...]) -> None:
    """Watch what the database server is doing, with pg_activity.

    Further options go to pg_activity as they are.
    """
    if target.json:
        raise click.UsageError("top is for people; 'orchestrator status --json' answers programs")
    program = _pg_activity()
    parameters = conninfo_to_dict(db.conninfo(target.dsn, application_name="top"))
    # A password on a command line can be read by every user of the host.
    password = parameters.pop("password", None)
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    dsn = make_conninfo("", **parameters)
    os.execve(program, [program, *pg_activity_options, dsn], environment)


def _pg_activity() -> str:
    beside_python = Path(sys.executable).with_name("pg_activity")
    found = str(beside_python) if beside_python.exists() else shutil.which("pg_activity")
    if found is None:
        raise OrchestratorError("pg_activity is not installed", hint="pip install 'radio-orchestrator[cli]'")
    return found
