"""orchestrator health: is all well?"""

import sys

import click

from orchestrator.cli import answer, options
from orchestrator.database import db

COLUMNS = ("component", "status", "finding", "response_time")


@click.command()
@options.watchable
def health(target: options.Target) -> None:
    """Check connectivity, the record's integrity, instances, streams, jobs and sources.

    Exit status 1 when something is unhealthy: streams are not heard, or the record is wrong.
    """
    found = answer.look_at_rows(target, lambda conn: db.call(conn, "health"), COLUMNS, empty="nothing was checked")
    if any(check["status"] == "unhealthy" for check in found or ()):
        sys.exit(1)
