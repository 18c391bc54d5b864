"""orchestrator settings: read and change them where they live, in the database."""

import click

from orchestrator.cli import answer, completion, options, output
from orchestrator.database import db
from orchestrator.errors import UnknownName

COLUMNS = ("name", "value", "default_value", "description", "unit", "minimum", "maximum")


@click.group()
def settings() -> None:
    """Read and change the settings."""


@settings.command("list")
@options.common
def list_settings(target: options.Target) -> None:
    """List all settings, their defaults and bounds."""
    answer.look_at_rows(target, lambda conn: db.view(conn, "settings", order_by=["name"]), COLUMNS, empty="no settings")


@settings.command()
@click.argument("name", shell_complete=completion.settings)
@options.common
def get(target: options.Target, name: str) -> None:
    """Print one value."""
    with target.connect() as conn:
        found = db.view(conn, "settings", where={"name": name})
    if not found:
        raise UnknownName(
            "unknown setting", detail={"name": name}, hint="'orchestrator settings list' lists those that are known"
        )
    if target.json:
        output.record(found[0], as_json=True)
    else:
        click.echo(output.text(found[0]["value"]))


@settings.command("set")
@click.argument("name", shell_complete=completion.settings)
@click.argument("value")
@options.common
def set_setting(target: options.Target, name: str, value: str) -> None:
    """Change a setting. A value out of bounds, or one that breaks a rule of timing, is refused."""
    answer.act_and_show(target, "set_setting", name=name, value=value)
