"""orchestrator db: installing, upgrading and checking the database."""

import click

from orchestrator import migrate as runner
from orchestrator.cli import options, output


@click.group()
def db() -> None:
    """Install, upgrade and check the database."""


@db.command()
@options.common
def migrate(target: options.Target) -> None:
    """Install or upgrade this fleet's schemas, in one transaction."""
    report = runner.migrate(target.dsn, target.schema)
    output.record(vars(report), as_json=target.json)
