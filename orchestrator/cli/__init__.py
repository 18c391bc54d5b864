"""The command line. Each file beside this one defines one group or command; the table below registers it."""

import os
from importlib import import_module
from typing import Any

import click

from orchestrator import __version__, process_list
from orchestrator.cli import output
from orchestrator.logs import log

# Command → "module:object". Loaded when used, so that a command needs only what it imports.
COMMANDS: dict[str, str] = {
    "db": "orchestrator.cli.db:db",
    "run": "orchestrator.cli.run:run",
    "serve": "orchestrator.cli.serve:serve",
    "demo": "orchestrator.cli.demo:demo",
    "status": "orchestrator.cli.status:status",
    "instance": "orchestrator.cli.instance:instance",
    "stream": "orchestrator.cli.stream:stream",
    "rebalance": "orchestrator.cli.rebalance:rebalance",
    "diagnose": "orchestrator.cli.diagnose:diagnose",
    "health": "orchestrator.cli.health:health",
    "coverage": "orchestrator.cli.coverage:coverage",
    "event": "orchestrator.cli.event:event",
    "history": "orchestrator.cli.history:history",
    "metrics": "orchestrator.cli.metrics:metrics",
    "alerts": "orchestrator.cli.alerts:alerts",
    "jobs": "orchestrator.cli.jobs:jobs",
    "settings": "orchestrator.cli.settings:settings",
    "source": "orchestrator.cli.source:source",
    "top": "orchestrator.cli.top:top",
    "completion": "orchestrator.cli.completion:completion",
}

_AS_JSON = f"{__name__}.as_json"


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: Any = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> click.Context:
        as_json = "--json" in args  # click takes words from args
        with output.clean_usage_errors(as_json=as_json):
            ctx = super().make_context(info_name, args, *more, **extra)
        ctx.meta[_AS_JSON] = as_json
        return ctx

    def invoke(self, ctx: click.Context) -> Any:
        with output.clean_usage_errors(as_json=ctx.meta[_AS_JSON]):
            return super().invoke(ctx)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="orchestrator")
def main() -> None:
    """Decides, in PostgreSQL, which worker listens to which radio stream."""
    process_list.hide_password()
    # A command answers, with its errors too, which programs read as JSON; log lines between them only when asked for.
    # A driver talks, and says so itself.
    log.set_up(level=os.environ.get("LOG_LEVEL") or "ERROR")
