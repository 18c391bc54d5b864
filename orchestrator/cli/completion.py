"""orchestrator completion, and what the shells are offered: what the database knows, if it answers at once."""

import os
import re
from collections.abc import Callable

import click
from click.shell_completion import CompletionItem, get_completion_class

from orchestrator.cli import output
from orchestrator.database import db
from orchestrator.errors import OrchestratorError
from orchestrator.names import DEFAULT_SCHEMA

_AT_ONCE = db.Timeouts(statement_timeout=2, transaction_timeout=2, lock_timeout=1, network_timeout=2)
_PLAIN = re.compile(r"[\w.-]+")  # a shell takes it as it is
_MOST = 500  # words that a shell is offered

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options, and what the database knows by name.

    \b
    bash  eval "$(orchestrator completion bash)"        in ~/.bashrc
    zsh   eval "$(orchestrator completion zsh)"         in ~/.zshrc
    fish  orchestrator completion fish > ~/.config/fish/completions/orchestrator.fish
    """
    shell_class = get_completion_class(shell)
    assert shell_class is not None
    root = ctx.find_root()
    click.echo(shell_class(root.command, {}, "orchestrator", "_ORCHESTRATOR_COMPLETE").source())


def _known(view: str, column: str, told: str) -> Complete:
    """Offers the values of one column of a view, each with what another column tells of it."""

    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        schema = ctx.params.get("schema") or os.environ.get("ORCHESTRATOR_SCHEMA") or DEFAULT_SCHEMA
        try:
            with db.connect(
                ctx.params.get("dsn"), schema=schema, application_name="completion", timeouts=_AT_ONCE
            ) as conn:
                rows = db.view(conn, view, order_by=[column])
        except OrchestratorError:
            return []  # a shell is no place for an error
        words = {str(row[column]): output.text(row[told]) for row in rows}
        offered = [word for word in words if word.startswith(incomplete) and _PLAIN.fullmatch(word)]
        return [CompletionItem(word, help=words[word]) for word in offered[:_MOST]]

    return complete


instances = _known("instances", "instance_id", "status")
streams = _known("streams", "stream_id", "name")
settings = _known("settings", "name", "value")
jobs = _known("jobs", "job", "schedule")
sources = _known("sources", "source", "kind")
targets = _known("alert_targets", "target", "minimum_severity")
open_alerts = _known("alerts", "alert_id", "code")  # resolved ones too: the user knows why
