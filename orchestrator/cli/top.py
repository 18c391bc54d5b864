"""orchestrator top: pg_activity on this database."""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from importlib.util import find_spec

import click
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.cli import answer, options, output
from orchestrator.database import db, sessions
from orchestrator.errors import OrchestratorError

COLUMNS = ("pid", "who", "name", "blocked_by", "blocks", "for", "state", "query", "login")
LOCK_COLUMNS = ("pid", "who", "name", "blocked_by", "blocks", "for", "lock", "relation", "mode", "query", "login")


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--once", is_flag=True, help="Say once who runs, waits and blocks, and whom. For programs: --once --json."
)
@click.argument("pg_activity_options", nargs=-1, type=click.UNPROCESSED)
@options.common
def top(target: options.Target, once: bool, pg_activity_options: tuple[str, ...]) -> None:
    """Watch what the sessions of the database are doing, with pg_activity.

    Further options go to pg_activity as they are; without any --filter it shows this database only. Sessions of this
    system are known by their program (docs/operating/operators.md lists the names): drivers, workers, the HTTP face,
    commands.
    """
    if once and pg_activity_options:
        raise click.UsageError(f"--once takes no options of pg_activity: {' '.join(pg_activity_options)}")
    if target.json and not once:
        raise click.UsageError("--json needs --once; without it, top is for people")
    if find_spec("pgactivity") is None:
        raise OrchestratorError("pg_activity is not installed", hint="pip install 'radio-orchestrator[cli]'")
    if once:
        _once(target)
        return
    with target.connect() as conn:  # which says better than pg_activity what is wrong
        database = conn.info.dbname
    parameters = conninfo_to_dict(db.complete_dsn(target.dsn, application_name="top"))
    # A password on a command line can be read by every user of the host.
    password = parameters.pop("password", None)
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    is_filtered = any(option.startswith("--filter") for option in pg_activity_options)
    this_database = [] if is_filtered else [f"--filter=dbname:{sessions.this_database(database)}"]
    dsn = make_conninfo("", **parameters)
    command = [sys.executable, "-m", "orchestrator.cli.pg_activity", *this_database, *pg_activity_options, dsn]
    os.execve(sys.executable, command, environment)


def _once(target: options.Target) -> None:
    with target.connect() as conn:
        found = sessions.read(conn)
    if target.json:
        output.as_json_text(asdict(found))
        return
    _show(found.running, COLUMNS, "running", "nothing runs")
    _show(found.waiting, LOCK_COLUMNS, "\nwaiting", "\nno session waits for a lock")
    _show(found.blocking, LOCK_COLUMNS, "\nblocking", "\nno session is waited for")
    if not found.sees_all:
        click.echo("\nwhat other logins do is hidden from this one: grant it pg_read_all_stats", err=True)


def _show(found: Sequence[sessions.Session], columns: Sequence[str], title: str, empty: str) -> None:
    rows = [asdict(session) | {"for": _duration(session.seconds)} for session in found]
    answer.table(rows, columns, title=title, empty=empty)


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else output.duration(timedelta(seconds=max(0.0, seconds)))
