"""orchestrator db: installing, upgrading and checking the database."""

import re
import sys
from dataclasses import asdict

import click

from orchestrator.cli import options, output
from orchestrator.install import check as checker
from orchestrator.install import migrate as runner
from orchestrator.install import script

PENDING = 3
DRIFT = 4
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")  # needs no quotes in the fence's SQL


@click.group()
def db() -> None:
    """Install, upgrade and check the database."""


@db.command()
@click.option("--repair", is_flag=True, help="Apply functions, views, triggers and grants again even if none changed.")
@click.option(
    "--patience",
    metavar="SECONDS",
    type=options.Number(min=0),
    default=60.0,
    show_default=True,
    help="How long to try again while others hold locks.",
)
@options.common
def migrate(target: options.Target, repair: bool, patience: float) -> None:
    """Install or upgrade the fleet's schemas, in one transaction."""
    with output.progress("migrating", as_json=target.json) as tell:
        report = runner.migrate(target.dsn, target.schema, repair=repair, patience=patience, tell=tell)
    if target.json:
        output.as_json_text({**asdict(report), "nothing_to_do": report.nothing_to_do})
    elif report.nothing_to_do:
        click.echo(f"{report.schema}: nothing to do")
    else:
        for path in report.migrations:
            click.echo(f"applied {path}")
        click.echo(
            f"{report.schema}: {len(report.migrations)} migrations and {len(report.repeatables)} repeatable files "
            f"applied in {report.seconds:.1f} s"
        )


@db.command()
@options.common
def status(target: options.Target) -> None:
    """What is installed, and what is pending."""
    found = checker.status(target.dsn, target.schema)
    if target.json:
        output.as_json_text(asdict(found))
        return
    click.echo(f"fleet     {found.schema}")
    click.echo(f"server    PostgreSQL {found.server_version // 10000}.{found.server_version % 10000}")
    click.echo(f"program   migration {found.program_version:04}")
    click.echo(f"database  {f'migration {found.database_version:04}' if found.installed else 'not installed'}")
    for applied in found.applied:
        output.line(f"applied   {applied.name}  {applied.applied_at:%Y-%m-%d %H:%M:%S%z} by {applied.applied_by}")
    for path in found.pending:
        click.echo(f"pending   {path}")
    if found.changed:
        click.echo(f"pending   {len(found.changed)} repeatable files")


@db.command()
@options.common
def check(target: options.Target) -> None:
    """Compare the database with this program.

    Exit status: 0 equal, 3 migrations are pending, 4 something was edited, altered, lost or left over.
    """
    findings = checker.check(target.dsn, target.schema)
    output.rows([asdict(finding) for finding in findings], as_json=target.json, empty=f"{target.schema}: in order")
    if findings:
        sys.exit(PENDING if all(finding.kind == "pending" for finding in findings) else DRIFT)


@db.command()
@click.option("--fence", is_flag=True, help="Print the fence for a database of results instead.")
@click.option("--fence-schema", metavar="NAME", default="orchestrator_fence", show_default=True)
@options.schema_only
def render(schema: str, fence: bool, fence_schema: str) -> None:
    """Print a script that does with psql alone what migrate does."""
    if not _PLAIN_NAME.fullmatch(fence_schema):
        raise click.BadParameter("use lowercase letters, digits and underscores", param_hint="--fence-schema")
    click.echo(script.render_fence(fence_schema) if fence else script.render(schema), nl=False)


@db.command()
@click.option("--login", metavar="NAME", help="Let this login migrate.")
@options.schema_only
def roles(schema: str, login: str | None) -> None:
    """Print the SQL that makes the fleet's roles, for somebody who may run it."""
    click.echo(script.roles(schema, login=login), nl=False)
